// Package presence knows where somebody is, by their newest passage.
package presence

import (
	"time"
	"unique"

	"gated/ledger"
	"gated/register/blind"
)

// Where somebody is, as rules ask for it.
const (
	Inside  = "inside"
	Outside = "outside"
	Unknown = ""
)

// Place is what the newest readable entry that moved somebody says of them; the zero one: nobody knows.
type Place struct {
	Seq     int64 // of that entry
	Inside  bool
	Unknown bool // it takes back what another said, and before that nobody knew
	Class   string
	Back    bool  // it is no passing of theirs, but takes one back
	At      int64 // by when they had passed, in microseconds since 1970; 0: no trusted clock has told a time since
}

// Of is where an entry says that somebody is, and by when they had passed; zero: nobody knows.
func Of(e *ledger.Entry, where string, by time.Time) Place {
	p := Place{Seq: e.Seq, Inside: where == Inside, Unknown: where == Unknown,
		Class: unique.Make(e.Class).Value()} // one copy of the word for all
	if !by.IsZero() {
		p.At = by.UnixMicro()
	}
	return p
}

// Told is the place once a trusted clock has told a time after they passed.
func (p Place) Told(at time.Time) Place {
	if p.At == 0 {
		p.At = at.UnixMicro()
	}
	return p
}

// Where is where they are at a time. Who has been inside longer than stay may have left by car or by another gate: nobody knows.
// Without a stay, or where nobody knows since when, they are where they were.
func (p Place) Where(now time.Time, stay time.Duration) string {
	since, timed := p.Since(now)
	switch {
	case p.Seq == 0, p.Unknown, p.Inside && timed && stay > 0 && since > stay:
		return Unknown
	case p.Inside:
		return Inside
	}
	return Outside
}

// Again tells whether who is there and goes this way does so once more, without the way back between.
func Again(direction, where string) bool {
	return direction == "in" && where == Inside || direction == "out" && where == Outside
}

// Since is how long ago they passed, at least; false where nobody knows, such as after a clock that was ahead was put right. Two lanes may
// be asked at once, so that one passage is recorded before another that began before it.
func (p Place) Since(now time.Time) (long time.Duration, known bool) {
	long = now.Sub(time.UnixMicro(p.At))
	return max(long, 0), p.At != 0 && long > -time.Minute
}

// Book has the places of all who have passed.
type Book map[blind.Key]Place

// Inside counts who is inside at a time, by class.
func (b Book) Inside(now time.Time, stay time.Duration) map[string]int {
	classes := map[string]int{}
	for _, p := range b {
		if p.Where(now, stay) == Inside {
			classes[p.Class]++
		}
	}
	return classes
}

// Sum counts people, and vehicles, of some classes.
func Sum(classes map[string]int) (people, vehicles int) {
	for class, n := range classes {
		if class == "vehicle" || class == "emergency-vehicle" {
			vehicles += n
		} else {
			people += n
		}
	}
	return people, vehicles
}
