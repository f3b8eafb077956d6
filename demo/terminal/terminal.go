// Package terminal makes the pseudo-terminals of simulated devices.
package terminal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Open makes a terminal with a new number: far is the end of the device, near the port that a gate opens by its name. Unlike the
// files of pty.Open, both have deadlines, and Close interrupts Read and Write. While nobody has the port open, far reads as hung
// up: a device that must stay connected keeps near open.
func Open() (far, near *os.File, err error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("pseudo-terminal: %w", err)
	}
	far, err1 := nonblocking(master)
	near, err2 := nonblocking(slave)
	if err := errors.Join(err1, err2); err != nil {
		far.Close() // closing a nil file only returns an error
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

// Link points a link to a port, as udev does: atomically, so that the link exists at every moment.
func Link(link, port string) error {
	next := filepath.Join(filepath.Dir(link), "."+filepath.Base(link)+".new")
	os.Remove(next)
	return errors.Join(os.Symlink(port, next), os.Rename(next, link))
}
