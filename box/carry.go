package box

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
)

// carry tells what counts on in the epoch after one that has ended, however that came about: how many changes of the roster
// there were, or else the box would not know that a restored roster is an older one; and the trips of the day.
func carry(old *file.Reader, now time.Time) (map[string]string, []ledger.Event, error) {
	change, err := rosterChange(old)
	if err != nil {
		return nil, nil, err
	}
	detail := map[string]string{}
	if change > 0 {
		detail[register.RosterChange] = strconv.FormatInt(change, 10)
	}
	trips, err := tripsOfToday(old, now)
	if err != nil {
		return nil, nil, fmt.Errorf("count the trips of the day: %w", err)
	}
	return detail, trips, nil
}

// rosterChange is the largest number of changes of the roster that an entry names.
func rosterChange(old *file.Reader) (most int64, err error) {
	for _, kind := range []ledger.Kind{register.Roster, ledger.Start, ledger.Epoch} {
		if err := old.OfKind(kind, func(e *ledger.Entry) error {
			if n, err := strconv.ParseInt(e.Detail[register.RosterChange], 10, 64); err == nil {
				most = max(most, n)
			}
			return nil
		}); err != nil {
			return 0, err
		}
	}
	return most, nil
}

// tripsOfToday tells how often each household went out on the day on which the epoch ended, unless that day is over: a new
// epoch gives nobody a second trip. The counts go by the rules of package register.
func tripsOfToday(old *file.Reader, now time.Time) (trips []ledger.Event, err error) {
	size, err := old.Size()
	if err != nil {
		return nil, err
	}
	day := ""
	if err := old.Scan(max(1, size-file.Tail), size, false, func(e *ledger.Entry) error {
		if e.Clock == "trusted" {
			day = max(day, e.At.Format(time.DateOnly))
		}
		if e.Kind == register.Clock && e.Reason == "clock-corrected" {
			day = min(day, e.At.AddDate(0, 0, 1).Format(time.DateOnly))
		}
		return nil
	}); err != nil {
		return nil, err
	}
	today := now.In(old.Zone).Format(time.DateOnly)
	days, err := old.Segments()
	days = slices.DeleteFunc(days, func(s file.Segment) bool { return s.Day < today })
	if err != nil || len(days) == 0 || day < today {
		return nil, err
	}
	out := map[int64]string{}
	if err := old.Scan(days[0].First, size, true, func(e *ledger.Entry) error {
		gone := e.Kind == register.Decided && e.Verdict == "admit" && e.Direction == "out" && e.Class == "resident" ||
			e.Kind == register.Trip && e.Detail["day"] >= today
		if household := e.Personally("household"); gone && household != "" {
			out[e.Seq] = household
		} else if e.Kind == register.Correction {
			delete(out, e.Ref)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, seq := range slices.Sorted(maps.Keys(out)) {
		trips = append(trips, ledger.Event{Kind: register.Trip, Direction: "out", Class: "resident", By: "machine",
			Detail: map[string]string{"day": day}, Personal: []ledger.Field{{Name: "household", Value: out[seq]}}})
	}
	return trips, nil
}
