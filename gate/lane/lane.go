// Package lane opens a lane, holds it open, and says how it stands.
package lane

import (
	"log/slog"
	"sync"
	"time"

	"gated/barrier"
	"gated/gate/device"
	"gated/gate/metrics"
	"gated/gate/view"
	"gated/gate/writing"
	"gated/ledger"
	"gated/register"
	"gated/register/byhand"
)

const byMachine = "machine"

// Setup is one direction of travel with its barrier.
type Setup struct {
	ID        string
	Direction string           // in or out
	Barrier   *barrier.Barrier // nil: worked by hand
	Pulse     time.Duration
	Sensor    *barrier.Sensor // nil: none
}

// Options are what New needs.
type Options struct {
	Lanes    []Setup
	Register *register.Register
	Writing  *writing.Path
	Now      func() ledger.Stamp
	Work     *sync.WaitGroup // barrier commands and late entries under way
	Changed  func()          // wakes the page. It must not block.
	Metrics  metrics.Metrics
	Log      *slog.Logger
}

// Lanes are those of a gate.
type Lanes struct {
	opt  Options
	list []*Lane
	byID map[string]*Lane

	pressing sync.Mutex // one press of the emergency key at a time; held for as long as Announce waits
}

// Lane is a lane with what is known of its scanner, card reader, barrier and sensor, and of who stands there. The ledger's entries about
// them and the page are made from it.
type Lane struct {
	Setup
	all *Lanes

	// commanding is held while the barrier is told something and that is noted, so that both agree on which of two keys
	// was pressed last; never while anything waits. Who holds the gate's passage takes it after that.
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
	latch     *view.Shown    // what the emergency key answered, which holds the lane open; nil: it does not
	byHand    byhand.Opening // which holds the lane open; zero: none does
	lost      time.Time      // the last run's end ended an opening by the emergency key; monotonic; zero: it did not
	commands  int            // of guards that the barrier has not answered yet
	refused   *view.Refused  // the newest refusal; nil: none
	refusedAt time.Time      // monotonic
	last      *view.Shown    // the newest answer
	front     string         // the passage of whoever stands there still, as far as anybody knows
	lastAt    time.Time      // monotonic
}

// relay is what is known of a lane's barrier.
type relay struct {
	watched bool      // it tells its state by itself
	down    bool      // so it says
	failed  time.Time // the last command failed, monotonic; zero: it did not
}

// New takes what the barriers and sensors of the lanes tell from now on, and shows which openings the last run's end has ended, as far as
// the spool tells it.
func New(opt Options) *Lanes {
	a := &Lanes{opt: opt, byID: map[string]*Lane{}}
	for _, s := range opt.Lanes {
		l := &Lane{Setup: s, all: a, cards: device.Device{Name: "card-reader"}}
		a.list, a.byID[s.ID] = append(a.list, l), l
	}
	a.lostInSpool()
	for _, l := range a.list {
		l.follow()
	}
	return a
}

// Of returns the lane with this ID; nil: there is none.
func (a *Lanes) Of(id string) *Lane { return a.byID[id] }

// Views are the lanes as the page shows them.
func (a *Lanes) Views() (list []view.LaneView) {
	for _, l := range a.list {
		list = append(list, l.view())
	}
	return list
}

func (l *Lane) update(change func()) {
	l.mu.Lock()
	change()
	l.mu.Unlock()
	l.all.opt.Changed()
}
