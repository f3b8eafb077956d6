package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/barrier"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

const (
	// emergencyWait is how long the answer to the emergency key waits for the entry. The barrier does not wait for that.
	emergencyWait = 300 * time.Millisecond
	// intentWait is how long the barrier waits until the kernel has what is about to be opened. That takes microseconds,
	// unless the disk hangs.
	intentWait = 100 * time.Millisecond
)

// Emergency opens the lane and holds it open until Close. It needs no name and no code, and it is the only opening that
// does not wait for the ledger: it takes no lock that a slow disk could hold.
//
// Whatever kills the process in here: that the lane was about to be opened stands in the spool before it is, unless the
// disk hangs or another guard closes the lane at this very moment, and becomes an entry at the next start. A power cut
// may lose that, and the relay then falls off by itself.
func (g *Gate) Emergency(ctx context.Context, laneID string) (Outcome, error) {
	l := g.lanes[laneID]
	if l == nil {
		return Outcome{}, fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	}
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Opening, Passage: newID(), Lane: l.ID, Direction: l.Direction, Class: "unknown",
		Verdict: policy.Admit, Reason: "emergency-key", Rule: "emergency-key", By: "unsigned"}
	out := Outcome{Passage: ev.Passage, Verdict: ev.Verdict, Reason: ev.Reason, Rule: ev.Rule, Lane: l.ID, Direction: l.Direction, Class: ev.Class, At: ev.Time}

	g.keys.Lock()
	intended := !g.screen.isOpen(l.ID)
	if intended {
		g.intend(ev)
	}
	before, is := g.holdOpen(l, out)
	g.keys.Unlock()
	if is { // a second press in fright: told to the barrier again, and one opening
		before.Repeat = true
		return before, nil
	}
	if !intended { // closed at the same moment
		g.intend(ev)
	}
	g.screen.show(Shown{Passage: out.Passage, Lane: l.ID, Direction: l.Direction, Verdict: out.Verdict, Reason: out.Reason, Class: out.Class, By: ev.By, At: out.At, Emergency: true})
	g.m.decisions.WithLabelValues(out.Lane, out.Direction, out.Verdict, out.Reason).Inc()

	done := make(chan struct{})
	g.work.Go(func() {
		defer close(done)
		if g.pay() {
			g.tell(out)
		} else {
			g.owed.keep(ev)
		}
	})
	select {
	case <-done:
	case <-time.After(emergencyWait):
		g.work.Go(func() { g.owed.spool.save(g.owed.all) }) // the ledger's disk hangs; the spool's may be another one
	}
	return out, nil
}

// intend owes the ledger an opening that is about to be, and waits a moment for the kernel to have that.
func (g *Gate) intend(ev ledger.Event) {
	g.owed.add(ev, g.opt.Ledger.Size())
	done := make(chan struct{})
	g.work.Go(func() {
		defer close(done)
		if err := g.owed.spool.write(g.owed.all); err != nil {
			g.log.Error("an emergency opening is in memory only, until it is in the ledger", "err", err)
		}
	})
	select {
	case <-done:
	case <-time.After(intentWait):
	}
}

// Close ends an opening by the emergency key. That the barrier is told comes first here too: a barrier that stands open
// because the disk is full would be worse than an entry that comes late.
func (g *Gate) Close(ctx context.Context, laneID string) error {
	l := g.lanes[laneID]
	if l == nil {
		return fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	}
	g.release(l)
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.CloseByHand, Lane: l.ID, Direction: l.Direction, By: "unsigned"}
	g.work.Go(func() { g.record(ev) })
	return nil
}

// holdOpen has the barrier held open, and returns the opening that holds it already, if there is one.
func (g *Gate) holdOpen(l *Lane, out Outcome) (before Outcome, is bool) {
	g.hand.Lock()
	defer g.hand.Unlock()
	g.drive(l, true)
	if before, is = g.screen.holdOpen(l.ID, out); !is {
		l.Sensor.Held(barrier.Opening{Passage: out.Passage}) // its entry may come later
	}
	return before, is
}

func (g *Gate) release(l *Lane) {
	g.hand.Lock()
	defer g.hand.Unlock()
	g.drive(l, false)
	l.Sensor.Released()
	g.screen.closed(l.ID)
}

// drive commands the lane's barrier without waiting for it. The caller holds hand.
func (g *Gate) drive(l *Lane, open bool) {
	if l.Barrier != nil {
		finish := l.Barrier.Begin(l.ID, open)
		g.work.Go(func() { g.barrierSaid(l, finish()) })
	}
}

// debts are what the register still lacks about emergency openings.
func (g *Gate) debts() []Debt {
	list := append([]Debt{}, g.owed.openings()...)
	g.opt.Register.View(func(s *register.State) {
		for _, seq := range slices.Sorted(maps.Keys(s.Debts)) {
			list = append(list, Debt{ID: "e" + strconv.FormatInt(seq, 10), Lane: s.Debts[seq].Lane, Since: s.Debts[seq].At, What: "who-passed"})
		}
	})
	return list
}

// FillDebt registers who passed by an emergency opening, in the guard's words.
func (g *Gate) FillDebt(ctx context.Context, id, note string) error {
	if note == "" || len(note) > maxNote {
		return invalid("a note of %d bytes: say in 1 to %d who passed, such as the plate", len(note), maxNote)
	}
	seq, _ := strconv.ParseInt(strings.TrimPrefix(id, "e"), 10, 64)
	g.passage.Lock()
	defer g.passage.Unlock()
	var p register.Passage
	var ok bool
	g.opt.Register.View(func(s *register.State) { p, ok = s.Debts[seq] })
	if !ok || !strings.HasPrefix(id, "e") {
		return ErrNoDebt
	}
	_, err := g.opt.Ledger.Append(ledger.Event{Stamp: g.clock.Now(), Kind: register.Decided, Passage: p.ID, Lane: p.Lane, Direction: p.Direction, Class: p.Class,
		Verdict: p.Verdict, Reason: p.Reason, Rule: p.Rule, By: "unsigned", Ref: seq, Personal: g.guard(note)})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	g.screen.changed()
	return nil
}
