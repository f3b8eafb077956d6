package gate

import (
	"errors"
	"fmt"
	"time"

	"gated/credential"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/amend"
)

// amendWithin is how long guards may put right what their shift admitted. Later it takes somebody else.
const amendWithin = 10 * time.Minute

// Amender is who puts an admission right, and why, where that is not the guard at the page.
type Amender struct{ By, Why string }

// Right is what is right instead of an admission.
type Right struct{ Lane, Person string } // Person: a roster ID; "": the same

// Annul records that somebody who was admitted did not go through: counts, trips and whereabouts are as if they had not been.
func (g *Gate) Annul(id string, by Amender) error {
	g.passage.Lock()
	defer g.passage.Unlock()
	ev, err := g.annulment(id, by)
	if err == nil {
		err = g.demand(ev)
	}
	if err == nil {
		g.annulled(ev)
	}
	return err
}

// Correct records that another person went through than the one who was admitted, or the other way: that admission is annulled, and the
// guard, who found them by room, admits the right one, in one transaction. Nothing opens: they are through.
func (g *Gate) Correct(id string, is Right, by Amender) (Outcome, error) {
	l := g.lanes[is.Lane]
	if l == nil {
		return Outcome{}, ErrUnknownLane
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	ev, err := g.annulment(id, by)
	if err != nil {
		return Outcome{}, err
	}
	was := ev.Personally("subject")
	if is.Person == "" {
		is.Person = was
	}
	if is.Person == was && l.Direction == ev.Direction {
		return Outcome{}, invalid("the same person in the same direction: say who else it was, or name a lane of the other direction")
	}
	if _, ok := g.opt.Roster.Snapshot().Person(is.Person); !ok {
		return Outcome{}, ErrUnknownPerson
	}
	in := presented{source: byRoom, claims: func(*credential.Trust, []byte, time.Time) credential.Claim {
		return credential.Claim{Kind: "none", Subject: is.Person}
	}}
	m := g.moment()
	p, check := g.judge(l, in, in.check(m.rules.Trust, m.at.Time), m)
	events := append([]ledger.Event{ev}, p.events(check)...)
	p.decision, p.by = policy.Decision{Verdict: policy.Admit, Reason: register.Corrected, Rule: "guard"}, unauthenticated
	done := p.registered()
	done.Ref, done.Personal = ev.Ref, append(done.Personal, g.amender(by)...)
	entries, err := g.writing.Append(append(events, done)...)
	if err != nil {
		return g.fault(p, err), nil
	}
	p.seq = entries[len(entries)-1].Seq
	g.annulled(ev)
	return p.outcome(), nil
}

// annulment is the entry that annuls a passage, if whoever asks may. The caller holds passage.
func (g *Gate) annulment(id string, by Amender) (ev ledger.Event, err error) {
	a, err := amend.Find(g.opt.Register, id)
	if errors.Is(err, amend.ErrNot) {
		return ev, err
	} else if err != nil {
		return ev, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	now, duty := g.clock.Now(), int64(0)
	g.opt.Register.View(func(s *register.State) { duty = s.Duty })
	if by == (Amender{}) && (a.Said.Seq < duty || a.Age(now) > amendWithin) {
		return ev, ErrTooLate
	}
	if ev, err = a.Annul(g.opt.Register, now); err != nil {
		return ev, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	ev.Personal = append(ev.Personal, g.amender(by)...)
	return ev, nil
}

// amender is who puts it right, and why.
func (g *Gate) amender(by Amender) []ledger.Field {
	if by == (Amender{}) {
		return g.guard("")
	}
	return []ledger.Field{{Name: "by", Value: by.By}, {Name: "note", Value: by.Why}}
}

// annulled takes an admission that is annulled off the page, and out of the memory that would answer by it again.
func (g *Gate) annulled(ev ledger.Event) {
	g.read.Drop(func(p passage) bool { return p.id == ev.Passage })
	if l := g.lanes[ev.Lane]; l != nil {
		l.update(func() {
			if l.last != nil && l.last.Passage == ev.Passage {
				l.last = nil
			}
		})
	}
	g.page.changed()
}
