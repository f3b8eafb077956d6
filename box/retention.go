package box

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gated/register/erasure"
	"gated/register/retention"
)

// Personal data that became too old is erased once a day, when the gate is quiet, or after the start that missed it.
const (
	retainAt    = 3*time.Hour + 30*time.Minute // gate time
	retainPause = 200 * time.Millisecond       // between two chunks
)

// Retain erases, each night until ctx ends, what the rules do not allow to keep.
func (b *Box) Retain(ctx context.Context, rules []retention.Rule, log *slog.Logger) {
	if len(rules) == 0 {
		return
	}
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

// retain erases what is due, after the marks that count on were told of anew on that day. told is when they were: an erasure that
// cannot be done now, such as while the clock is not trusted, is tried each minute, and they are entries for good.
func (b *Box) retain(now time.Time, told *time.Time, rules []retention.Rule, pause func() error) (done erasure.Erased, err error) {
	if told.Format(time.DateOnly) != now.Format(time.DateOnly) {
		if err := b.tellMarksAgain(now); err != nil {
			return done, err
		}
		*told = now
	}
	return b.eraser.Retain(rules, pause)
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
