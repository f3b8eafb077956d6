package demo

import (
	"io"
	"os"

	"gated/demo/terminal"
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
	far, port, err := terminal.Open()
	if err != nil {
		return err
	}
	defer port.Close()
	if _, err := io.WriteString(far, early); err != nil {
		far.Close()
		return err
	}
	if err := terminal.Link(s.Link, port.Name()); err != nil {
		far.Close()
		return err
	}
	s.Scanner = far
	go io.Copy(io.Discard, far) // a scanner ignores what the gate sends; ends when it is unplugged
	return nil
}

// Unplug takes the scanner out. Its terminal's number will be another's: no link may name it.
func (s *Socket) Unplug() {
	os.Remove(s.Link)
	if s.Scanner != nil {
		s.Scanner.Close()
		s.Scanner = nil
	}
}
