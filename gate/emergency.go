package gate

import (
	"fmt"
	"strconv"
	"strings"

	"gated/gate/ruling"
	"gated/gate/subject"
	"gated/gate/view"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/byhand"
)

// Emergency opens the lane and holds it open until Close. It needs no name and no code, and it is the only opening that
// does not wait for the ledger: it takes no lock that a slow disk could hold.
//
// Whatever kills the process in here: that the lane was about to be opened stands in the spool before it is, unless the
// disk hangs or another guard closes the lane at this very moment, and becomes an entry at the next start. A power cut
// may lose that, and the relay then falls off by itself.
func (g *Gate) Emergency(laneID string) (Outcome, error) {
	l := g.lanes.Of(laneID)
	if l == nil {
		return Outcome{}, fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	}
	p := &passage{id: newID(), lane: l, at: g.clock.Now(), who: subject.Subject{Class: "unknown"}, by: unauthenticated, emergency: true,
		decision: policy.Decision{Verdict: policy.Admit, Reason: "emergency-key", Rule: "emergency-key"}}
	ev, out := p.verdict(register.Opening), p.outcome()
	before, over := l.Press(ev, p.shown())
	if before != nil { // a second press in fright: told to the barrier again, and one opening
		out.Passage, out.At, out.Repeat = before.Passage, before.At, true
		return out, nil
	}
	g.m.Decisions.WithLabelValues(out.Lane, out.Direction, out.Verdict, out.Reason).Inc()
	g.writing.Deliver(ev, func() { g.tell(out) })
	l.Uncounted(over, byhand.Emergency)
	return out, nil
}

// Close ends an opening by the emergency key. It is kept as that is before it is answered, and waits for the ledger no longer
// either: a barrier that stands open because the disk is full would be worse than an entry that comes late.
func (g *Gate) Close(laneID string) error {
	l := g.lanes.Of(laneID)
	if l == nil {
		return fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	}
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.CloseByHand, Lane: l.ID, Direction: l.Direction, By: unauthenticated}
	g.writing.Announce(ev)
	over, _ := l.Release(0)
	g.writing.Deliver(ev, func() {})
	l.Uncounted(over, byhand.Closed)
	return nil
}

// toAccountFor are the emergency openings of which something is not on record yet.
func (g *Gate) toAccountFor() (list []Opening) {
	pending := g.writing.Pending()
	g.opt.Register.View(func(s *register.State) { list = view.ToAccountFor(pending, s) })
	return list
}

// AccountFor registers who passed by an emergency opening, in the guard's words.
func (g *Gate) AccountFor(id, note string) error {
	if note == "" || len(note) > ruling.MaxNote {
		return invalid("a note of %d bytes: say in 1 to %d who passed, such as the plate", len(note), ruling.MaxNote)
	}
	seq, _ := strconv.ParseInt(strings.TrimPrefix(id, "e"), 10, 64)
	g.passage.Lock()
	defer g.passage.Unlock()
	var p register.Passage
	var ok bool
	g.opt.Register.View(func(s *register.State) { p, ok = s.ToAccountFor[seq] })
	if !ok || !strings.HasPrefix(id, "e") {
		return ErrNoOpening
	}
	err := g.demand(ledger.Event{Stamp: g.clock.Now(), Kind: register.Decided, Passage: p.ID, Lane: p.Lane, Direction: p.Direction,
		Class: p.Class, Verdict: p.Verdict, Reason: p.Reason, Rule: "emergency-key", By: g.by.By(), Ref: seq,
		Personal: g.guard(note)})
	if err != nil {
		return err
	}
	g.page.changed()
	return nil
}
