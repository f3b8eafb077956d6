package lane

import (
	"time"

	"gated/gate/view"
)

const (
	// droppedFor is how long the page says that a code was not read whole: as long as it takes to hold it up again.
	droppedFor = 4 * time.Second
	// unaskedFor is how long at least the page shows that somebody else opened the barrier.
	unaskedFor = time.Minute
	// personalFor is how long the page shows a name: there is a queue behind.
	personalFor = 10 * time.Second
	// failedFor is how long the page shows a command that failed, of a relay that says it is well again: whoever it was
	// for still stands there.
	failedFor = 10 * time.Second
	// triesFor is how long the page says that somebody tries one code after the other.
	triesFor = time.Minute
	// lostFor is how long the page says that an opening by the emergency key was lost.
	lostFor = 10 * time.Minute
	// overrideWithin is how long after a refusal a guard may admit all the same: whoever it was stands there still.
	overrideWithin = time.Minute
)

// Show puts an answer on the lane's part of the stage. What happens at the desk takes that from nobody: there the guard's
// answer takes the place of the question only, while that still stands.
func (l *Lane) Show(x view.Shown, desk bool) {
	l.update(func() {
		asked := l.last != nil && l.last.Passage == x.Passage && time.Since(l.lastAt) < personalFor
		if !desk {
			l.front = x.Passage
		}
		if !desk || asked && x.By != byMachine {
			l.last, l.lastAt = &x, time.Now()
		}
	})
}

// Replace puts another answer in the place of a passage's, as long as that stands.
func (l *Lane) Replace(passage string, x view.Shown) {
	l.update(func() {
		if l.last != nil && l.last.Passage == passage {
			l.last = &x
		}
		if l.front == passage {
			l.front = x.Passage
		}
	})
}

// Forget takes the answer to a passage off the stage.
func (l *Lane) Forget(passage string) {
	l.update(func() {
		if l.last != nil && l.last.Passage == passage {
			l.last = nil
		}
	})
}

// Stands tells whether whoever it is in a passage stands at the barrier still, as far as anybody knows.
func (l *Lane) Stands(passage string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.front == passage && l.byHand.Entry == 0
}

// NobodyKnown says that somebody else stands at the barrier than in any passage.
func (l *Lane) NobodyKnown() { l.update(func() { l.front = "" }) }

// Refuse remembers the newest refusal; nil: none is left.
func (l *Lane) Refuse(r *view.Refused) {
	l.update(func() { l.refused, l.refusedAt = r, time.Now() })
}

// Refused is the passage of that one, while it may be overridden; empty: there is none.
func (l *Lane) Refused() (passage string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused == nil || time.Since(l.refusedAt) > overrideWithin {
		return ""
	}
	return l.refused.Passage
}

// WrongTries says on the page, for a moment, that somebody tries one code after the other.
func (l *Lane) WrongTries() { l.update(func() { l.triedAt = time.Now() }) }

// view is the lane as the page shows it.
func (l *Lane) view() view.LaneView {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := view.LaneView{ID: l.ID, Direction: l.Direction, Scanner: l.scanner.State, Cause: l.scanner.Cause, Up: l.scanner.Up,
		Since: l.scanner.Since, Barrier: "ok", Latch: map[bool]string{true: "by-hand", false: "open"}[l.Barrier == nil], Sensor: l.sensor}
	if time.Since(l.droppedAt) < droppedFor {
		v.Dropped = l.dropped
	}
	if r := l.relay; r.down || !r.failed.IsZero() && (!r.watched || time.Since(r.failed) < failedFor) {
		v.Barrier, v.Latch = "open-by-hand", "failed"
	}
	if l.commands > 0 {
		v.Latch = "opening"
	}
	if l.byHand.Entry != 0 {
		v.ByHand = &view.ByHand{Opening: l.byHand, Barrier: v.Latch}
	}
	if l.latch == nil {
		v.Latch = ""
	}
	v.Unasked = !l.unasked.IsZero() && (time.Since(l.unasked) < unaskedFor || l.Sensor.IsOpen())
	v.LatchLost = !l.lost.IsZero() && time.Since(l.lost) < lostFor
	v.WrongTries = !l.triedAt.IsZero() && time.Since(l.triedAt) < triesFor
	if !l.cards.Since.IsZero() {
		if v.CardReader = l.cards.Cause; l.cards.Up {
			v.CardReader = "up"
		}
	}
	if l.refused != nil && time.Since(l.refusedAt) < overrideWithin {
		refused := *l.refused
		v.Refused = &refused
	}
	if l.last != nil {
		last := *l.last
		if time.Since(l.lastAt) >= personalFor {
			last.Name, last.Room, last.Next, last.Health, last.TestHours = "", "", "", "", 0
		}
		v.Last = &last
	}
	return v
}
