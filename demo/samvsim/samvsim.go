// Package samvsim simulates a reader of resident ID cards (a SAM-V module) on a pseudo-terminal.
package samvsim

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"gated/demo/terminal"
)

// Faults are the possible faults of a Reader; the zero value is a reader without faults.
type Faults struct {
	Mute     bool          // it answers nothing
	Damaged  bool          // the checksum of every answer is wrong
	Short    bool          // every answer is cut off in its middle
	Twice    bool          // it sends every answer two times
	Noise    string        // sent before every answer
	Slice    int           // bytes that it sends at a time; 0: all
	Slow     time.Duration // before the answer to the reading command
	Searches time.Duration // before the answer to the finding command
	Status   byte          // the status of every answer, without data
	Unread   byte          // the status of every answer to the reading command
	Once     bool          // a selected card is not found again until it was removed: many modules do so
	Flickers bool          // it finds the card only every other time
}

// Reader answers the commands of its host as a SAM-V module does, for the card that lies on it.
type Reader struct {
	// Path is the path of the port that a gate opens.
	Path string

	line, port *os.File // the pseudo-terminal's two ends
	works      sync.WaitGroup

	mu       sync.Mutex
	card     []byte // text of the card that lies on it; nil: none
	taken    bool   // selected since it was laid on
	selected bool   // selected since it was last found
	faults   Faults
	asked    int // how often the host has searched for a card
	empty    int // of these, how many in a row found no card since there was none
	changed  chan struct{}
}

// Plug makes a pseudo-terminal with a Reader on it, without a card.
func Plug() (*Reader, error) {
	far, port, err := terminal.Open()
	if err != nil {
		return nil, err
	}
	r := &Reader{Path: port.Name(), line: far, port: port, changed: make(chan struct{})}
	r.works.Go(r.run)
	return r, nil
}

// Close unplugs the reader.
func (r *Reader) Close() {
	r.line.Close()
	r.works.Wait()
	r.port.Close()
}

// Photo is the photo of every card. Tests make sure that it is stored nowhere.
var Photo = slices.Repeat([]byte("photo of a face;"), 64)

// Present lays a card with this text of 256 bytes on the reader.
func (r *Reader) Present(text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.card, r.taken, r.selected, r.empty = slices.Clone(text), false, false, 0
}

// Remove takes the card away.
func (r *Reader) Remove() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.card, r.empty = nil, 0
}

// Break gives the reader these faults and no others.
func (r *Reader) Break(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = f
}

// Asked waits until the host has searched for a card n more times.
func (r *Reader) Asked(ctx context.Context, n int) error {
	r.mu.Lock()
	from := r.asked
	r.mu.Unlock()
	return r.until(ctx, func() bool { return r.asked >= from+n })
}

// Free waits until the host was told twice that there is no card, so that it takes the next one for another card.
func (r *Reader) Free(ctx context.Context) error {
	return r.until(ctx, func() bool { return r.empty >= 2 })
}

func (r *Reader) until(ctx context.Context, is func() bool) error {
	for {
		r.mu.Lock()
		done, changed := is(), r.changed
		r.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run answers commands until the line is closed.
func (r *Reader) run() {
	var got []byte
	buf := make([]byte, 256)
	for {
		n, err := r.line.Read(buf)
		if err != nil {
			return
		}
		got = append(got, buf[:n]...)
		for {
			// A command has ten bytes: five of preamble, two of length, two of command, and the XOR of these four.
			i := 0
			for i < len(got) && !slices.Equal(got[i:min(len(got), i+5)], []byte{0xaa, 0xaa, 0xaa, 0x96, 0x69}[:min(5, len(got)-i)]) {
				i++
			}
			if got = got[i:]; len(got) < 10 {
				break
			}
			c := got[5:10]
			got = got[10:]
			answer := []byte{0, 0, 0x10} // the status of a wrong checksum
			if c[0] == 0 && c[1] == 3 && c[4] == c[0]^c[1]^c[2]^c[3] {
				answer = r.answer([2]byte{c[2], c[3]})
			}
			r.mu.Lock()
			late := map[byte]time.Duration{0x30: r.faults.Slow, 0x20: r.faults.Searches}[c[2]]
			if c[3] != 0x01 { // 20 02 selects
				late = 0
			}
			r.mu.Unlock()
			time.Sleep(late)
			if !r.send(answer) {
				return
			}
		}
	}
}

// answer returns status and data.
func (r *Reader) answer(command [2]byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { close(r.changed); r.changed = make(chan struct{}) }()
	if command == [2]byte{0x20, 0x01} {
		r.asked++
	}
	switch {
	case r.faults.Status != 0:
		return []byte{0, 0, r.faults.Status}
	case command == [2]byte{0x20, 0x01}:
		r.selected = false
		if r.card == nil {
			r.empty++
		}
		if r.card == nil || r.faults.Once && r.taken || r.faults.Flickers && r.asked%2 == 0 {
			return []byte{0, 0, 0x80}
		}
		return []byte{0, 0, 0x9f, 0, 0, 0, 0}
	case command == [2]byte{0x20, 0x02} && r.card != nil:
		r.selected, r.taken = true, true
		return []byte{0, 0, 0x90, 0, 0, 0, 0, 0, 0, 0, 0}
	case command == [2]byte{0x20, 0x02}:
		return []byte{0, 0, 0x81}
	case command == [2]byte{0x30, 0x01} && (r.card == nil || !r.selected):
		return []byte{0, 0, 0x41}
	case command == [2]byte{0x30, 0x01} && r.faults.Unread != 0:
		return []byte{0, 0, r.faults.Unread}
	case command == [2]byte{0x30, 0x01}:
		size := func(b []byte) []byte { return []byte{byte(len(b) >> 8), byte(len(b))} }
		return slices.Concat([]byte{0, 0, 0x90}, size(r.card), size(Photo), r.card, Photo)
	}
	return []byte{0, 0, 0x21}
}

// send sends an answer in its frame. It returns false if the line is closed.
func (r *Reader) send(answer []byte) bool {
	r.mu.Lock()
	f := r.faults
	r.mu.Unlock()
	if f.Mute {
		return true
	}
	n := len(answer) + 1
	body := append([]byte{byte(n >> 8), byte(n)}, answer...)
	var sum byte
	for _, b := range body {
		sum ^= b
	}
	if f.Damaged {
		sum ^= 0x40
	}
	out := slices.Concat([]byte{0xaa, 0xaa, 0xaa, 0x96, 0x69}, body, []byte{sum})
	if f.Short {
		out = out[:len(out)/2]
	}
	out = append([]byte(f.Noise), out...)
	if f.Twice {
		out = append(out, out...)
	}
	for len(out) > 0 {
		k := len(out)
		if f.Slice > 0 {
			k = min(k, f.Slice)
		}
		if _, err := r.line.Write(out[:k]); err != nil {
			return false
		}
		out = out[k:]
	}
	return true
}
