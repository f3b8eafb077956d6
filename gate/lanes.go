package gate

import (
	"sync"
	"time"

	"gated/barrier"
	"gated/gate/device"
	"gated/gate/tries"
	"gated/gate/view"
	"gated/ledger"
	"gated/register/byhand"
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
)

// lane is a lane with what is known of its scanner, card reader, barrier and sensor. The ledger's entries about them and
// the page are made from it.
type lane struct {
	Lane
	changed func()    // wakes the page
	tries   tries.Row // guarded by the gate's passage

	// commanding is held while the barrier is told something and that is noted, so that both agree on which of two keys
	// was pressed last; never while anything waits.
	commanding sync.Mutex

	mu        sync.Mutex // guards the rest; never held while anything waits
	scanner   device.Device
	cards     device.Device
	dropped   string    // why what the scanner sent last was no whole code
	droppedAt time.Time // monotonic
	relay     relay
	unasked   time.Time      // somebody else opened the barrier; monotonic
	triedAt   time.Time      // too many wrong codes in a row; monotonic
	sensor    string         // up or unreadable; empty: the lane has none
	latch     *passage       // of the emergency key, which holds the lane open; nil: it does not
	byHand    byhand.Opening // which holds the lane open; zero: none does
	lost      time.Time      // the last run's end ended an opening by the emergency key; monotonic; zero: it did not
	commands  int            // of guards that the barrier has not answered yet
	refused   *passage       // the newest refusal; nil: none
	refusedAt time.Time      // monotonic
	last      *Shown         // the newest answer
	front     string         // the passage of whoever stands there still, as far as anybody knows
	lastAt    time.Time      // monotonic
}

// relay is what is known of a lane's barrier.
type relay struct {
	watched bool      // it tells its state by itself
	down    bool      // so it says
	failed  time.Time // the last command failed, monotonic; zero: it did not
}

// follow takes what the lane's barrier and sensor tell from now on.
func (g *Gate) follow(l *lane) {
	if l.Barrier != nil {
		l.Barrier.Watch(func(id string, err error) {
			if of := g.lanes[id]; of != nil { // lanes may share a barrier
				of.update(func() { of.relay.watched, of.relay.down = true, err != nil })
			}
		})
	}
	l.Sensor.Watch(func(event string, o barrier.Opening) { g.sensed(l, event, o) })
	l.Sensor.WatchState(func(err error) {
		l.update(func() {
			if l.sensor = "up"; err != nil {
				l.sensor = "unreadable"
			}
		})
	})
}

func (l *lane) update(change func()) {
	l.mu.Lock()
	change()
	l.mu.Unlock()
	l.changed()
}

// ScannerState takes what a scanner says of itself. Run records it.
func (g *Gate) ScannerState(laneID string, up bool, state, cause string) {
	if l, now := g.lanes[laneID], g.clock.Now().Time; l != nil {
		l.update(func() { l.scanner.Became(up, state, cause, now) })
	}
}

// CardReaderState takes what an ID card reader says of itself, as ScannerState does.
func (g *Gate) CardReaderState(laneID string, up bool, cause string) {
	if l, now := g.lanes[laneID], g.clock.Now().Time; l != nil {
		l.update(func() { l.cards.Became(up, "", cause, now) })
	}
}

// ScannerDropped says on the page, for a moment, that what a lane's scanner sent was no whole code: whoever held it up
// waits for an answer.
func (g *Gate) ScannerDropped(laneID, cause string) {
	if l := g.lanes[laneID]; l != nil {
		l.update(func() { l.dropped, l.droppedAt, l.front = cause, time.Now(), "" })
	}
}

// recordDevices records the scanners and card readers that went up or down since their newest entries.
func (g *Gate) recordDevices(now ledger.Stamp) {
	for _, opt := range g.opt.Lanes {
		l := g.lanes[opt.ID]
		for _, d := range []*device.Device{&l.scanner, &l.cards} {
			l.mu.Lock()
			ev, told, some := d.Due(now)
			l.mu.Unlock()
			if ev.Lane, ev.Direction, ev.By = l.ID, l.Direction, byMachine; some && g.writing.Note(ev) {
				l.mu.Lock()
				told()
				l.mu.Unlock()
			}
		}
	}
}

// show puts an answer on the lane's part of the stage. What happens at the desk takes that from nobody: there the guard's
// answer takes the place of the question only, while that still stands.
func (l *lane) show(x Shown, desk bool) {
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

// stands tells whether whoever it is in a passage stands at the barrier still, as far as anybody knows.
func (l *lane) stands(passage string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.front == passage && l.byHand.Entry == 0
}

// replace puts another answer in the place of a passage's, as long as that stands.
func (l *lane) replace(passage string, x Shown) {
	l.update(func() {
		if l.last != nil && l.last.Passage == passage {
			l.last = &x
		}
		if l.front == passage {
			l.front = x.Passage
		}
	})
}

// latched returns the passage of the emergency key that holds the lane open, if one does.
func (l *lane) latched() *passage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latch
}

// openByHand returns the opening by hand that holds the lane open; zero: none does.
func (l *lane) openByHand() byhand.Opening {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byHand
}

// view is the lane as the page shows it.
func (l *lane) view() LaneView {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := LaneView{ID: l.ID, Direction: l.Direction, Scanner: l.scanner.State, Cause: l.scanner.Cause, Up: l.scanner.Up,
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
	if r := l.refused; r != nil && time.Since(l.refusedAt) < overrideWithin {
		v.Refused = &Refused{Passage: r.id, Class: r.who.Class, Reason: r.decision.Reason, Override: r.decision.Override, At: r.at.Time}
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
