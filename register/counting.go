package register

import (
	"strconv"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/trips"
	"gated/register/visits"
)

// Counted is a trip that may still count.
type Counted struct {
	Day    string // on which it counts
	Open   bool   // whoever went out is not back
	Unsure bool   // no trusted clock has told what day it was
}

// TripsThatCount are the trips of a ledger that may still count at a time, by the entries that tell of them. It reads the last days,
// whatever an index knows.
func TripsThatCount(in *file.Reader, now time.Time) (map[int64]Counted, error) {
	segments, err := in.Segments()
	if err != nil || len(segments) == 0 {
		return nil, err
	}
	size, err := in.Size()
	if err != nil {
		return nil, err
	}
	window := 1
	if err := in.OfKind(1, size, func(e *ledger.Entry) error {
		if n, err := strconv.Atoi(e.Detail[TripDays]); err == nil {
			window = n
		}
		return nil
	}, ledger.Start, Level, Policy); err != nil {
		return nil, err
	}
	today := now.In(in.Zone).Format(time.DateOnly)
	old := now.In(in.Zone).AddDate(0, 0, -window).Format(time.DateOnly)
	first := size + 1
	for _, g := range segments {
		if g.Day > old {
			first = min(first, g.First)
		}
	}
	s, err := foldFrom(in, first)
	if err != nil {
		return nil, err
	}
	count := map[int64]Counted{}
	for seq, t := range s.book.All() {
		if t.Counts(today, window) {
			newest, _ := s.book.Newest(t.Who)
			count[seq] = Counted{t.Day, t.Who != 0 && newest == seq && !s.people[t.Who].Inside, t.Unsure}
		}
	}
	return count, nil
}

// Went is the trip of an entry that admits somebody out, or says that they went, as it counts: as of when they came, and as nobody's who
// has passed since.
func Went(e *ledger.Entry, t trips.Trip) trips.Trip {
	t.Unsure = e.Clock != "trusted"
	if at := came(e); !at.IsZero() {
		t.Day, t.Unsure = min(t.Day, at.Format(time.DateOnly)), false
	}
	if Afterwards(e) && e.Detail[Where] != "" {
		t.Who, t.Due = 0, 0
	}
	return t
}

// Uncount takes the details by which a passage would count, had they gone through.
func Uncount(detail map[string]string) {
	for _, counts := range []string{Came, Due, Uncounted} {
		delete(detail, counts)
	}
}

// VisitsFrom are the visits by the entries of a ledger from one on, whatever an index knows.
func VisitsFrom(in *file.Reader, first int64) (visits.Book, error) {
	s, err := foldFrom(in, first)
	return s.Visits, err
}

// foldFrom is the state by the entries from one on, and the newest trusted one before, by which the day is known: what was counted since
// then is of a day that is told within them, or not yet.
func foldFrom(in *file.Reader, first int64) (s *State, err error) {
	s = newState(blind.New(nil))
	size, err := in.Size()
	if err != nil {
		return s, err
	}
	if s.segments, err = in.Segments(); err != nil {
		return s, err
	}
	if s.Size, err = trustedUpTo(in, first-1); err != nil {
		return s, err
	}
	s.Size = max(s.Size-1, 0)
	return s, s.fold(in, size, nil)
}

// trustedUpTo is the newest entry up to one whose clock was trusted; 0: there is none.
func trustedUpTo(in *file.Reader, to int64) (seq int64, err error) {
	for ; to > 0 && seq == 0 && err == nil; to -= chunk {
		err = in.Scan(max(to-chunk+1, 1), to, false, func(e *ledger.Entry) error {
			if e.Clock == "trusted" {
				seq = e.Seq
			}
			return nil
		})
	}
	return seq, err
}
