// Package serialport is one open serial port: it waits for bytes, notices when the device is gone, and follows one that is
// given another number.
package serialport

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"
)

// A Port is an open serial port. tarm/serial sets it up and reads it, but its
// Read can neither be woken nor tell a hang-up from a timeout, its Write can
// block for ever, and its Close waits for its Read. So a second, non-blocking
// descriptor of the same device waits and writes, and tarm's Read is called only
// when bytes are there.
//
// One goroutine at a time may read and one write; Close is called when neither does. Lines may be called at any time, from
// any goroutine.
type Port struct {
	path string
	tarm *serial.Port
	side *os.File
	raw  syscall.RawConn // of side
	rdev uint64          // device number

	// The last user of a descriptor that is being closed closes it, and hangs where the driver hangs. So Close lets no
	// further Lines begin, and waits for one under way.
	linesRead sync.Mutex
	closed    bool // guarded by it
}

// Open opens the device for us alone.
func Open(c Config) (_ *Port, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("open serial port %s: %w", c.Device, err)
		}
	}()
	// Before opening: to open a disk for writing, or to close it, is not without effect.
	rdev, err := DeviceNumber(c.Device)
	if err != nil {
		return nil, err
	}
	side, err := os.OpenFile(c.Device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, withoutPath(err)
	}
	p := &Port{path: c.Device, side: side, rdev: rdev}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.raw, err = side.SyscallConn(); err != nil {
		return nil, err
	}
	// Two readers would get half of the bytes each, and two writers would undo
	// each other's work. TIOCEXCL keeps every later opener out but the privileged
	// ones; flock tells those who ask, a second lane or gated among them, and a
	// killed process cannot leave it behind.
	if err = p.control(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	p.tarm, err = serial.OpenPort(&serial.Config{
		Name:     c.Device,
		Baud:     cmp.Or(c.Baud, 9600),
		Size:     byte(c.DataBits),
		Parity:   parities[c.Parity],
		StopBits: serial.StopBits(c.StopBits),
		// Never run down. Without one a Read could block for ever; one below 100 ms would make a read of nothing look like
		// the end.
		ReadTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, withoutPath(err)
	}
	if err = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0) }); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	// The path was opened twice, and may have come to name another device in between.
	for _, number := range []func() (uint64, error){p.opened, func() (uint64, error) { return DeviceNumber(c.Device) }} {
		if is, err := number(); err != nil {
			return nil, err
		} else if is != rdev {
			return nil, ErrRenumbered
		}
	}
	return p, nil
}

// opened is the device number of the descriptor.
func (p *Port) opened() (rdev uint64, err error) {
	err = p.control(func(fd int) error {
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		rdev = st.Rdev
		return err
	})
	return rdev, err
}

// Renumbered tells whether the path names another device by now. One that names
// none may come back: links are made anew when udev is told to, and a device
// that is really gone hangs up.
func (p *Port) Renumbered() bool {
	rdev, err := DeviceNumber(p.path)
	return err == nil && rdev != p.rdev
}

// Lines returns the modem-status lines (TIOCMGET bits), for a contact that is wired to them.
func (p *Port) Lines() (lines int, err error) {
	p.linesRead.Lock()
	defer p.linesRead.Unlock()
	if p.closed {
		return 0, ErrClosed
	}
	return p.ioctl(unix.TIOCMGET)
}

// Close gives the port back. It has nothing to report: what had to be sent was waited for with Drain. But a driver may
// keep it waiting; an Opener does not wait for ever.
func (p *Port) Close() {
	p.linesRead.Lock()
	p.closed = true
	p.linesRead.Unlock()
	if p.tarm != nil {
		p.control(func(fd int) error {
			// The kernel would wait up to 30 s until it is sent. Where nothing waits there, the last bytes may still be in
			// the UART, and a flush would take them.
			if n, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ); err != nil || n > 0 {
				unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH)
			}
			// On a pseudo-terminal the flag outlives the descriptor that set it, and the lock does where a process that is
			// just being started has inherited it.
			return errors.Join(unix.IoctlSetInt(fd, unix.TIOCNXCL, 0), unix.Flock(fd, unix.LOCK_UN))
		})
	}
	p.side.Close()
	if p.tarm != nil {
		p.tarm.Close()
	}
}

// ioctl asks the port for a number.
func (p *Port) ioctl(request uint) (n int, err error) {
	err = p.control(func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, request)
		return err
	})
	return n, err
}

func (p *Port) control(f func(fd int) error) error {
	var err error
	if e := p.raw.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}
