// Package terminal makes the pseudo-terminals at which simulated devices sit.
package terminal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Open makes a terminal of a new number: far is the device's end, near the port that a gate opens by its name. Both have deadlines,
// and Close ends what reads or writes them, as it does not with the files of pty.Open. While nobody has the port open, the far end
// reads as hung up: a device that is to be there all the time keeps near.
func Open() (far, near *os.File, err error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	far, err1 := nonblocking(master)
	near, err2 := nonblocking(slave)
	if err := errors.Join(err1, err2); err != nil {
		far.Close() // of nil is only an error
		near.Close()
		return nil, nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	return far, near, nil
}

// nonblocking replaces a file by one whose Read and Write have deadlines and end at Close.
func nonblocking(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Link lets a link name a port, as udev does: in one step, so that there is a name at every moment.
func Link(link, port string) error {
	next := filepath.Join(filepath.Dir(link), "."+filepath.Base(link)+".new")
	os.Remove(next)
	return errors.Join(os.Symlink(port, next), os.Rename(next, link))
}
