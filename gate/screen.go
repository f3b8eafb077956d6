package gate

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"gated/barrier"
	"gated/register"
)

// droppedFor is how long the page says that a code was not read whole: as long as it takes to hold it up again.
const droppedFor = 4 * time.Second

// personalFor is how long the page shows a name: there is a queue behind.
const personalFor = 10 * time.Second

// screen is what the page shows beside what the ledger knows. Its lock is never held while anything waits for the disk,
// so that the page and the emergency key work while the ledger hangs.
type screen struct {
	mu     sync.Mutex
	last   *Shown
	lastAt time.Time // monotonic, for last
	lanes  []LaneView
	holds  []Hold
	duty   string
	open   map[string]Outcome // lanes held open by the emergency key
	relays map[string]*relay  // by lane
	hear   map[chan struct{}]bool
	falls  map[device]fall      // since the newest entry about the device
	drops  map[string]time.Time // by lane: when a frame was dropped last, monotonic
}

// device is a lane's scanner (kind "") or card reader.
type device struct{ lane, kind string }

// fall is how often a device went down, and why the last time.
type fall struct {
	times int
	cause string
}

// relay is what is known of a lane's barrier.
type relay struct {
	watched bool      // it tells its state by itself
	down    bool      // so it says
	failed  time.Time // the last command failed; zero: it did not
	sensor  *barrier.Sensor
	unasked time.Time // it was opened by somebody else
}

// unaskedFor is how long at least the page shows that.
const unaskedFor = time.Minute

func (r *relay) openedUnasked() bool {
	return !r.unasked.IsZero() && (time.Since(r.unasked) < unaskedFor || r.sensor.IsOpen())
}

// failedFor is how long the page shows a command that failed, of a relay that says it is well again: whoever it was for
// still stands there.
const failedFor = 10 * time.Second

func (r *relay) byHand() bool {
	return r.down || !r.failed.IsZero() && (!r.watched || time.Since(r.failed) < failedFor)
}

func (s *screen) init(lanes []Lane) {
	s.falls = map[device]fall{}
	s.hear, s.open, s.relays, s.drops = map[chan struct{}]bool{}, map[string]Outcome{}, map[string]*relay{}, map[string]time.Time{}
	for _, l := range lanes {
		s.relays[l.ID] = &relay{sensor: l.Sensor}
		s.lanes = append(s.lanes, LaneView{ID: l.ID, Direction: l.Direction, Barrier: "ok"})
	}
}

func (s *screen) show(x Shown) {
	s.mu.Lock()
	s.last, s.lastAt = &x, time.Now()
	s.mu.Unlock()
	s.changed()
}

// desk takes over what waits for a guard; the caller holds the desk's lock.
func (s *screen) desk(d *desk) {
	holds := d.list()
	s.mu.Lock()
	s.holds, s.duty = holds, d.duty
	s.mu.Unlock()
	s.changed()
}

// holdOpen notes that a lane is held open, and returns the opening that holds it already, if there is one.
func (s *screen) holdOpen(id string, out Outcome) (before Outcome, is bool) {
	s.mu.Lock()
	if before, is = s.open[id]; !is {
		s.open[id] = out
	}
	s.mu.Unlock()
	s.lane(id, func(v *LaneView) { v.HeldOpen = true })
	return before, is
}

// isOpen tells whether the emergency key holds the lane open.
func (s *screen) isOpen(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.open[id]
	return is
}

func (s *screen) closed(id string) {
	s.mu.Lock()
	delete(s.open, id)
	s.mu.Unlock()
	s.lane(id, func(v *LaneView) { v.HeldOpen = false })
}

func (s *screen) lane(id string, change func(*LaneView)) {
	s.mu.Lock()
	for i := range s.lanes {
		if s.lanes[i].ID == id {
			change(&s.lanes[i])
		}
	}
	s.mu.Unlock()
	s.changed()
}

// relay takes what a lane's relay says of itself.
func (s *screen) relay(id string, err error) {
	s.mu.Lock()
	if r := s.relays[id]; r != nil {
		r.watched, r.down = true, err != nil
	}
	s.mu.Unlock()
	s.changed()
}

// obeyed notes whether a command was carried out.
func (s *screen) obeyed(id string, ok bool) {
	s.mu.Lock()
	if r := s.relays[id]; ok {
		r.failed = time.Time{}
	} else {
		r.failed = time.Now()
	}
	s.mu.Unlock()
	s.changed()
}

func (s *screen) openedUnasked(id string) {
	s.mu.Lock()
	s.relays[id].unasked = time.Now()
	s.mu.Unlock()
	s.changed()
}

// changed wakes everybody who watches. Nobody is waited for.
func (s *screen) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.hear {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Subscribe returns a channel that gets a token whenever View may differ.
func (g *Gate) Subscribe() (changed <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	g.screen.mu.Lock()
	defer g.screen.mu.Unlock()
	g.screen.hear[c] = true
	return c, func() {
		g.screen.mu.Lock()
		defer g.screen.mu.Unlock()
		delete(g.screen.hear, c)
	}
}

// ScannerState takes what a scanner says of itself. It is recorded by Run, so that a flapping cable cannot flood the ledger.
func (g *Gate) ScannerState(laneID string, up bool, state, cause string) {
	now := g.clock.Now().Time
	g.screen.lane(laneID, func(v *LaneView) {
		if v.Up != up || v.Since.IsZero() {
			v.Since = now
		}
		if v.Up && !up {
			g.screen.fell(device{laneID, ""}, cause)
		}
		v.Up, v.Scanner, v.Cause = up, state, cause
	})
}

// CardReaderState takes what an ID card reader says of itself, as ScannerState does.
func (g *Gate) CardReaderState(laneID string, up bool, cause string) {
	g.screen.lane(laneID, func(v *LaneView) {
		if v.CardReader == "up" && !up {
			g.screen.fell(device{laneID, "card-reader"}, cause)
		}
		if v.CardReader = cause; up {
			v.CardReader = "up"
		}
	})
}

// fell counts a fall. The caller holds mu.
func (s *screen) fell(d device, cause string) { s.falls[d] = fall{s.falls[d].times + 1, cause} }

// ScannerDropped says on the page, for a moment, that what a lane's scanner sent was no whole code: whoever held it up
// waits for an answer.
func (g *Gate) ScannerDropped(laneID, cause string) {
	g.screen.lane(laneID, func(v *LaneView) {
		v.Dropped = cause
		g.screen.drops[laneID] = time.Now()
	})
}

// View is everything the page shows now.
func (g *Gate) View() View {
	rules := g.rules.Load()
	now, doubt := g.clock.read()
	zone := g.opt.Ledger.Zone()
	v := View{Gate: g.opt.Name, Version: g.opt.Version, Language: rules.Language, Now: now.Time.In(zone), Clock: ClockView{now.Trusted, doubt}, Recent: []Shown{}}
	v.Debts = g.debts()
	g.opt.Register.View(func(s *register.State) {
		v.Inside = len(s.Inside)
		for _, p := range slices.Backward(s.Recent) {
			at := p.Decided
			if at.IsZero() {
				at = p.At
			}
			v.Recent = append(v.Recent, Shown{Passage: p.ID, Lane: p.Lane, Direction: p.Direction, Verdict: p.Verdict, Reason: p.Reason, Class: p.Class,
				Credential: p.Credential, By: p.By, At: at, Emergency: p.Emergency})
		}
	})
	if f := g.opt.Ledger.Fault(); f != nil {
		v.Fault = &FaultView{Since: f.Since.In(zone), Text: f.Cause, Call: rules.Call}
	}
	if h := g.opt.Ledger.Head(); h != nil {
		v.ShortRoot = fmt.Sprintf("%d:%s", h.Size, h.ShortRoot())
	}
	v.LowSpace = g.opt.Free != nil && g.opt.Free() < rules.MinFree
	g.screen.mu.Lock()
	defer g.screen.mu.Unlock()
	v.Lanes, v.Holds, v.Duty = slices.Clone(g.screen.lanes), append([]Hold{}, g.screen.holds...), g.screen.duty
	for i := range v.Lanes {
		if l := &v.Lanes[i]; time.Since(g.screen.drops[l.ID]) >= droppedFor {
			l.Dropped = ""
		}
		r := g.screen.relays[v.Lanes[i].ID]
		if r.byHand() {
			v.Lanes[i].Barrier = "open-by-hand"
		}
		v.Lanes[i].Unasked = r.openedUnasked()
	}
	if g.screen.last != nil {
		last := *g.screen.last
		if time.Since(g.screen.lastAt) >= personalFor {
			last.Name, last.Room, last.Health, last.TestHours = "", "", "", 0
		}
		v.Last = &last
	}
	return v
}
