package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// desk keeps the passages that wait for a guard. A hold neither blocks the lane nor is covered by the next scan.
type desk struct {
	holds map[string]*held
	duty  string // who signed on: a name that nothing proves
	// closed: the daemon ends. What still waits stays open in the ledger and is abandoned-restart at the next start.
	closed bool
}

type held struct {
	passage
	key    [32]byte // of the code, if one was read
	answer Outcome  // what the lane was told
	until  time.Time
	timer  *time.Timer
}

func newDesk() desk { return desk{holds: map[string]*held{}} }

const (
	maxNote  = 500 // bytes that a guard types
	maxHolds = 50  // more nobody can look through; then the oldest is abandoned
)

// showing returns the hold of a code that waits.
func (d *desk) showing(key [32]byte) *held {
	for _, h := range d.holds {
		if h.key == key && key != [32]byte{} {
			return h
		}
	}
	return nil
}

// oldest returns who has waited longest, of those nobody knows if there is one.
func (d *desk) oldest() (old *held) {
	for _, h := range d.holds {
		if old == nil || old.who.Known && !h.who.Known || old.who.Known == h.who.Known && h.until.Before(old.until) {
			old = h
		}
	}
	return old
}

// park keeps a passage for the guard. Its check and query are on record; register follows when the guard decides,
// at its time limit as abandoned, or at the next start as abandoned-restart.
func (g *Gate) park(p *passage, key [32]byte, answer Outcome) {
	if len(g.desk.holds) >= maxHolds {
		g.giveUp(g.desk.oldest())
	}
	h := &held{passage: *p, key: key, answer: answer, until: p.at.Time.Add(p.rules.Hold)}
	h.timer = time.AfterFunc(p.rules.Hold, func() { g.abandon(p.id) })
	g.desk.holds[p.id] = h
	g.screen.desk(&g.desk)
}

// Decide registers what the guard decided about a hold, and opens if that was admit.
func (g *Gate) Decide(ctx context.Context, id string, r Ruling) (Outcome, error) {
	reasons, ok := Reasons[r.Verdict]
	switch {
	case !ok:
		return Outcome{}, invalid("verdict %.20q: a guard decides admit or refuse", r.Verdict)
	case !slices.Contains(reasons, r.Reason):
		return Outcome{}, invalid("reason %.40q for %s: want one of %s", r.Reason, r.Verdict, strings.Join(reasons, ", "))
	case len(r.Note) > maxNote || !utf8.ValidString(r.Note):
		return Outcome{}, invalid("note of %d bytes: at most %d, in UTF-8", len(r.Note), maxNote)
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	h := g.desk.holds[id]
	if h == nil {
		return Outcome{}, ErrNoHold
	}
	return g.settle(h, policy.Decision{Verdict: r.Verdict, Reason: r.Reason, Rule: "guard"}, "unsigned", g.guard(r.Note)...)
}

// settle writes the register event of a hold and takes it off the desk. A fault leaves it there.
func (g *Gate) settle(h *held, d policy.Decision, by string, personal ...ledger.Field) (Outcome, error) {
	ev := h.registered(g.clock.Now(), d, by)
	ev.Personal = append(ev.Personal, personal...)
	entries, err := g.opt.Ledger.Append(ev)
	if err != nil {
		return g.fault(&h.passage, err), nil
	}
	h.timer.Stop()
	delete(g.desk.holds, h.id)
	g.screen.desk(&g.desk)
	h.at, h.decision = ev.Stamp, d
	out, shown := h.outcome(entries), h.shown()
	shown.By = by
	if out.Verdict == policy.Admit {
		g.open(h.lane, out)
	}
	g.m.decisions.WithLabelValues(out.Lane, out.Direction, out.Verdict, out.Reason).Inc()
	g.screen.show(shown)
	g.tell(out)
	return out, nil
}

// abandon registers a hold that nobody decided. While the ledger is in fault it stays on the desk and is tried again.
func (g *Gate) abandon(id string) {
	g.passage.Lock()
	defer g.passage.Unlock()
	h := g.desk.holds[id]
	if h == nil || g.desk.closed {
		return
	}
	if g.Fault() {
		h.timer.Reset(5 * time.Second)
		return
	}
	g.giveUp(h)
}

// giveUp registers a hold as abandoned; in a fault it stays and its timer tries again.
func (g *Gate) giveUp(h *held) {
	if out, _ := g.settle(h, policy.Decision{Verdict: policy.Refuse, Reason: "abandoned"}, "machine"); out.Verdict == Fault {
		h.timer.Reset(5 * time.Second)
	}
}

// guard is who decided, as far as anyone said, and what they noted.
func (g *Gate) guard(note string) (fields []ledger.Field) {
	if g.desk.duty != "" {
		fields = append(fields, ledger.Field{Name: "guard", Value: g.desk.duty})
	}
	if note != "" {
		fields = append(fields, ledger.Field{Name: "note", Value: note})
	}
	return fields
}

// Present holds a person whom the guard found by room number, for lack of a code: a dead phone, a child, an elder.
func (g *Gate) Present(ctx context.Context, laneID, personID string) (Outcome, error) {
	l := g.lanes[laneID]
	if l == nil {
		return Outcome{}, fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	}
	rules, now := g.rules.Load(), g.clock.Now()
	g.passage.Lock()
	defer g.passage.Unlock()
	people := g.opt.Roster.Snapshot()
	someone, ok := people.Person(personID)
	if !ok {
		return Outcome{}, ErrUnknownPerson
	}
	who := person(someone)
	for _, h := range g.desk.holds {
		if h.who.ID == who.ID && h.lane == l { // they are waiting already, perhaps with a code that did not do
			return Outcome{Passage: h.id, Verdict: policy.Hold, Reason: h.decision.Reason, Repeat: true, Lane: l.ID, Direction: l.Direction, Class: who.Class, At: h.at.Time}, nil
		}
	}
	facts := policy.Facts{Direction: l.Direction, Class: who.Class, Known: true, Credential: "none", Proof: "none", Level: rules.Level,
		ClockTrusted: now.Trusted, HouseholdTrips: g.trips(who.Household, now)}
	decision := rules.Policy.Decide(facts)
	if decision.Verdict != policy.Hold { // the guard asked for them: it is the guard who decides
		decision.Verdict = policy.Hold
	}
	p := passage{id: newID(), lane: l, at: now, who: who, facts: facts, decision: decision, rules: rules, roster: people.Version()}
	entries, err := g.append(p.events(ledger.Event{Credential: "none", Reason: "found-by-room"})...)
	if err != nil {
		return g.fault(&p, err), nil
	}
	g.clock.recorded(now)
	out := p.outcome(entries)
	g.park(&p, [32]byte{}, out)
	g.m.decisions.WithLabelValues(out.Lane, out.Direction, out.Verdict, out.Reason).Inc()
	g.screen.show(p.shown())
	g.tell(out)
	return out, nil
}

// Find lists the people of a room, for a guard who looks for one without a code.
func (g *Gate) Find(room string) []Found {
	found := []Found{}
	for _, p := range g.opt.Roster.Snapshot().Find(room) {
		found = append(found, Found{p.ID, p.Name, p.Household, p.Class})
	}
	return found
}

// SignOn notes who is on duty from now on.
func (g *Gate) SignOn(ctx context.Context, name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > 40 || !utf8.ValidString(name) {
		return invalid("a name of %d characters: 1 to 40", n)
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	_, err := g.opt.Ledger.Append(ledger.Event{Stamp: g.clock.Now(), Kind: register.SignOn, By: "unsigned", Personal: []ledger.Field{{Name: "guard", Value: name}}})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	g.desk.duty = name
	g.screen.desk(&g.desk)
	return nil
}

// list is the holds, the longest waiting first.
func (d *desk) list() []Hold {
	holds := []Hold{}
	for _, h := range slices.SortedFunc(maps.Values(d.holds), func(a, b *held) int { return a.until.Compare(b.until) }) {
		s := h.shown()
		holds = append(holds, Hold{h.id, h.lane.ID, h.lane.Direction, h.decision.Reason, h.who.Class, s.Health, s.TestHours, s.Name, s.Room, h.at.Time, h.until})
	}
	return holds
}
