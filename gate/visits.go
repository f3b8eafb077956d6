package gate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gated/credential"
	"gated/gate/lane"
	"gated/gate/presentation"
	"gated/gate/ruling"
	"gated/gate/subject"
	"gated/gate/view"
	"gated/gate/visit"
	"gated/gate/visitpass"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/paper"
	"gated/register/visits"
)

// MakeVisit records a visit that is announced, standing or a group's, and returns its ID. It gets digits, and a pass.
func (g *Gate) MakeVisit(f visit.Form) (id string, err error) {
	if !slices.Contains([]string{visits.Announced, visits.Standing, visits.Group}, f.How) {
		return "", invalid("how is %.20q: who stands at a lane is entered there", f.How)
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	id, _, err = g.makeVisit(f, true)
	return id, err
}

// Arrive records the visit of somebody who stands at a lane, a walk-in, a delivery or a taxi, and lets them in as far as the rules let
// a guard. In a fault nothing opens by it, and it is kept to be entered: it is the guard who lets them in, by hand.
func (g *Gate) Arrive(laneID string, f visit.Form) (Outcome, error) {
	l := g.lanes.Of(laneID)
	switch {
	case l == nil:
		return Outcome{}, fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	case l.Direction != "in":
		return Outcome{}, invalid("lane %q leads out: who leaves is found by their visit", laneID)
	case !slices.Contains([]string{visits.WalkIn, visits.Delivery, visits.Taxi}, f.How):
		return Outcome{}, invalid("how is %.20q: who is announced comes by their digits", f.How)
	}
	g.passage.Lock()
	id, made, err := g.makeVisit(f, false)
	g.passage.Unlock()
	if errors.Is(err, ErrLedger) && g.Fault() {
		return g.keep(l, made, max(f.People, 1)), nil
	} else if err != nil {
		return Outcome{}, err
	}
	return g.PassVisit(laneID, id, max(f.People, 1))
}

// keep has a visit that was made in a fault, and its passage, entered once the ledger can take them, and answers that. Who it was is
// kept in memory alone: after a restart nobody knows.
func (g *Gate) keep(l *lane.Lane, made ledger.Event, heads int) Outcome {
	made.Detail = maps.Clone(made.Detail) // the commit that failed may be there all the same: this is another one
	made.Detail[visits.ID] = newID()
	p := passage{id: newID(), lane: l, at: made.Stamp, by: g.by.By(), heads: heads,
		who:      subject.Subject{Class: made.Class, Visit: made.Detail[visits.ID]},
		decision: policy.Decision{Verdict: policy.Admit, Reason: paper.InFault, Rule: "guard"}}
	check, passed := p.event(register.Check), p.registered()
	check.Credential, check.Proof, check.Reason, check.Detail = "none", "stated", paper.InFault, p.visit()
	g.passage.Lock()
	passed.Personal = append(passed.Personal, g.guard("")...)
	out := g.fault(p, ErrLedger)
	g.passage.Unlock()
	for _, ev := range []ledger.Event{made, check, passed} {
		g.writing.Announce(ev)
	}
	g.writing.Deliver(passed, func() {})
	out.Kept = true
	return out
}

// oneKey are the reasons of holds of which the machine has nothing to say but that a guard looks who it is, as the guard who entered them
// has done: the host has agreed, or they leave. Whoever is held for anything else waits until the guard has seen why.
var oneKey = []string{"visit", "valid-visit", "unknown-out"}

// PassVisit is one passage of somebody whom the guard found by their visit, which the guard lets through at once as far as the rules let
// a guard; so many of them.
func (g *Gate) PassVisit(laneID, id string, heads int) (Outcome, error) {
	out, err := g.PresentVisit(laneID, id)
	if err != nil || out.Verdict != policy.Hold || !slices.Contains(oneKey, out.Reason) {
		return out, err
	}
	in, err := g.Decide(out.Passage, Ruling{Verdict: policy.Admit, Reason: ruling.VisitorConfirmed, Heads: heads})
	if errors.Is(err, ErrInvalid) { // something is to be answered first: they wait
		return out, nil
	}
	return in, err
}

// PresentVisit is PassVisit where the guard is to look first.
func (g *Gate) PresentVisit(laneID, id string) (Outcome, error) {
	if err := g.hasVisit(id); err != nil {
		return Outcome{}, err
	}
	return g.pass(laneID, presentation.ByVisit(id))
}

// hasVisit is nil where a visit is known.
func (g *Gate) hasVisit(id string) error {
	whole, has := g.opt.Register.Whole(), false
	g.opt.Register.View(func(s *register.State) { _, has = s.Visits[id] })
	switch {
	case has:
		return nil
	case !whole:
		return ErrNotReady
	}
	return ErrNoVisit
}

// makeVisit records one. The caller holds passage.
func (g *Gate) makeVisit(f visit.Form, printed bool) (id string, ev ledger.Event, err error) {
	at := g.clock.Now()
	id = newID()
	ev, err = f.Event(id, g.clock.Judge(at).In(g.opt.Ledger.Zone()), g.opt.Roster.Snapshot())
	if err != nil {
		return "", ev, invalid("%v", err)
	}
	if printed {
		if !g.opt.Register.Whole() { // digits are to be new
			return "", ev, ErrNotReady
		}
		ev.Personal = append(ev.Personal, g.printer.New()...)
	}
	ev.Stamp, ev.By = at, g.by.By()
	ev.Personal = append(ev.Personal, g.guard("")...)
	return id, ev, g.demand(ev)
}

// counts tells whether a visit admits so many at once. The caller holds passage.
func (g *Gate) counts(h *held, r Ruling) (err error) {
	if h.who.Visit == "" {
		if r.Heads > 1 {
			return invalid("%d heads: one passes by this code", r.Heads)
		}
		return nil
	}
	if r.Verdict != policy.Admit || h.lane.Direction != "in" || ruling.IsUrgent(r.Reason) {
		return nil
	}
	at := g.query(g.moment()).At.In(g.opt.Ledger.Zone())
	g.opt.Register.View(func(s *register.State) {
		v := s.Visits[h.who.Visit]
		if v.State(at, s.Day(), r.Heads) == visits.UsedUp {
			err = invalid("%d heads are more than this visit still admits, %d: the others are entered anew", max(r.Heads, 1),
				v.Left(s.Day()))
		}
	})
	return err
}

// Reprint gives a visit new digits and a new pass; the old ones are void.
func (g *Gate) Reprint(id string) error { return g.changeVisit(id, visits.Reprinted, true) }

// EndVisit has nobody come in by a visit any more.
func (g *Gate) EndVisit(id string) error { return g.changeVisit(id, visits.Ended, false) }

func (g *Gate) changeVisit(id, what string, printed bool) error {
	g.passage.Lock()
	defer g.passage.Unlock()
	if err := g.hasVisit(id); err != nil {
		return err
	}
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Visit, Reason: what, By: g.by.By(),
		Detail: map[string]string{visits.ID: id}, Personal: g.guard("")}
	if printed {
		if !g.opt.Register.Whole() {
			return ErrNotReady
		}
		ev.Personal = append(ev.Personal, g.printer.New()...)
	}
	return g.demand(ev)
}

// Consent records what the host of a visit said to it, and by whom. Who waits by it is judged again; where nobody answered, they wait on.
func (g *Gate) Consent(id, answer, by string) error {
	ev, err := visit.Answered(id, answer, by)
	if err != nil {
		return invalid("%v", err)
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	if err := g.hasVisit(id); err != nil {
		return err
	}
	ev.Stamp, ev.By, ev.Personal = g.clock.Now(), g.by.By(), append(ev.Personal, g.guard("")...)
	if err := g.demand(ev); err != nil {
		return err
	}
	g.desk.seen = state{} // in a second, whatever happens here
	if h := g.desk.waiting(func(h *held) bool { return h.who.Visit == id }); h != nil {
		g.judgeAgain(h)
	}
	return nil
}

// visitsAtOnce is for how many a lane waits at most.
const visitsAtOnce = 100

// TellVisits records once more those visits that go on, with what the entries say that told of them before; one that was ended or
// printed anew meanwhile is left out.
func (g *Gate) TellVisits(ids []string, said map[int64]*ledger.Entry) error {
	for some := range slices.Chunk(ids, visitsAtOnce) {
		if err := g.tellVisits(some, said); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gate) tellVisits(ids []string, said map[int64]*ledger.Entry) error {
	g.passage.Lock()
	defer g.passage.Unlock()
	var events []ledger.Event
	g.opt.Register.View(func(s *register.State) {
		ids = slices.DeleteFunc(ids, func(id string) bool { return s.Visits[id].Ended })
		events = s.Visits.Told(ids, said)
	})
	at := g.clock.Now()
	for i := range events {
		events[i].Stamp = at
	}
	if len(events) == 0 {
		return nil
	}
	return g.demand(events...)
}

// trust is what codes are checked by.
func (g *Gate) trust(r *Rules) *credential.Trust { return g.printer.Trust(r.Trust) }

// Print is a visit as it is printed, or sent to whoever comes.
type Print = visitpass.Print

// PrintVisit makes out the pass of a visit; the same one each time, until it is reprinted.
func (g *Gate) PrintVisit(id string) (Print, error) {
	if err := g.hasVisit(id); err != nil {
		return Print{}, err
	}
	return g.printer.Print(id)
}

// VisitWords are those of which a visit's are chosen, and the buildings to which something is delivered.
func (g *Gate) VisitWords() map[string]any {
	buildings := []string{}
	for _, h := range g.opt.Roster.Snapshot().Households() {
		buildings = append(buildings, h.Building)
	}
	slices.SortFunc(buildings, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) // 2 before 10
	return map[string]any{"firms": visit.Firms, "purposes": visit.Purposes, "bodies": visit.Bodies, "classes": visit.Classes,
		"buildings": slices.Compact(buildings)}
}

// permit adds to holds the visits by which outsiders come.
func (g *Gate) permit(holds []Hold, now time.Time) {
	if !slices.ContainsFunc(holds, func(h Hold) bool { return h.Visit != "" }) {
		return
	}
	g.opt.Register.View(func(s *register.State) {
		for i, h := range holds {
			if v, is := s.Visits[h.Visit]; is {
				x := view.VisitOf(h.Visit, v, v.State(now, s.Day(), 1), now)
				x.Left = v.Left(s.Day())
				holds[i].Permit = &x
			}
		}
	})
}
