// Package repeat knows a code again that was read a moment ago.
package repeat

import (
	"maps"
	"time"
)

// most bounds the memory: more codes than this are not read in a window.
const most = 64

// Key is a hash of a code and of the lane where it was read.
type Key = [32]byte

// Memory has the answers of a moment ago.
type Memory[A any] map[Key]answered[A]

// answered is an answer that the same code gets again for a while. A code that is read without a pause is one reading, however long a
// phone lies before the scanner: it is a new one once it was away for window.
type answered[A any] struct {
	answer A // or the question, of who waits
	window time.Duration
	until  time.Time // monotonic
}

// Again returns the answer to a code, if it counts as read already.
func (m Memory[A]) Again(key Key, now time.Time) *A {
	a, ok := m[key]
	if !ok || !now.Before(a.until) {
		delete(m, key)
		return nil
	}
	a.until = now.Add(a.window)
	m[key] = a
	return &a.answer
}

// Replace puts another answer in the place of one, for as long as that would have been given still.
func (m Memory[A]) Replace(key Key, answer A) {
	if a, ok := m[key]; ok {
		a.answer = answer
		m[key] = a
	}
}

// Drop forgets the answers of which something is so.
func (m Memory[A]) Drop(is func(A) bool) {
	maps.DeleteFunc(m, func(_ Key, a answered[A]) bool { return is(a.answer) })
}

// Remember keeps an answer for as long as window, and forgets what nobody holds up any more; with too many of them, the
// one that would be forgotten next.
func (m Memory[A]) Remember(key Key, answer A, window time.Duration, now time.Time) {
	var next Key
	for k, a := range m {
		if b, some := m[next]; !now.Before(a.until) {
			delete(m, k)
		} else if !some || a.until.Before(b.until) {
			next = k
		}
	}
	if len(m) >= most {
		delete(m, next)
	}
	m[key] = answered[A]{answer, window, now.Add(window)}
}
