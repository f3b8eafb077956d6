package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/creack/pty"
)

// socket is where the scanner of a demo's lane is plugged in: a link, as udev makes it, to a pseudo-terminal.
type socket struct {
	link    string
	scanner *os.File // what is written to it comes out of the scanner; nil: unplugged
}

// plug puts a scanner in, at a terminal of a new number.
func (s *socket) plug() error {
	far, port, err := pty.Open()
	if err != nil {
		return fmt.Errorf("pseudo-terminal: %w", err)
	}
	defer port.Close()
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
