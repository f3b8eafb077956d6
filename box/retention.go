package box

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"gated/box/again"
	"gated/gate"
	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/erasure"
	"gated/register/hosts"
	"gated/register/marks"
	"gated/register/retention"
	"gated/register/visits"
)

// Personal data that became too old is erased once a day, when the gate is quiet, or after the start that missed it.
const (
	retainAt    = 3*time.Hour + 30*time.Minute // gate time
	retainPause = 200 * time.Millisecond       // between two chunks
	// visitsTold is after how many days a visit is told of once more that is kept for longer. A register that is read anew reads 31 first.
	visitsTold = 30
)

// Retain erases, each night until ctx ends, what the rules do not allow to keep, and tells anew of what outlasts its entry.
func (b *Box) Retain(ctx context.Context, rules []retention.Rule, log *slog.Logger) {
	pause := func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retainPause):
			return nil
		}
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	var last, told time.Time
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now().In(b.Ledger.Zone())
		if !retentionDue(last, now) || b.Ledger.Fault() != nil {
			continue
		}
		done, err := b.retain(now, &told, rules, pause)
		if entries, fields := done.Sum(); fields > 0 {
			log.Info("personal data was erased, as ledger.retention says", "entries", entries, "fields", fields)
		}
		if err == nil {
			last, said = now, ""
		} else if !errors.Is(err, context.Canceled) && err.Error() != said { // once, not each minute
			said = err.Error()
			log.Warn("personal data that is older than ledger.retention allows is not erased now; trying again", "cause", err)
		}
	}
}

// retain erases what is due, after what outlasts its entry was told of anew on that day. told is when it was: an erasure that cannot be
// done now, such as while the clock is not trusted, is tried each minute, and they are entries for good.
func (b *Box) retain(now time.Time, told *time.Time, rules []retention.Rule, pause func() error) (done erasure.Erased, err error) {
	if told.Format(time.DateOnly) != now.Format(time.DateOnly) {
		if err := b.tellAgain(now, retention.For(rules, retention.Of{}) >= 0, func(v *visits.Visit) string {
			days := visitsTold
			if i := retention.For(rules, retention.Of{Class: v.Class, Visit: true}); i >= 0 {
				days = min(days, rules[i].Days)
			}
			return now.AddDate(0, 0, 1-days).Format(time.DateOnly) // a day early: it may be midnight meanwhile
		}); err != nil {
			return done, err
		}
		*told = now
	}
	if len(rules) == 0 {
		return done, nil
	}
	return b.eraser.Retain(rules, pause)
}

// tellAgain tells once more of what outlasts its entry: of marks and of what hosts say, if that is asked for, and of the visits whose entry
// is of a day before the one that before says.
func (b *Box) tellAgain(now time.Time, ofMarks bool, before func(v *visits.Visit) string) error {
	return b.Register.Erasing(func(func([]int64)) error { // nobody is erased meanwhile, to be sealed anew
		in, err := file.OpenReader(b.Dir)
		if err != nil {
			return err
		}
		defer in.Close()
		in.AskKeys(b.Ledger.Keys)
		ids, said, err := again.Old(in, b.Register, now, before)
		if err == nil {
			err = b.Gate.TellVisits(ids, said)
		}
		if !ofMarks {
			return err
		}
		var list marks.List
		var says hosts.List
		b.Register.View(func(s *register.State) { list, says = s.Marks, s.Hosts })
		events, merr := again.Marks(in, list, now)
		more, herr := again.Hosts(in, says)
		err = errors.Join(err, merr, herr)
		for _, ev := range append(events, more...) {
			ref, _ := strconv.ParseInt(ev.Detail["entry"], 10, 64)
			end := ledger.Event{Kind: ev.Kind, Reason: marks.Ended, Ref: ref, By: "machine"}
			if _, merr := b.Gate.Mark(end, ev); !errors.Is(merr, gate.ErrInvalid) {
				err = errors.Join(err, merr) // one that somebody has ended meanwhile stays so
			}
		}
		return err
	})
}

// retentionDue tells whether the hour came again since the last time.
func retentionDue(last, now time.Time) bool {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	at := day.Add(retainAt)
	if now.Before(at) {
		at = at.AddDate(0, 0, -1)
	}
	return last.Before(at) || last.After(now)
}
