// Package amend says what is right instead of an admission on record.
package amend

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"gated/ledger"
	"gated/register"
	"gated/register/visits"
)

// ErrNot: nobody can annul that.
var ErrNot = errors.New("not annulled")

// ErrPast: what is right instead can be recorded no more; the admission can still be annulled.
var ErrPast = not("it was on another day, or whoever it was has passed since, so that what is right cannot be recorded: annul the " +
	"passage instead")

// ErrNoPerson: of whom was admitted the direction alone cannot be put right.
var ErrNoPerson = not("who was admitted is no person whom the roster knows alone (a household pass, a courier, a vehicle, or erased " +
	"since): name the person who it was, with a lane of the right direction; or annul the passage, and have the code shown again there")

func not(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNot, fmt.Sprintf(format, args...))
}

// Admitted is a passage that counts as admitted, and the entry by which it does, with what is left of its personal fields.
type Admitted struct {
	register.Passage
	Said ledger.Entry

	erased, moved int64 // the newest entries that erased anything, and that moved them, before it was looked up
}

// patience is how long anybody at a gate waits for a disk.
const patience = 2 * time.Second

// Look finds it, and the entry that takes it back, or that says what became of somebody on whom nobody had decided, for those at a gate:
// where the disk does not answer they are told so.
func Look(r *register.Register, id string, is *Became, now ledger.Stamp) (Admitted, ledger.Event, error) {
	x := within(patience, func() (x looked) {
		if is != nil {
			x.a, x.ev, x.err = is.otherwise(r, id, now)
		} else if x.a, x.err = Find(r, id); x.err == nil {
			x.ev, x.err = x.a.Annul(r, now)
		}
		return x
	})
	return x.a, x.ev, x.err
}

type looked struct {
	a   Admitted
	ev  ledger.Event
	err error
}

func within(wait time.Duration, look func() looked) looked {
	done := make(chan looked, 1)
	go func() { done <- look() }()
	select {
	case x := <-done:
		return x
	case <-time.After(wait):
		return looked{err: fmt.Errorf("the disk did not answer for %s: try again", wait)}
	}
}

// Find looks an admitted passage of this epoch up.
func Find(r *register.Register, id string) (a Admitted, err error) {
	return find(r, id, func(p *register.Passage) error {
		if p.Verdict != "admit" {
			return not("%s was not admitted: it is %s, %s", p.ID, p.Verdict, p.Reason)
		}
		return nil
	})
}

// find looks a passage of this epoch up that is no hold, and of which nothing is in the way.
func find(r *register.Register, id string, no func(p *register.Passage) error) (a Admitted, err error) {
	r.View(func(s *register.State) { a.erased = s.Erased })
	p, known, err := r.Passage(id)
	switch {
	case err != nil:
		return a, err
	case !known:
		return a, not("no passage %.20q in this epoch of the ledger: is it written right, or is it of an older one, to which "+
			"nothing is added any more?", id)
	case p.Emergency:
		return a, not("%s is an opening by the emergency key, which did happen: say who passed instead", p.ID)
	case p.Reason == register.DidNotGoThrough:
		return a, not("%s was annulled already", p.ID)
	case p.Verdict == "hold":
		return a, not("%s waits for the guard: decide about it", p.ID)
	}
	if err := no(&p); err != nil {
		return a, err
	}
	a.Passage = p
	if a.Said, err = r.Said(&p); err == nil && (a.Said.Passage != p.ID || a.Said.Verdict != p.Verdict) {
		err = fmt.Errorf("no entry says that passage %s is %s: is the index another ledger's?", p.ID, p.Verdict)
	}
	return a, err
}

// Still tells whether what Annul returned is right still: nobody was erased since, and they have not moved. It waits for nothing.
func (a *Admitted) Still(r *register.Register) (is bool) {
	r.View(func(s *register.State) {
		is = s.Erased == a.erased && s.Place(a.Said.Personally("subject")).Seq == a.moved
	})
	return is
}

// Age is how long ago it was admitted, however the clock was set since, as far as the box did not start again.
func (a *Admitted) Age(now ledger.Stamp) time.Duration {
	if now.Boot != "" && now.Boot == a.Said.Boot {
		return now.Mono - time.Duration(a.Said.Mono)*time.Microsecond
	}
	return now.Time.Sub(a.Said.At).Abs()
}

// Annul is the entry that takes the admission back: they did not go through. Who was erased is moved nowhere by it.
func (a *Admitted) Annul(r *register.Register, now ledger.Stamp) (ev ledger.Event, err error) {
	ev = a.correction(now, "refuse", register.DidNotGoThrough)
	visits.Of(&a.Said, ev.Detail)
	for _, f := range a.Said.Personal {
		if f.Name == "subject" || f.Name == "household" {
			ev.Personal = append(ev.Personal, f)
		}
	}
	subject := a.Said.Personally("subject")
	r.View(func(s *register.State) { a.moved = s.Place(subject).Seq })
	where, err := r.Without(subject, a.Said.Seq)
	if where != "" {
		ev.Detail[register.Where] = where
	}
	return ev, err
}

// correction is an entry by which the passage is something else than it was.
func (a *Admitted) correction(now ledger.Stamp, verdict, reason string) ledger.Event {
	return ledger.Event{Stamp: now, Kind: register.Correction, Passage: a.ID, Lane: a.Lane, Direction: a.Direction, Class: a.Class,
		Credential: a.Credential, Verdict: verdict, Reason: reason, By: "unauthenticated", Ref: a.Said.Seq,
		Detail: map[string]string{"was": a.Said.Verdict, register.First: strconv.FormatInt(a.First, 10),
			register.Began: a.At.Format(time.RFC3339Nano)}}
}

// Counts tells why what is right instead cannot be recorded any more, if so: it counts as now, so that it would take away a trip of
// today, and move somebody who has passed since.
func (a *Admitted) Counts(r *register.Register, person string, now time.Time) error {
	moved := false
	r.View(func(s *register.State) { moved = s.Place(person).Seq > a.Said.Seq })
	if moved || a.Said.At.Format(time.DateOnly) != now.In(a.Said.At.Location()).Format(time.DateOnly) {
		return ErrPast
	}
	return nil
}
