package scanner

import (
	"errors"

	"golang.org/x/sys/unix"
)

var errNotOpen = errors.New("the scanner's port is not open")

// Lines returns the modem-status lines of the port (TIOCMGET bits), for a contact that is wired to them. It may be called
// at any time, from any goroutine.
func (r *Reader) Lines() (lines int, err error) {
	p := r.port.Load()
	if p == nil {
		return 0, errNotOpen
	}
	p.looks.Lock()
	defer p.looks.Unlock()
	if p.closed {
		return 0, errNotOpen
	}
	err = p.control(func(fd int) (err error) {
		lines, err = unix.IoctlGetInt(fd, unix.TIOCMGET)
		return err
	})
	return lines, err
}
