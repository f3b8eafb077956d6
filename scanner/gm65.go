package scanner

import "time"

// A command of the GROW GM65 and GM8xx modules (user manual, serial control). The
// checksum is a CRC-16/XMODEM over what follows the 7E 00. It does not write to the
// flash, which wears out.
var gm65Heartbeat = []byte{0x7e, 0x00, 0x0a, 0x01, 0x00, 0x00, 0x00, 0x30, 0x1a}

// gm65Reply follows the 02 that answers a command, or the 03 that answers a
// heartbeat. It has no mark of its own and comes in the middle of codes.
var gm65Reply = []byte{0x00, 0x00, 0x01, 0x00, 0x33, 0x31}

// heldTime is how long the beginning of an answer is kept for its rest, which
// comes in one piece.
const heldTime = 50 * time.Millisecond

// replies takes a module's answers out of the bytes of a port. They come when
// they come, also late; and no code contains one, as it has NUL bytes.
type replies struct {
	held []byte // the beginning of what may become an answer
	out  []byte
}

// take returns the bytes of p that are no part of an answer, and how many
// answers there were. Bytes that may be one are kept until it is known. What is
// returned is valid until the next call.
func (r *replies) take(p []byte) (rest []byte, answers int) {
	r.out = r.out[:0]
	for _, b := range p {
		n := len(r.held)
		switch {
		case n > 0 && b == gm65Reply[n-1]:
			if r.held = append(r.held, b); len(r.held) == 1+len(gm65Reply) {
				r.held = r.held[:0]
				answers++
			}
			continue
		case n > 0:
			r.out = append(r.out, r.held...)
			r.held = r.held[:0]
		}
		if b == 0x02 || b == 0x03 { // which stand nowhere else in an answer
			r.held = append(r.held, b)
		} else {
			r.out = append(r.out, b)
		}
	}
	return r.out, answers
}

// release returns what was kept and has become no answer.
func (r *replies) release() (rest []byte) {
	r.out = append(r.out[:0], r.held...)
	r.held = r.held[:0]
	return r.out
}
