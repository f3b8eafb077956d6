// Package lcussim simulates an LCUS relay board on a pseudo-terminal, with the faults that such boards have.
package lcussim

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"gated/demo/terminal"

	"golang.org/x/sys/unix"
)

// Switching is one change of a channel's state.
type Switching struct {
	At      time.Time
	Channel int
	On      bool
	Power   bool // switched off because the board was unplugged
}

// Faults are the possible faults of a board; the zero value is a board without faults.
type Faults struct {
	Silent bool // it carries out commands and does not answer
	Deaf   bool // it does not read: what is sent stays in the terminal until that is full
	Lies   bool // it answers the opposite of its state
	Stuck  bool // it stays as it is, whatever the command

	Slow time.Duration // delay of its answers
}

// Relay is one board. Its methods can be called from any goroutine.
type Relay struct {
	link     string
	channels int
	answers  bool

	mu      sync.Mutex // guards the rest
	changed *sync.Cond
	far     *os.File // the board's end; nil while it is unplugged
	near    *os.File // keeps the terminal open while nobody uses it
	reading chan struct{}
	faults  Faults
	on      []bool
	journal []Switching
	frames  int
}

// New plugs a board in, and makes link a symlink to its port, as udev does. A board that answers reports its state when it gets
// the byte FF.
func New(link string, channels int, answers bool) (*Relay, error) {
	r := &Relay{link: link, channels: channels, answers: answers}
	r.changed = sync.NewCond(&r.mu)
	return r, r.Plug()
}

// Plug plugs the board in, at a terminal with a new number, with all channels off.
func (r *Relay) Plug() error {
	far, near, err := terminal.Open()
	if err != nil {
		return err
	}
	if err := terminal.Link(r.link, near.Name()); err != nil {
		far.Close()
		near.Close()
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unplug()
	r.far, r.near, r.on = far, near, make([]bool, r.channels+1)
	r.reading = make(chan struct{})
	go r.read(far, r.reading)
	if r.faults.Deaf {
		r.fill()
	}
	return nil
}

// Unplug unplugs the board: its terminal hangs up, and the link is gone.
func (r *Relay) Unplug() {
	os.Remove(r.link)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unplug()
}

// Close unplugs the board for good, and waits until its goroutines have ended.
func (r *Relay) Close() {
	r.mu.Lock()
	reading := r.reading
	r.mu.Unlock()
	r.Unplug()
	if reading != nil {
		<-reading
	}
}

func (r *Relay) unplug() {
	if r.far == nil {
		return
	}
	for ch, on := range r.on {
		if on {
			r.journal = append(r.journal, Switching{At: time.Now(), Channel: ch, Power: true})
		}
	}
	r.far.Close()
	r.near.Close()
	r.far, r.near, r.on = nil, nil, nil
	r.changed.Broadcast()
}

// Set gives the board these faults and no others.
func (r *Relay) Set(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.faults.Deaf
	r.faults = f
	if r.far == nil || f.Deaf == was {
		return
	}
	if f.Deaf {
		r.fill()
		return
	}
	r.far.SetReadDeadline(time.Time{})
	r.changed.Broadcast()
}

// fill stops reading and keeps the terminal full of zeros, which boards ignore. The caller holds mu.
func (r *Relay) fill() {
	r.far.SetReadDeadline(time.Unix(1, 0))
	near := r.near
	raw, err := near.SyscallConn()
	if err != nil {
		return
	}
	bytes := func(fd uintptr) {
		// When the kernel has no room for more, single bytes still fit into the buffers that it has allocated.
		for _, n := range []int{4096, 1} {
			for {
				if _, err := unix.Write(int(fd), make([]byte, n)); err != nil {
					break
				}
			}
		}
	}
	go func() {
		// The kernel moves data between its buffers, and does not report that there is room again.
		for again := time.NewTicker(time.Millisecond); ; <-again.C {
			r.mu.Lock()
			deaf := r.faults.Deaf && r.near == near
			if deaf {
				raw.Control(bytes)
			}
			r.mu.Unlock()
			if !deaf {
				again.Stop()
				return
			}
		}
	}()
}

// Journal returns all switchings so far, in order.
func (r *Relay) Journal() []Switching {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Switching(nil), r.journal...)
}

// Forget returns the switchings since its last call and forgets them, so that a run of many hours does not collect them.
func (r *Relay) Forget() []Switching {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.journal
	r.journal = nil
	return j
}

// Path is the link to the port.
func (r *Relay) Path() string { return r.link }

// Pulses returns how often a channel was switched on.
func (r *Relay) Pulses(channel int) (n int) {
	for _, s := range r.Journal() {
		if s.On && s.Channel == channel {
			n++
		}
	}
	return n
}

// On tells whether a channel is on.
func (r *Relay) On(channel int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.on != nil && r.on[channel]
}

// Frames returns how many commands and state requests the board has understood.
func (r *Relay) Frames() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frames
}

func (r *Relay) read(far *os.File, done chan struct{}) {
	defer close(done)
	var frame []byte
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			r.mu.Lock()
			for r.faults.Deaf && r.far == far {
				r.changed.Wait()
			}
			r.mu.Unlock()
			// What came meanwhile is lost, as in a board whose input has overflowed.
			if raw, err := far.SyscallConn(); err == nil {
				raw.Control(func(fd uintptr) { unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIFLUSH) })
			}
			frame = frame[:0]
			continue
		}
		if err != nil {
			return
		}
		for _, b := range buf[:n] {
			switch {
			case len(frame) == 0 && b == 0xFF:
				r.question(far)
			case len(frame) > 0 || b == 0xA0:
				if frame = append(frame, b); len(frame) == 4 {
					r.command(far, frame)
					frame = frame[:0]
				}
			}
		}
	}
}

// command carries out a frame. One that was read before the board was unplugged is not for the board that was plugged in since.
func (r *Relay) command(far *os.File, f []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := int(f[1])
	if f[3] != f[0]+f[1]+f[2] || f[2] > 1 || ch < 1 || ch > r.channels || r.far != far {
		return
	}
	r.frames++
	on := f[2] == 1
	if r.on[ch] == on || r.faults.Stuck {
		return
	}
	r.on[ch] = on
	r.journal = append(r.journal, Switching{At: time.Now(), Channel: ch, On: on})
}

func (r *Relay) question(far *os.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.far != far {
		return
	}
	r.frames++
	if !r.answers || r.faults.Silent {
		return
	}
	text := ""
	for ch, on := range r.on[1:] {
		word := "OFF"
		if on != r.faults.Lies {
			word = "ON "
		}
		text += fmt.Sprintf("CH%d: %s\r\n", ch+1, word)
	}
	answer := func() {
		far.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		far.WriteString(text)
	}
	if r.faults.Slow > 0 {
		time.AfterFunc(r.faults.Slow, answer) // to a closed file, if the board was unplugged meanwhile
		return
	}
	answer()
}
