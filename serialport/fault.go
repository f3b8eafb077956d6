package serialport

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// What can be wrong with a port. A device that is gone is unix.EIO, as the kernel says it.
var (
	ErrNotDevice  = errors.New("no serial port")
	ErrNoBytes    = errors.New("bytes were announced and none could be read")
	ErrRenumbered = errors.New("the path names another device now")
	ErrClosed     = errors.New("the port is not open")
	ErrWedged     = errors.New("the driver of the serial port does not give it back")
)

// Causes of an error, in stable words.
const (
	Absent       = "absent"        // no device under the path
	NotADevice   = "not-a-device"  // a file, a directory, a pipe, or a device that is no serial port
	NoPermission = "no-permission" // the user may not open it
	Busy         = "busy"          // another process, or another lane, has it open
	HangUp       = "hang-up"       // unplugged
	Lost         = "lost"          // bytes were announced and could not be read: someone else reads
	Renumbered   = "renumbered"    // the path names another device now
	Wedged       = "wedged"        // its driver does not open it, or does not give it back
	Fault        = "fault"         // anything else
)

// Cause tells in one word what an error of a port means.
func Cause(err error) string {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(ErrWedged):
		return Wedged
	case is(fs.ErrNotExist, unix.ENOTDIR, unix.ENXIO, unix.ENODEV):
		return Absent
	case is(ErrNotDevice, unix.ENOTTY):
		return NotADevice
	case is(ErrRenumbered):
		return Renumbered
	case is(fs.ErrPermission):
		return NoPermission
	case is(unix.EBUSY, unix.EWOULDBLOCK):
		return Busy
	case is(unix.EIO):
		return HangUp
	case is(ErrNoBytes):
		return Lost
	}
	return Fault
}

// withoutPath takes the path off an error that will be given it once.
func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
