package gate

import "time"

// maxAnswered bounds the memory for repeats: more codes than this are not read in a window.
const maxAnswered = 64

// answered is a passage whose answer the same code gets again for a while. A code that is read without a pause is one reading, however
// long a phone lies before the scanner: it is a new one once it was away for window.
type answered struct {
	passage
	window time.Duration
	until  time.Time // monotonic
}

// repeats are the answers of a moment ago, by lane and hash of the code.
type repeats map[[32]byte]answered

// again returns the passage of a code, if it counts as read already.
func (r repeats) again(key [32]byte, now time.Time) *passage {
	a, ok := r[key]
	if !ok || !now.Before(a.until) {
		delete(r, key)
		return nil
	}
	a.until = now.Add(a.window)
	r[key] = a
	return &a.passage
}

// remember keeps a passage for as long as window, and forgets what nobody holds up any more; with too many of them, the
// one that would be forgotten next.
func (r repeats) remember(p passage, window time.Duration, now time.Time) {
	var next [32]byte
	for k, a := range r {
		if b, some := r[next]; !now.Before(a.until) {
			delete(r, k)
		} else if !some || a.until.Before(b.until) {
			next = k
		}
	}
	if len(r) >= maxAnswered {
		delete(r, next)
	}
	r[p.key] = answered{p, window, now.Add(window)}
}
