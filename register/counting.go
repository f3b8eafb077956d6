package register

import (
	"strconv"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/trips"
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
	s := newState(blind.New(nil))
	s.segments, s.Size = segments, size
	for _, g := range segments {
		if g.Day > old {
			s.Size = min(s.Size, g.First-1)
		}
	}
	// What was counted since the newest trusted entry before that is of a day that is told within it, or not yet.
	if s.Size, err = trustedUpTo(in, s.Size); err != nil {
		return nil, err
	}
	s.Size = max(s.Size-1, 0)
	if err := s.fold(in, size, nil); err != nil {
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
