package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"gated/ledger"
	"gated/register"
)

// Personal data that became too old is erased once a day, when the gate is quiet, or after the start that missed it.
const (
	retainAt    = 3*time.Hour + 30*time.Minute // gate time
	retainPause = 200 * time.Millisecond       // between two chunks
)

// retain erases what ledger.retention does not allow to keep, and returns what ends that.
func (d *daemon) retain(entries *register.Register, l *ledger.Ledger) (stop func()) {
	var rules []register.Retention
	for _, r := range d.settings.Ledger.Retention {
		rules = append(rules, register.Retention(r))
	}
	if len(rules) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	pause := func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retainPause):
			return nil
		}
	}
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		var last time.Time
		said := ""
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := time.Now().In(l.Zone())
			if !retentionDue(last, now) || l.Fault() != nil {
				continue
			}
			done, err := entries.Retain(rules, pause)
			if entries, fields := done.Sum(); fields > 0 {
				d.log.Info("personal data was erased, as ledger.retention says", "entries", entries, "fields", fields)
			}
			if err == nil {
				last, said = now, ""
			} else if !errors.Is(err, context.Canceled) && err.Error() != said { // once, not each minute
				said = err.Error()
				d.log.Warn("personal data that is older than ledger.retention allows is not erased now; trying again", "cause", err)
			}
		}
	})
	return func() { cancel(); work.Wait() }
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
