package box

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"gated/box/again"
	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/levels"
)

// carry tells what counts on in the epoch after one that has ended, however that came about: how many changes of the roster
// there were, or else the box would not know that a restored roster is an older one; the trips that count; the notices of levels;
// marks; what hosts say; pages of paper; and visits.
func carry(old *file.Reader, now time.Time) (map[string]string, []ledger.Event, error) {
	change, err := rosterChange(old)
	if err != nil {
		return nil, nil, err
	}
	detail := map[string]string{}
	if change > 0 {
		detail[register.RosterChange] = strconv.FormatInt(change, 10)
	}
	trips, err := tripsThatCount(old, now)
	if err != nil {
		return nil, nil, fmt.Errorf("count the trips: %w", err)
	}
	is, err := register.Lasting(old)
	if err != nil {
		return nil, nil, fmt.Errorf("read notices, marks and pages: %w", err)
	}
	notices, err := noticesThatCount(old, is.Levels, now)
	if err != nil {
		return nil, nil, fmt.Errorf("read the notices of levels: %w", err)
	}
	marked, err := again.Marks(old, is.Marks, now)
	instructions, err2 := again.Hosts(old, is.Hosts)
	if err = cmp.Or(err, err2); err != nil {
		return nil, nil, fmt.Errorf("read the marks, and what hosts say: %w", err)
	}
	visiting, err := again.Lasting(old, now)
	if err != nil {
		return nil, nil, fmt.Errorf("count the visits: %w", err)
	}
	return detail, slices.Concat(trips, notices, marked, instructions, is.Paper.Again(), visiting), nil
}

// noticesThatCount tells of the notices that count or will, as they are by now, with the text that came later.
func noticesThatCount(old *file.Reader, board levels.Board, now time.Time) (events []ledger.Event, err error) {
	more := map[int64][]int64{} // what later entries say of a notice
	lasting := board.Lasting(now)
	first := int64(math.MaxInt64)
	for _, n := range lasting {
		first = min(first, n.Entry)
	}
	if err := old.OfKind(first, math.MaxInt64, func(e *ledger.Entry) error {
		if e.Reason == levels.Completed || e.Reason == levels.Started {
			more[e.Ref] = append(more[e.Ref], e.Seq)
		}
		return nil
	}, register.Notice); err != nil {
		return nil, err
	}
	for _, n := range lasting {
		ev := ledger.Event{Kind: register.Notice, By: "machine", Reason: levels.Announced, Detail: n.Detail()}
		switch {
		case n.From.IsZero():
			ev.Reason = levels.Prepared
		case n.Oral:
			ev.Reason = levels.Ordered
		}
		ev.Detail["entry"] = strconv.FormatInt(n.Entry, 10)
		if err := old.ScanSome(append([]int64{n.Entry}, more[n.Entry]...), func(e *ledger.Entry) {
			if e.Seq == n.Entry {
				ev.Personal = e.Personal
			} else {
				ev.Personal = withText(ev.Personal, e.Personally(noticeText))
				for _, f := range e.Personal { // who ordered what lay ready
					if e.Reason == levels.Started && f.Name != noticeText && f.Name != "by" {
						ev.Personal = append(slices.Clone(ev.Personal), f)
					}
				}
			}
		}); err != nil {
			return nil, err
		}
		events = append(events, ev)
	}
	return events, err
}

// withText are the fields of a notice once a later entry has added to its text. Where both are too long for an entry the newer one stays:
// the older is in the epoch before.
func withText(fields []ledger.Field, more string) []ledger.Field {
	if more == "" {
		return fields
	}
	fields = slices.Clone(fields)
	i := slices.IndexFunc(fields, func(f ledger.Field) bool { return f.Name == noticeText })
	if i < 0 {
		return append(fields, ledger.Field{Name: noticeText, Value: more})
	}
	both := fields[i].Value + "\n" + more
	if fields[i].Value = more; utf8.RuneCountInString(both) <= 2*maxText {
		fields[i].Value = both
	}
	return fields
}

// rosterChange is the largest number of changes of the roster that an entry names.
func rosterChange(old *file.Reader) (most int64, err error) {
	err = old.OfKind(1, math.MaxInt64, func(e *ledger.Entry) error {
		if n, err := strconv.ParseInt(e.Detail[register.RosterChange], 10, 64); err == nil {
			most = max(most, n)
		}
		return nil
	}, register.Roster, ledger.Start, ledger.Epoch)
	return most, err
}

// tripsThatCount tells of the trips that count on in a new epoch, which gives nobody a second one, and who is still out by them.
func tripsThatCount(old *file.Reader, now time.Time) (events []ledger.Event, err error) {
	count, err := register.TripsThatCount(old, now)
	if err != nil {
		return nil, err
	}
	err = old.ScanSome(slices.Sorted(maps.Keys(count)), func(e *ledger.Entry) {
		ev := ledger.Event{Kind: register.Trip, Direction: "out", Class: "resident", By: "machine",
			Detail:   map[string]string{"day": count[e.Seq].Day},
			Personal: []ledger.Field{{Name: "household", Value: e.Personally("household")}}}
		if count[e.Seq].Unsure {
			ev.Detail[register.Unsure] = "yes"
		}
		if count[e.Seq].Open {
			ev.Detail[register.Out] = cmp.Or(e.Detail[register.Out], e.Detail[register.Came], e.At.Format(time.RFC3339))
			if due := e.Detail[register.Due]; due != "" {
				ev.Detail[register.Due] = due
			}
			ev.Personal = append(ev.Personal, ledger.Field{Name: "subject", Value: e.Personally("subject")})
		}
		events = append(events, ev)
	})
	slices.SortStableFunc(events, func(a, b ledger.Event) int { return cmp.Compare(a.Detail["day"], b.Detail["day"]) })
	return events, err
}
