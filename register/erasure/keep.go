package erasure

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"gated/ledger"
	"gated/register"
	"gated/register/retention"
	"gated/table"
)

// sweep remembers how far the rules were applied, so that a night does not read what was erased years ago.
type sweep struct {
	rules []retention.Rule
	keeps map[int64]register.Span
	upTo  map[string]int64 // by epoch and class
}

// Retain erases what is older than the rules allow, but for the days that are kept. pause, which may be nil, is called
// between two chunks; its error ends the work. It does nothing while the clock is not trusted: a wrong one would erase everything.
func (x *Eraser) Retain(rules []retention.Rule, pause func() error) (done Erased, err error) {
	now := x.opt.Now()
	if !now.Trusted {
		return done, errors.New("the clock is not trusted")
	}
	x.work.Lock()
	defer x.work.Unlock()
	err = x.opt.Register.Erasing(func(lose func([]int64)) error {
		done, err = x.retain(now.Time, rules, job{lose: lose, pause: pause})
		return err
	})
	return done, err
}

func (x *Eraser) retain(now time.Time, rules []retention.Rule, j job) (done Erased, err error) {
	epochs, err := x.epochs()
	if epochs == nil {
		return done, err
	}
	defer closeAll(epochs)
	keeps := x.opt.Register.Keeps()
	if !slices.Equal(x.sweep.rules, rules) || !maps.Equal(x.sweep.keeps, keeps) {
		x.sweep = sweep{slices.Clone(rules), keeps, map[string]int64{}}
	}
	ended := false
	if pause := j.pause; pause != nil {
		j.pause = func() error {
			err := pause()
			ended = err != nil
			return err
		}
	}
	for i, rule := range rules {
		j.match = func(of retention.Of) bool { return retention.For(rules, of) == i }
		for _, e := range epochs {
			before := now.In(e.Zone).AddDate(0, 0, -rule.Days).Format(time.DateOnly)
			j.ev = ledger.Event{Kind: ledger.Erase, Reason: byRetention, By: "machine", Detail: map[string]string{"class": rule.Class}}
			to := fmt.Sprint(e.Meta.Epoch, " ", rule.Class)
			part, upTo, perr := x.eraseOlder(&j, e, before, x.sweep.upTo[to])
			if done.join(part); perr == nil {
				x.sweep.upTo[to] = upTo
				continue
			}
			if err = errors.Join(err, perr); ended || e.older == 0 { // an older epoch does not hold up the current one
				return done, err
			}
		}
	}
	return done, err
}

// Keep forbids to erase personal data of the days from..to, also of days to come, until it is lifted. It returns the
// entry that says so. The reason stands in the record.
func (x *Eraser) Keep(from, to, by, why string) (int64, error) {
	for _, day := range []struct{ flag, value string }{{"--from", from}, {"--to", to}} {
		if _, err := time.Parse(time.DateOnly, day.value); err != nil {
			return 0, fmt.Errorf("%s %q: write a date as 2026-11-23", day.flag, day.value)
		}
	}
	if from > to {
		return 0, fmt.Errorf("--from %s is after --to %s", from, to)
	}
	return x.keep(ledger.Event{Reason: "keep", Detail: map[string]string{"from": from, "to": to}}, by, why)
}

// Lift ends what a keep entry forbids.
func (x *Eraser) Lift(seq int64, by, why string) (int64, error) {
	if _, ok := x.opt.Register.Keeps()[seq]; !ok {
		return 0, fmt.Errorf("%w: entry %d keeps no days, or was lifted: \"gated ledger keep --list\" names those in force",
			ErrNotKept, seq)
	}
	return x.keep(ledger.Event{Reason: "lifted", Ref: seq, Detail: map[string]string{}}, by, why)
}

// ErrNotKept: what should be lifted is not in force.
var ErrNotKept = errors.New("nothing to lift")

func (x *Eraser) keep(ev ledger.Event, by, why string) (int64, error) {
	if err := CheckWhy(why); err != nil {
		return 0, err
	}
	ev.Kind, ev.Stamp, ev.By, ev.Personal = ledger.Keep, x.opt.Now(), "socket", []ledger.Field{{Name: "by", Value: by}}
	ev.Detail["why"] = why
	x.keeping.Lock()
	defer x.keeping.Unlock()
	entries, err := x.opt.Ledger.Append(ev)
	if err != nil {
		return 0, err
	}
	return entries[0].Seq, nil
}

// PrintKept prints the days and times that are kept, by the entries that say so.
func PrintKept(w io.Writer, keeps map[int64]register.Span) error {
	t := table.New(w, "ENTRY\tFROM\tTO")
	for _, seq := range slices.Sorted(maps.Keys(keeps)) {
		t.Row(seq, keeps[seq].From, keeps[seq].To)
	}
	return t.Flush()
}
