// Package again tells once more of what is good for longer than the entry that told of it.
package again

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/hosts"
	"gated/register/marks"
	"gated/register/visits"
)

// Marks tells of the marks that have not ended, as entries once more; those that can be read no longer mark nobody.
func Marks(in *file.Reader, list marks.List, now time.Time) (events []ledger.Event, err error) {
	var seqs []int64
	for _, m := range list {
		if now.Before(m.Until) {
			seqs = append(seqs, m.Entry)
		}
	}
	err = in.ScanSome(seqs, func(e *ledger.Entry) {
		ev := ledger.Event{Kind: register.Mark, Reason: e.Reason, By: "machine", Detail: maps.Clone(e.Detail), Personal: e.Personal}
		if ev.Detail["entry"] = strconv.FormatInt(e.Seq, 10); e.Personally("subject")+e.Personally("household") != "" {
			events = append(events, ev)
		}
	})
	return events, err
}

// Hosts tells of what hosts say, as entries once more; what can be read no longer is nobody's.
func Hosts(in *file.Reader, list hosts.List) (events []ledger.Event, err error) {
	err = in.ScanSome(list.Entries(), func(e *ledger.Entry) {
		ev := ledger.Event{Kind: register.Host, Reason: e.Reason, By: "machine", Personal: e.Personal}
		if ev.Detail = map[string]string{"entry": strconv.FormatInt(e.Seq, 10)}; e.Personally("host") != "" {
			events = append(events, ev)
		}
	})
	return events, err
}

// Old are the visits that last and have not been ended, of which the entry is of a day before the one that before says.
func Old(in *file.Reader, of *register.Register, now time.Time, before func(v *visits.Visit) string) (ids []string, said Said, err error) {
	segments, err := in.Segments()
	if err != nil {
		return nil, nil, err
	}
	book := visits.Book{}
	of.View(func(s *register.State) {
		for id, v := range s.Visits {
			if v.Lasts(now) && !v.Ended && file.DayOf(segments, v.Entry) < before(&v) {
				ids, book[id] = append(ids, id), v
			}
		}
	})
	said, err = Visits(in, book)
	return ids, said, err
}

// Lasting tells of the visits of a ledger by which somebody may come in at a time or later, or is inside, as they are by then. It reads
// from where the oldest of them was told of last.
func Lasting(old *file.Reader, now time.Time) ([]ledger.Event, error) {
	told := map[string]int64{} // where
	if err := old.OfKind(1, math.MaxInt64, func(e *ledger.Entry) error {
		if slices.Contains(visits.Made, e.Reason) && visits.MayLast(e, now) {
			told[e.Detail[visits.ID]] = e.Seq
		}
		return nil
	}, register.Visit); err != nil || len(told) == 0 {
		return nil, err
	}
	book, err := register.VisitsFrom(old, slices.Min(slices.Collect(maps.Values(told))))
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(book, func(_ string, v visits.Visit) bool { return !v.Lasts(now) })
	said, err := Visits(old, book)
	return book.Told(slices.Collect(maps.Keys(book)), said), err
}

// Said are entries by their numbers.
type Said = map[int64]*ledger.Entry

// Visits are the entries that say of visits what is sealed.
func Visits(in *file.Reader, book visits.Book) (Said, error) {
	var seqs []int64
	for _, v := range book {
		seqs = append(seqs, v.Entry, v.Printed)
	}
	slices.Sort(seqs)
	said := Said{}
	return said, in.ScanSome(slices.Compact(seqs), func(e *ledger.Entry) { said[e.Seq] = e })
}
