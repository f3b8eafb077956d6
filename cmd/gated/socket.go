package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// socket is where the scanner of a demo's lane is plugged in: a link, as udev makes it, to a pseudo-terminal.
type socket struct {
	link    string
	scanner *os.File // what is written to it comes out of the scanner; nil: unplugged
}

// plug puts a scanner in, at a terminal of a new number.
func (s *socket) plug() error { return s.plugWith("") }

// plugWith plugs in a scanner that has sent something before anybody could listen.
func (s *socket) plugWith(early string) error {
	blocking, port, err := pty.Open()
	if err != nil {
		return fmt.Errorf("pseudo-terminal: %w", err)
	}
	defer port.Close()
	// While somebody reads a file that blocks, closing it does not pull the plug.
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	blocking.Close()
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return fmt.Errorf("pseudo-terminal: %w", err)
	}
	far := os.NewFile(uintptr(fd), "scanner")
	if _, err := io.WriteString(far, early); err != nil {
		far.Close()
		return err
	}
	if err := s.name(port.Name()); err != nil {
		far.Close()
		return err
	}
	s.scanner = far
	go io.Copy(io.Discard, far) // a scanner ignores what the gate sends; ends when it is unplugged
	return nil
}

// name lets the link name a port, in one step.
func (s *socket) name(port string) error {
	next := filepath.Join(filepath.Dir(s.link), "."+filepath.Base(s.link))
	os.Remove(next)
	if err := os.Symlink(port, next); err != nil {
		return err
	}
	return os.Rename(next, s.link)
}

// unplug takes the scanner out. Its terminal's number will be another's: no link may name it.
func (s *socket) unplug() {
	os.Remove(s.link)
	if s.scanner != nil {
		s.scanner.Close()
		s.scanner = nil
	}
}
