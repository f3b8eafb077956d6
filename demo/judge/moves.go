package judge

import (
	"sync"
	"time"

	"gated/policy"
)

// Moves foretells what a gate answers to people of the roster with valid passes, by where it has let them go before: who goes one
// way twice within two minutes is held. The zero value knows nobody.
type Moves struct {
	Older bool // there were passages before the first that it hears of

	mu sync.Mutex
	of map[string]move
}

// move is somebody's newest passage.
type move struct {
	underWay  bool // they stand at a lane
	lost      bool // nobody knows whether they have passed since
	direction string
	Span      // between being shown and answered it was stamped; without Until nobody knows when
}

// soon is how long after one passage another in the same direction is held.
const soon = 2 * time.Minute

// Same tells whether somebody went this way last time.
func (m *Moves) Same(id, direction string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of[id].direction == direction
}

// Begin says that somebody is about to pass; false: they stand at another lane.
func (m *Moves) Begin(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]move{}
	}
	x := m.of[id]
	was := x.underWay
	x.underWay = true
	m.of[id] = x
	return !was
}

// Lose says that somebody may have passed, whichever way.
func (m *Moves) Lose(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]move{}
	}
	m.of[id] = move{lost: true}
}

// Leave says that they do not pass after all.
func (m *Moves) Leave(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x, is := m.of[id]; is {
		x.underWay = false
		m.of[id] = x
	}
}

// End says how it was answered, unless nothing came of it, and returns what was to be answered: admit, hold, or "" for either.
func (m *Moves) End(id, direction string, at Span, verdict string) (want string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.of[id]
	x.underWay = false
	switch {
	case x.lost:
	case x.direction == "" && !m.Older, x.direction != "" && x.direction != direction:
		want = policy.Admit
	case x.direction == "" || x.Until.IsZero():
	case at.Until.Sub(x.From) < soon:
		want = policy.Hold
	case at.From.Sub(x.Until) >= soon:
		want = policy.Admit
	}
	switch verdict {
	case policy.Admit:
		x.direction, x.Span, x.lost = direction, at, false
	case policy.Hold: // the guard may let them pass, at some time
		if x.direction == direction {
			x.Until = time.Time{}
		}
	}
	m.of[id] = x
	return want
}
