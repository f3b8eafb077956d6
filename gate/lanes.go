package gate

import (
	"cmp"
	"strconv"
	"sync"
	"time"

	"gated/barrier"
	"gated/ledger"
	"gated/register"
)

const (
	// deviceEvery is how often at most a lane's scanner, or its card reader, going up and down is recorded, so that a
	// flapping cable cannot flood the ledger.
	deviceEvery = 10 * time.Second
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
	changed func()      // wakes the page
	tries   []time.Time // of the wrong codes in a row, monotonic; guarded by the gate's passage

	// commanding is held while the barrier is told something and that is noted, so that both agree on which of two keys
	// was pressed last; never while anything waits.
	commanding sync.Mutex

	mu        sync.Mutex // guards the rest; never held while anything waits
	scanner   device
	cards     device
	dropped   string    // why what the scanner sent last was no whole code
	droppedAt time.Time // monotonic
	relay     relay
	unasked   time.Time // somebody else opened the barrier; monotonic
	triedAt   time.Time // too many wrong codes in a row; monotonic
	sensor    string    // up or unreadable; empty: the lane has none
	latch     *passage  // of the emergency key, which holds the lane open; nil: it does not
	commands  int       // of guards that the barrier has not answered yet
	last      *Shown    // the newest answer
	lastAt    time.Time // monotonic
}

// device is a scanner or card reader.
type device struct {
	name  string // in the ledger; empty: the scanner
	up    bool
	state string    // the scanner's own word for it
	cause string    // why it is down
	since time.Time // when it went up or down; zero: it said nothing yet, or there is none

	// What the ledger does not have yet, and its newest entry.
	falls      int
	fellBy     string
	recordedUp bool
	recordedAt time.Time // monotonic; zero: none
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
		l.update(func() { l.scanner.became(up, state, cause, now) })
	}
}

// CardReaderState takes what an ID card reader says of itself, as ScannerState does.
func (g *Gate) CardReaderState(laneID string, up bool, cause string) {
	if l, now := g.lanes[laneID], g.clock.Now().Time; l != nil {
		l.update(func() { l.cards.became(up, "", cause, now) })
	}
}

// ScannerDropped says on the page, for a moment, that what a lane's scanner sent was no whole code: whoever held it up
// waits for an answer.
func (g *Gate) ScannerDropped(laneID, cause string) {
	if l := g.lanes[laneID]; l != nil {
		l.update(func() { l.dropped, l.droppedAt = cause, time.Now() })
	}
}

func (d *device) became(up bool, state, cause string, now time.Time) {
	if d.up != up || d.since.IsZero() {
		d.since = now
	}
	if d.up && !up {
		d.falls++
		d.fellBy = cause
	}
	d.up, d.state, d.cause = up, state, cause
}

// entry is what the ledger must be told of a device, if anything. One that was up again before anybody looked is told of
// as well.
func (d *device) entry(l *lane, now ledger.Stamp) (ev ledger.Event, some bool) {
	recorded := !d.recordedAt.IsZero()
	if d.since.IsZero() || recorded && (d.recordedUp == d.up && d.falls == 0 || time.Since(d.recordedAt) < deviceEvery) {
		return ev, false
	}
	ev = ledger.Event{Stamp: now, Kind: register.Scanner, Lane: l.ID, Direction: l.Direction, Reason: "up", Detail: map[string]string{}}
	if !d.up {
		ev.Reason = "down"
	}
	if d.name != "" {
		ev.Detail["device"] = d.name
	}
	if cause := cmp.Or(d.cause, d.fellBy); cause != "" {
		ev.Detail["cause"] = cause
	}
	if d.falls > 1 || d.falls == 1 && d.up && d.recordedUp {
		ev.Detail["downs"] = strconv.Itoa(d.falls)
	}
	return ev, true
}

// recordDevices records the scanners and card readers that went up or down since their newest entries.
func (g *Gate) recordDevices(now ledger.Stamp) {
	for _, opt := range g.opt.Lanes {
		l := g.lanes[opt.ID]
		for _, d := range []*device{&l.scanner, &l.cards} {
			l.mu.Lock()
			ev, some := d.entry(l, now)
			up, falls := d.up, d.falls
			l.mu.Unlock()
			if !some || !g.note(ev) {
				continue
			}
			l.mu.Lock()
			d.recordedUp, d.recordedAt = up, time.Now()
			if d.falls -= falls; d.falls == 0 {
				d.fellBy = ""
			}
			l.mu.Unlock()
		}
	}
}

// show puts an answer on the lane's part of the stage. What happens at the desk takes that from nobody: there the guard's
// answer takes the place of the question only, while that still stands.
func (l *lane) show(x Shown, desk bool) {
	l.update(func() {
		asked := l.last != nil && l.last.Passage == x.Passage && time.Since(l.lastAt) < personalFor
		if !desk || asked && x.By != byMachine {
			l.last, l.lastAt = &x, time.Now()
		}
	})
}

// replace puts another answer in the place of a passage's, as long as that stands.
func (l *lane) replace(passage string, x Shown) {
	l.update(func() {
		if l.last != nil && l.last.Passage == passage {
			l.last = &x
		}
	})
}

// latched returns the passage of the emergency key that holds the lane open, if one does.
func (l *lane) latched() *passage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latch
}

// view is the lane as the page shows it.
func (l *lane) view() LaneView {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := LaneView{ID: l.ID, Direction: l.Direction, Scanner: l.scanner.state, Cause: l.scanner.cause, Up: l.scanner.up,
		Since: l.scanner.since, Barrier: "ok", Latch: map[bool]string{true: "by-hand", false: "open"}[l.Barrier == nil], Sensor: l.sensor}
	if time.Since(l.droppedAt) < droppedFor {
		v.Dropped = l.dropped
	}
	if r := l.relay; r.down || !r.failed.IsZero() && (!r.watched || time.Since(r.failed) < failedFor) {
		v.Barrier, v.Latch = "open-by-hand", "failed"
	}
	if l.commands > 0 {
		v.Latch = "opening"
	}
	if l.latch == nil {
		v.Latch = ""
	}
	v.Unasked = !l.unasked.IsZero() && (time.Since(l.unasked) < unaskedFor || l.Sensor.IsOpen())
	v.WrongTries = !l.triedAt.IsZero() && time.Since(l.triedAt) < triesFor
	if !l.cards.since.IsZero() {
		if v.CardReader = l.cards.cause; l.cards.up {
			v.CardReader = "up"
		}
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
