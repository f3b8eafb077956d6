package terminal

import (
	"io"
	"os"
)

// Socket is the serial port of a lane, into which a scanner is plugged: a link to a pseudo-terminal, as udev makes it.
type Socket struct {
	Link    string
	Scanner *os.File // the scanner's end: what is written here, the gate reads; nil: unplugged
}

// Plug plugs a scanner in, at a terminal with a new number.
func (s *Socket) Plug() error { return s.PlugWith("") }

// PlugWith plugs in a scanner that has sent something before the gate could open the port.
func (s *Socket) PlugWith(early string) error {
	far, port, err := Open()
	if err != nil {
		return err
	}
	defer port.Close()
	if _, err := io.WriteString(far, early); err != nil {
		far.Close()
		return err
	}
	if err := Link(s.Link, port.Name()); err != nil {
		far.Close()
		return err
	}
	s.Scanner = far
	go io.Copy(io.Discard, far) // the scanner ignores what the gate sends; ends when it is unplugged
	return nil
}

// Unplug unplugs the scanner. The link goes first, as the kernel may give the number of the terminal to another device.
func (s *Socket) Unplug() {
	os.Remove(s.Link)
	if s.Scanner != nil {
		s.Scanner.Close()
		s.Scanner = nil
	}
}
