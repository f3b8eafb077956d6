package byhand

import (
	"slices"
	"strings"
	"time"

	"gated/ledger"
)

// Time is one in which a lane stood open and passages were not registered, cut to a day.
type Time struct {
	Opening
	From, To time.Time     // as the clock of then said
	Lasted   time.Duration // by the clock that nobody sets, where that tells
	Heads    string        // how many passed; empty: it went on when the day ended, and is counted on another one
	boot     string
	mono     int64
}

// Day tells from the entries of one day, in their order, when lanes were open by hand. It needs no entries of other days: an opening of
// the day before is told of again each hour, and by its end.
type Day struct {
	Begins time.Time
	times  []Time // in the order of their openings
}

// Add takes the day's next entry.
func (d *Day) Add(e *ledger.Entry) {
	if e.Kind != Kind {
		return
	}
	if e.Ref == 0 {
		d.times = append(d.times, Time{Opening: Of(e), From: e.At, boot: strings.Clone(e.Boot), mono: e.Mono})
		return
	}
	i := slices.IndexFunc(d.times, func(t Time) bool { return t.Entry == e.Ref })
	if i < 0 && e.Reason == NeverWas {
		return
	}
	if i < 0 { // it is of an earlier day
		o := Of(e)
		o.Entry, o.Reason = e.Ref, strings.Clone(e.Detail["why"])
		d.times, i = append(d.times, Time{Opening: o, From: d.Begins}), len(d.times)
	}
	switch t := &d.times[i]; {
	case e.Reason == NeverWas:
		d.times = slices.Delete(d.times, i, i+1)
	case e.Reason != GoesOn && t.Heads == "": // what ended it first counts
		t.To, t.Heads = e.At, strings.Clone(e.Detail["heads"])
		if t.Lasted = t.To.Sub(t.From); t.boot != "" && t.boot == e.Boot {
			t.Lasted = time.Duration(e.Mono-t.mono) * time.Microsecond
		}
		t.Lasted = max(t.Lasted, 0)
	}
}

// Times are those of the day, which ends then.
func (d *Day) Times(ends time.Time) []Time {
	times := slices.Clone(d.times)
	for i := range times {
		if t := &times[i]; t.Heads == "" {
			t.To = ends
			if t.To.Before(t.From) {
				t.To = t.From
			}
			t.Lasted = t.To.Sub(t.From)
		}
	}
	return times
}
