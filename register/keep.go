package register

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gated/ledger"
)

// Retention says how many days the personal data of a class of passages is kept after their day.
type Retention struct {
	Class string // "*": all classes without a rule of their own, and what belongs to no passage
	Days  int
}

// sweep remembers how far the rules were applied, so that a night does not read what was erased years ago.
type sweep struct {
	rules []Retention
	keeps map[int64]Span
	upTo  map[string]int64 // by epoch and class
}

// Retain erases what is older than the rules allow, but for the days that are kept. pause, which may be nil, is called
// between two chunks; its error ends the work. It does nothing while the clock is not trusted: a wrong one would erase everything.
func (r *Register) Retain(rules []Retention, pause func() error) (done Erased, err error) {
	now := r.opt.Now()
	if !now.Trusted {
		return done, errors.New("the clock is not trusted")
	}
	r.erasing.Lock()
	defer r.erasing.Unlock()
	return r.retain(now.Time, rules, pause)
}

func (r *Register) retain(now time.Time, rules []Retention, pause func() error) (done Erased, err error) {
	epochs, err := r.epochs()
	if epochs == nil {
		return done, err
	}
	defer closeAll(epochs)
	keeps := r.Keeps()
	if !slices.Equal(r.sweep.rules, rules) || !maps.Equal(r.sweep.keeps, keeps) {
		r.sweep = sweep{slices.Clone(rules), keeps, map[string]int64{}}
	}
	named := map[string]bool{}
	for _, rule := range rules {
		named[rule.Class] = true
	}
	ended := false
	between := func() error {
		if pause == nil {
			return nil
		}
		err := pause()
		ended = err != nil
		return err
	}
	for _, rule := range rules {
		match := func(class string) bool { return class == rule.Class || rule.Class == "*" && !named[class] }
		for _, e := range epochs {
			before := now.In(e.Zone).AddDate(0, 0, -rule.Days).Format(time.DateOnly)
			ev := ledger.Event{Kind: ledger.Erase, Reason: byRetention, By: "machine", Detail: map[string]string{"class": rule.Class}}
			to := fmt.Sprint(e.Meta.Epoch, " ", rule.Class)
			part, upTo, perr := r.eraseOlder(e, before, r.sweep.upTo[to], match, ev, between)
			if done.join(part); perr == nil {
				r.sweep.upTo[to] = upTo
				continue
			}
			if err = errors.Join(err, perr); ended || e.older == 0 { // an older epoch does not hold up the current one
				return done, err
			}
		}
	}
	return done, err
}

// Keeps are the days that must not be erased, by the entry that says so.
func (r *Register) Keeps() map[int64]Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.state.Keeps)
}

// Keep forbids to erase personal data of the days from..to, also of days to come, until it is lifted. It returns the
// entry that says so. The reason stands in the record.
func (r *Register) Keep(from, to, by, why string) (int64, error) {
	for _, day := range []struct{ flag, value string }{{"--from", from}, {"--to", to}} {
		if _, err := time.Parse(time.DateOnly, day.value); err != nil {
			return 0, fmt.Errorf("%s %q: write a date as 2026-11-23", day.flag, day.value)
		}
	}
	if from > to {
		return 0, fmt.Errorf("--from %s is after --to %s", from, to)
	}
	return r.keep(ledger.Event{Reason: "keep", Detail: map[string]string{"from": from, "to": to}}, by, why)
}

// Lift ends what a keep entry forbids.
func (r *Register) Lift(seq int64, by, why string) (int64, error) {
	if _, ok := r.Keeps()[seq]; !ok {
		return 0, fmt.Errorf("%w: entry %d keeps no days, or was lifted: \"gated ledger keep --list\" names those in force", ErrNotKept, seq)
	}
	return r.keep(ledger.Event{Reason: "lifted", Ref: seq, Detail: map[string]string{}}, by, why)
}

// ErrNotKept: what should be lifted is not in force.
var ErrNotKept = errors.New("nothing to lift")

func (r *Register) keep(ev ledger.Event, by, why string) (int64, error) {
	if err := CheckWhy(why); err != nil {
		return 0, err
	}
	ev.Kind, ev.Stamp, ev.By, ev.Personal = ledger.Keep, r.opt.Now(), "unsigned", []ledger.Field{{Name: "by", Value: by}}
	ev.Detail["why"] = why
	r.keeping.Lock()
	defer r.keeping.Unlock()
	entries, err := r.l.Append(ev)
	if err != nil {
		return 0, err
	}
	return entries[0].Seq, nil
}

// kept is the keep entry that forbids to erase anything of a day, if there is one.
func (s *State) kept(day string) error {
	for _, seq := range slices.Sorted(maps.Keys(s.Keeps)) {
		if k := s.Keeps[seq]; k.From <= day && day <= k.To {
			return KeptError{seq, k}
		}
	}
	return nil
}

// refuseKept refuses an erasure of all days before one, if anything is left of a day that is kept.
func (r *Register) refuseKept(e epoch, before string) error {
	segments, err := e.Segments()
	if err != nil {
		return err
	}
	s := State{Keeps: r.Keeps()}
	for _, seg := range segments {
		kept := s.kept(seg.Day)
		if kept == nil || seg.Day >= before {
			continue
		}
		found, _, err := e.Readable(seg.First, seg.Last, 1)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return kept
		}
	}
	return nil
}
