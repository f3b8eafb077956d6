package demo

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Socket is where the scanner of a lane is plugged in: a link, as udev makes it, to a pseudo-terminal.
type Socket struct {
	Link    string
	Scanner *os.File // what is written to it comes out of the scanner; nil: unplugged
}

// Plug puts a scanner in, at a terminal of a new number.
func (s *Socket) Plug() error { return s.PlugWith("") }

// PlugWith plugs in a scanner that has sent something before anybody could listen.
func (s *Socket) PlugWith(early string) error {
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
	if err := s.Name(port.Name()); err != nil {
		far.Close()
		return err
	}
	s.Scanner = far
	go io.Copy(io.Discard, far) // a scanner ignores what the gate sends; ends when it is unplugged
	return nil
}

// Name lets the link name a port, in one step.
func (s *Socket) Name(port string) error {
	next := filepath.Join(filepath.Dir(s.Link), "."+filepath.Base(s.Link))
	os.Remove(next)
	if err := os.Symlink(port, next); err != nil {
		return err
	}
	return os.Rename(next, s.Link)
}

// Unplug takes the scanner out. Its terminal's number will be another's: no link may name it.
func (s *Socket) Unplug() {
	os.Remove(s.Link)
	if s.Scanner != nil {
		s.Scanner.Close()
		s.Scanner = nil
	}
}
