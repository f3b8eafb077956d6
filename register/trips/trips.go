// Package trips is the trip book of the households: who of them was admitted out in the last days, to be back by when.
package trips

import (
	"iter"
	"slices"
	"time"

	"gated/register/blind"
)

// Days is how many days are remembered, the newest included: the longest time over which a level may count.
const Days = 31

// Trip is one time that somebody of a household was admitted out.
type Trip struct {
	Household blind.Key
	Day       string    // on which it counts
	Who       blind.Key // went out: a person, or a household by its pass; 0: somebody who was back before this epoch
	Due       int64     // when they are to be back, in seconds since 1970; 0: whenever it is
	Unsure    bool      // by a clock that nobody trusted: it counts as just now, until a trusted one tells what day it is
}

// Book has the trips that may still count. Its day only moves forward, so that a clock set back gives nobody a second trip;
// a correction of the clock, which says who did it, brings it back.
type Book struct {
	Day   string // the newest that a trusted clock has told
	trips map[int64]Trip
	of    map[blind.Key][]int64 // those of each household, and of whoever went out
	due   map[int64]bool        // those that have a time to be back
	doubt map[int64]bool        // those that are unsure
}

// New returns an empty book.
func New() Book {
	return Book{trips: map[int64]Trip{}, of: map[blind.Key][]int64{}, due: map[int64]bool{}, doubt: map[int64]bool{}}
}

// All are the trips by the entries that tell of them. The caller does not change them.
func (b *Book) All() map[int64]Trip { return b.trips }

// Begin goes on to a day, if it is a later one, and returns the trips that are gone, since they were too old on the day before
// already: one wrong day, which will be corrected, takes nothing.
func (b *Book) Begin(day string) (gone []int64) {
	if day <= b.Day {
		return nil
	}
	last := before(b.Day, Days)
	b.Day = day
	for seq, t := range b.trips {
		if t.Day <= last {
			gone = append(gone, seq)
		}
	}
	for _, seq := range gone {
		b.Remove(seq)
	}
	return gone
}

// Add counts a trip, which an entry tells of, on a day.
func (b *Book) Add(seq int64, t Trip) {
	b.trips[seq] = t
	for _, k := range t.keys() {
		b.of[k] = append(b.of[k], seq)
	}
	if t.Due != 0 {
		b.due[seq] = true
	}
	if t.Unsure {
		b.doubt[seq] = true
	}
}

// keys are by whom it is found.
func (t Trip) keys() []blind.Key {
	if t.Who == 0 {
		return []blind.Key{t.Household}
	}
	return []blind.Key{t.Household, t.Who}
}

// Remove forgets a trip, and tells whether it was one.
func (b *Book) Remove(seq int64) bool {
	t, was := b.trips[seq]
	if !was {
		return false
	}
	delete(b.trips, seq)
	delete(b.due, seq)
	delete(b.doubt, seq)
	for _, k := range t.keys() {
		left := slices.DeleteFunc(b.of[k], func(s int64) bool { return s == seq })
		if b.of[k] = left; len(left) == 0 {
			delete(b.of, k)
		}
	}
	return true
}

// Newest is the entry that tells of the newest trip of somebody, and the trip; 0: they have none.
func (b *Book) Newest(who blind.Key) (newest int64, t Trip) {
	for _, seq := range b.of[who] {
		newest = max(newest, seq)
	}
	return newest, b.trips[newest]
}

// Due are the trips that have a time to be back and are the newest of whoever went, in no order.
func (b *Book) Due() iter.Seq2[int64, Trip] {
	return func(yield func(int64, Trip) bool) {
		for seq := range b.due {
			t := b.trips[seq]
			if newest, _ := b.Newest(t.Who); t.Who != 0 && newest == seq && !yield(seq, t) {
				return
			}
		}
	}
}

// Correct brings the book back to a day, if it is beyond that, and returns the trips that were counted on days which had not
// come: they count on that day.
func (b *Book) Correct(day string) (moved []int64) {
	b.Day = min(b.Day, day)
	for seq, t := range b.trips {
		if t.Day > day {
			t.Day = day
			b.trips[seq] = t
			moved = append(moved, seq)
		}
	}
	return moved
}

// Told has the unsure trips count on the first day that a trusted clock tells after them, if that is later, and returns them.
func (b *Book) Told(at time.Time) (moved []int64) {
	if len(b.doubt) == 0 {
		return nil
	}
	day := at.Format(time.DateOnly)
	for seq := range b.doubt {
		t := b.trips[seq]
		t.Day, t.Unsure = max(t.Day, day), false
		b.trips[seq] = t
		moved = append(moved, seq)
	}
	clear(b.doubt)
	return moved
}

// Count is how many trips a household has had in so many days, of which today is the last. What counts on days to come counts, too:
// an earlier day never has fewer.
func (b *Book) Count(household blind.Key, today string, days int) (n int) {
	for _, seq := range b.of[household] {
		if b.trips[seq].Counts(today, days) {
			n++
		}
	}
	return n
}

// Counts tells whether a trip counts within so many days, of which today is the last.
func (t Trip) Counts(today string, days int) bool { return t.Unsure || t.Day > before(today, days) }

// First is the oldest entry that tells of a trip which counts within so many days, of which today is the last; 0: none does.
func (b *Book) First(today string, days int) (first int64) {
	for seq, t := range b.trips {
		if t.Counts(today, days) && (first == 0 || seq < first) {
			first = seq
		}
	}
	return first
}

// before is the day so many days before another.
func before(day string, days int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil { // no day yet: nothing is too old
		return ""
	}
	return t.AddDate(0, 0, -days).Format(time.DateOnly)
}
