package byhand

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gated/ledger"
)

var midnight = time.Date(2026, 11, 22, 0, 0, 0, 0, time.FixedZone("", 8*3600))

// told are entries, a line each: kind of the entry's reason, what it refers to, lane, the minute of the day, the minute since the boot, heads.
type told struct {
	reason string
	ref    int64
	lane   string
	at     int // minute of the day
	mono   int // minute since boot
	heads  string
}

func (x told) entry(seq int64) *ledger.Entry {
	e := &ledger.Entry{Record: ledger.Record{Seq: seq, Kind: Kind, Boot: "b", Mono: int64(x.mono) * 60e6, Lane: x.lane, Direction: "in", Reason: x.reason, Ref: x.ref},
		At: midnight.Add(time.Duration(x.at) * time.Minute)}
	if x.ref != 0 {
		e.Detail = map[string]string{"why": "rush-hour", "heads": x.heads}
	}
	return e
}

func TestTheTimesOfADay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []told // from 10 on
		ends    int
		want    []string
	}{
		"nothing":                  {nil, 1440, nil},
		"opened and shut":          {[]told{{"school-run", 0, "a", 460, 0, ""}, {Shut, 10, "a", 485, 25, "20"}}, 1440, []string{"10 a school-run 07:40 08:05 25m0s 20"}},
		"not over":                 {[]told{{"school-run", 0, "a", 460, 0, ""}}, 500, []string{"10 a school-run 07:40 08:20 40m0s "}},
		"over midnight":            {[]told{{GoesOn, 3, "a", 1, 0, ""}, {Shut, 3, "a", 30, 25, "5"}}, 1440, []string{"3 a rush-hour 00:00 00:30 30m0s 5"}},
		"shut before it was told":  {[]told{{Shut, 3, "a", 30, 25, "5"}}, 1440, []string{"3 a rush-hour 00:00 00:30 30m0s 5"}},
		"all day":                  {[]told{{GoesOn, 3, "a", 1, 0, ""}, {GoesOn, 3, "a", 61, 60, ""}}, 1440, []string{"3 a rush-hour 00:00 24:00 24h0m0s "}},
		"told of, and not over":    {[]told{{"school-run", 0, "a", 460, 0, ""}, {GoesOn, 10, "a", 480, 0, ""}}, 1440, []string{"10 a school-run 07:40 24:00 16h20m0s "}},
		"two at once":              {[]told{{"school-run", 0, "a", 460, 0, ""}, {"moving-van", 0, "b", 461, 1, ""}, {Restart, 11, "b", 465, 5, Uncounted}, {Shut, 10, "a", 485, 25, "0"}}, 1440, []string{"10 a school-run 07:40 08:05 25m0s 0", "11 b moving-van 07:41 07:45 4m0s uncounted"}},
		"the first end counts":     {[]told{{"school-run", 0, "a", 460, 0, ""}, {Emergency, 10, "a", 470, 10, Uncounted}, {Shut, 10, "a", 485, 25, "20"}, {GoesOn, 10, "a", 486, 26, ""}}, 1440, []string{"10 a school-run 07:40 07:50 10m0s uncounted"}},
		"it never was":             {[]told{{"school-run", 0, "a", 460, 0, ""}, {NeverWas, 10, "a", 461, 1, Uncounted}, {NeverWas, 3, "a", 461, 1, Uncounted}}, 1440, nil},
		"the clock was set back":   {[]told{{"school-run", 0, "a", 460, 0, ""}, {Shut, 10, "a", 400, 25, "20"}}, 1440, []string{"10 a school-run 07:40 06:40 25m0s 20"}},
		"the clock was set on":     {[]told{{"school-run", 0, "a", 460, 0, ""}, {Shut, 10, "a", 800, 25, "20"}}, 1440, []string{"10 a school-run 07:40 13:20 25m0s 20"}},
		"begun by a clock too far": {[]told{{"school-run", 0, "a", 460, 0, ""}}, 400, []string{"10 a school-run 07:40 07:40 0s "}},
	} {
		d := Day{Begins: midnight}
		d.Add(&ledger.Entry{Record: ledger.Record{Seq: 1, Kind: "alive"}})
		for i, x := range c.entries {
			d.Add(x.entry(int64(10 + i)))
		}
		var got []string
		clock := func(at time.Time) string {
			m := int(at.Sub(midnight) / time.Minute)
			return fmt.Sprintf("%02d:%02d", m/60, m%60)
		}
		for _, x := range d.Times(midnight.Add(time.Duration(c.ends) * time.Minute)) {
			got = append(got, fmt.Sprintf("%d %s %s %s %s %s %s", x.Entry, x.Lane, x.Reason, clock(x.From), clock(x.To), x.Lasted, x.Heads))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestTheLanesThatAreOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []told
		want    []string
	}{
		"opened":                  {[]told{{"school-run", 0, "a", 0, 0, ""}, {"rush-hour", 0, "b", 0, 0, ""}}, []string{"10 a school-run", "11 b rush-hour"}},
		"shut":                    {[]told{{"school-run", 0, "a", 0, 0, ""}, {"rush-hour", 0, "b", 0, 0, ""}, {Shut, 10, "a", 0, 0, "1"}}, []string{"11 b rush-hour"}},
		"it goes on":              {[]told{{"school-run", 0, "a", 0, 0, ""}, {GoesOn, 10, "a", 0, 0, ""}}, []string{"10 a school-run"}},
		"an end that comes late":  {[]told{{"school-run", 0, "a", 0, 0, ""}, {Emergency, 10, "a", 0, 0, ""}, {"rush-hour", 0, "a", 0, 0, ""}, {Shut, 10, "a", 0, 0, ""}}, []string{"12 a rush-hour"}},
		"the end of nothing":      {[]told{{Shut, 3, "a", 0, 0, "1"}, {GoesOn, 3, "a", 0, 0, ""}}, nil},
		"opened twice":            {[]told{{"school-run", 0, "a", 0, 0, ""}, {"rush-hour", 0, "a", 0, 0, ""}}, []string{"11 a rush-hour"}},
		"another lane's entry":    {[]told{{"school-run", 0, "a", 0, 0, ""}, {Shut, 10, "b", 0, 0, ""}}, []string{"10 a school-run"}},
		"a commit that was there": {[]told{{"school-run", 0, "a", 0, 0, ""}, {NeverWas, 10, "a", 0, 0, Uncounted}}, nil},
	} {
		var l Lanes
		for i, x := range c.entries {
			before := fmt.Sprint(l)
			after := l.After(x.entry(int64(10 + i)))
			if fmt.Sprint(l) != before {
				t.Errorf("%s: changed in place", name)
			}
			l = after
		}
		var got []string
		for _, o := range l.Sorted() {
			got = append(got, fmt.Sprint(o.Entry, " ", o.Lane, " ", o.Reason))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// What is told of an opening says by whom.
func TestWhoTells(t *testing.T) {
	t.Parallel()
	o := Opening{Entry: 3, Lane: "a", Direction: "in", Reason: "school-run"}
	for reason, by := range map[string]string{Shut: "unauthenticated", Closed: "unauthenticated", Emergency: "unauthenticated", GoesOn: "machine", Restart: "machine", NeverWas: "machine"} {
		ev := o.Told(ledger.Stamp{}, reason, "5")
		if ev.By != by || ev.Ref != 3 || ev.Lane != "a" || ev.Detail["why"] != "school-run" || ev.Detail["heads"] != "5" {
			t.Errorf("%s: %+v", reason, ev)
		}
	}
}
