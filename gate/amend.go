package gate

import (
	"errors"
	"fmt"
	"time"

	"gated/access"
	"gated/gate/lane"
	"gated/gate/presentation"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/amend"
)

// amendWithin is how long guards may put right what their shift admitted. Later it takes somebody else.
const amendWithin = 10 * time.Minute

// Right is what is right instead of an admission.
type Right struct{ Lane, Person string } // Person: a roster ID; "": the same

// Annul records that somebody who was admitted did not go through: counts, trips and whereabouts are as if they had not been.
func (g *Gate) Annul(id string, why string) error {
	return g.amend(id, nil, why, g.takeBack)
}

// takeBack records the entry by which a passage is something else than it was. The caller holds passage.
func (g *Gate) takeBack(_ *amend.Admitted, ev ledger.Event) error {
	err := g.demand(ev)
	if err == nil {
		g.annulled(ev)
	}
	return err
}

// Correct records that another person went through than the one who was admitted, or the other way: that admission is annulled, and the
// guard, who found them by room, admits the right one, in one transaction. Nothing opens: they are through.
func (g *Gate) Correct(id string, is Right, why string) (out Outcome, err error) {
	l := g.lanes.Of(is.Lane)
	if l == nil {
		return Outcome{}, ErrUnknownLane
	}
	err = g.amend(id, nil, why, func(was *amend.Admitted, ev ledger.Event) (err error) {
		if is.Person == "" {
			is.Person = ev.Personally("subject")
		}
		if err = was.Counts(g.opt.Register, is.Person, g.clock.Now().Time); err == nil {
			out, err = g.correct(l, is, why, ev)
		}
		return err
	})
	return out, err
}

// correct annuls an admission by an entry, and records what is right. The caller holds passage.
func (g *Gate) correct(l *lane.Lane, is Right, why string, ev ledger.Event) (Outcome, error) {
	if is.Person == ev.Personally("subject") && l.Direction == ev.Direction {
		return Outcome{}, invalid("the same person in the same direction: say who else it was, or name a lane of the other direction")
	}
	if _, ok := g.opt.Roster.Snapshot().Person(is.Person); !ok {
		return Outcome{}, map[bool]error{true: ErrNoPerson, false: ErrUnknownPerson}[is.Person == ev.Personally("subject")]
	}
	in := presentation.ByRoom(is.Person)
	m := g.moment()
	p, check := g.judge(l, in, in.Check(g.trust(m.rules), m.at.Time), m)
	p.decision = p.decision.Held() // nobody is refused, nor admitted, but by the guard
	events := append([]ledger.Event{ev}, p.events(check)...)
	p.decision, p.by = policy.Decision{Verdict: policy.Admit, Reason: register.Corrected, Rule: "guard"}, ev.By
	done := p.registered()
	done.Ref, done.Personal = ev.Ref, append(done.Personal, g.amender(why)...)
	entries, err := g.writing.Append(append(events, done)...)
	if err != nil {
		return g.fault(p, err), nil
	}
	p.seq = entries[len(entries)-1].Seq
	g.annulled(ev)
	return p.outcome(), nil
}

// amend finds the entry that annuls a passage, or that says what became of somebody, if whoever asks may, and what to do with it while
// nobody passes. To look it up may wait for the register's index, for which no lane waits; where they have moved meanwhile it is looked up
// again.
func (g *Gate) amend(id string, is *amend.Became, why string, do func(was *amend.Admitted, ev ledger.Event) error) error {
	g.amending.Lock()
	defer g.amending.Unlock()
	for {
		a, ev, err := amend.Look(g.opt.Register, id, is, g.clock.Now())
		if errors.Is(err, amend.ErrNot) {
			return err
		} else if err != nil && g.Fault() {
			return fmt.Errorf("%w: %w", ErrLedger, err)
		} else if err != nil {
			return fmt.Errorf("%w: %w", ErrNotReady, err)
		}
		g.passage.Lock()
		if a.Still(g.opt.Register) {
			defer g.passage.Unlock()
			duty := int64(0)
			g.opt.Register.View(func(s *register.State) { duty = s.Shift.Now.Began })
			ev.Stamp = g.clock.Now()
			own := a.Said.Seq >= duty && a.Said.Personally("by") == "" && a.Age(ev.Stamp) <= amendWithin
			if g.by.How != access.Socket && !own {
				return ErrTooLate
			}
			ev.By, ev.Personal = g.by.By(), append(ev.Personal, g.amender(why)...)
			return do(&a, ev)
		}
		g.passage.Unlock()
	}
}

// amender is who puts it right; and why, where that is not the guard at the page.
func (g *Gate) amender(why string) []ledger.Field {
	if g.by.How != access.Socket {
		return g.guard("")
	}
	return []ledger.Field{{Name: "by", Value: g.by.Name}, {Name: "note", Value: why}}
}

// annulled takes an admission that is annulled off the page, and out of the memory that would answer by it again.
func (g *Gate) annulled(ev ledger.Event) {
	g.read.Drop(func(p passage) bool { return p.id == ev.Passage })
	if l := g.lanes.Of(ev.Lane); l != nil {
		l.Forget(ev.Passage)
	}
	g.page.changed()
}
