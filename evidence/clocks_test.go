package evidence

import (
	"fmt"
	"gated/register/registertest"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/ledger/entry"
	"gated/register"

	"github.com/google/go-cmp/cmp"
)

// said is an entry by what its clock said and by what nobody sets.
type said struct {
	wall    string
	boot    string
	mono    time.Duration
	trusted bool
	kind    ledger.Kind
}

func hour(h, m, s int) time.Duration {
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
}

// wrongClocks are gates whose clock was wrong for a while, around 2026-11-20, and when they were not watching.
var wrongClocks = []struct {
	name    string
	entries []said
	want    map[string][]string
}{
	{"two days ahead for five seconds", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"2026-11-22 00:30:00", "a", hour(1, 30, 0), false, register.Clock}, {"2026-11-20 00:30:05", "a", hour(1, 30, 5), true, register.Clock},
		{"2026-11-20 01:30:00", "a", hour(2, 30, 0), true, register.Alive}, {"2026-11-20 02:00:00", "a", hour(3, 0, 0), true, ledger.Stop},
		{"2026-11-22 08:00:00", "b", hour(0, 1, 0), true, ledger.Start}, {"2026-11-22 09:00:00", "b", hour(1, 1, 0), true, register.Alive},
	}, map[string][]string{"2026-11-20": {"20 02:00 21 00:00 stopped"}, "2026-11-21": {"21 00:00 22 00:00 stopped"},
		"2026-11-22": {"22 00:00 22 00:30 stopped", "22 00:30 22 08:00 stopped"}}},
	{"two days ahead for five seconds, synchronised with a server that is wrong", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"2026-11-22 00:30:00", "a", hour(1, 30, 0), true, register.Alive}, {"2026-11-20 00:30:05", "a", hour(1, 30, 5), true, register.Clock},
		{"2026-11-20 01:30:00", "a", hour(2, 30, 0), true, register.Alive},
	}, map[string][]string{"2026-11-20": nil}},
	{"fourteen days behind for five seconds", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"2026-11-06 00:30:00", "a", hour(1, 30, 0), false, register.Clock}, {"2026-11-20 00:30:05", "a", hour(1, 30, 5), true, register.Clock},
		{"2026-11-20 01:30:00", "a", hour(2, 30, 0), true, register.Alive},
	}, map[string][]string{"2026-11-20": nil}},
	{"an hour of silence while the clock was set", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"2026-11-20 05:00:00", "a", hour(3, 0, 0), true, register.Alive},
		{"2026-11-20 05:10:00", "a", hour(6, 10, 0), true, register.Alive},
	}, map[string][]string{"2026-11-20": {"20 02:00 20 03:00 silent", "20 03:00 20 05:00 silent", "20 05:00 20 05:10 silent"}}},
	{"1970 at boot", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"2026-11-20 00:30:00", "a", hour(1, 30, 0), true, ledger.Stop},
		{"1970-01-01 08:00:20", "b", hour(0, 0, 20), false, ledger.Start}, {"1970-01-01 08:00:40", "b", hour(0, 0, 40), false, register.Check},
		{"2026-11-21 06:00:50", "b", hour(0, 0, 50), true, register.Clock}, {"2026-11-21 07:00:00", "b", hour(1, 0, 0), true, register.Alive},
	}, map[string][]string{"2026-11-20": {"20 00:30 21 00:00 stopped"}, "2026-11-21": {"21 00:00 21 06:00 stopped"}}},
	{"1970 at boot, over midnight, with passages", []said{
		{"2026-11-20 19:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 20:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"1970-01-01 08:00:00", "b", hour(0, 0, 0), false, ledger.Start}, {"1970-01-01 09:00:00", "b", hour(1, 0, 0), false, register.Alive},
		{"1970-01-01 10:00:00", "b", hour(2, 0, 0), false, register.Check}, {"1970-01-01 11:00:00", "b", hour(3, 0, 0), false, register.Check},
		{"1970-01-01 12:00:00", "b", hour(4, 0, 0), false, register.Check}, {"2026-11-21 00:40:00", "b", hour(4, 30, 0), true, register.Clock},
		{"2026-11-21 01:30:00", "b", hour(5, 20, 0), true, register.Alive},
	}, map[string][]string{"2026-11-20": {"20 00:00 20 19:00 not-installed", "20 20:00 20 20:10 not-stopped"}, "2026-11-21": nil}},
	{"silent while in 1970", []said{
		{"2026-11-20 19:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 20:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"1970-01-01 08:00:00", "b", hour(0, 0, 0), false, ledger.Start}, {"1970-01-01 09:00:00", "b", hour(1, 0, 0), false, register.Alive},
		{"1970-01-01 12:00:00", "b", hour(4, 0, 0), false, register.Check}, {"2026-11-21 00:40:00", "b", hour(4, 30, 0), true, register.Clock},
	}, map[string][]string{"2026-11-20": {"20 00:00 20 19:00 not-installed", "20 20:00 20 20:10 not-stopped", "20 21:10 21 00:00 silent"},
		"2026-11-21": {"21 00:00 21 00:10 silent"}}},
	{"two days ahead at boot", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, ledger.Stop},
		{"2026-11-22 08:00:00", "b", hour(0, 0, 10), false, ledger.Start}, {"2026-11-20 08:00:05", "b", hour(0, 0, 15), true, register.Clock},
		{"2026-11-20 09:00:00", "b", hour(0, 59, 10), true, register.Alive},
	}, map[string][]string{"2026-11-20": {"20 00:00 20 08:00 stopped"}}},
	{"two days ahead for a whole boot", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, ledger.Stop},
		{"2026-11-22 08:00:00", "b", hour(0, 0, 10), false, ledger.Start}, {"2026-11-22 09:00:00", "b", hour(1, 0, 10), false, register.Alive},
		{"2026-11-20 12:00:00", "c", hour(0, 0, 10), true, ledger.Start}, {"2026-11-20 13:00:00", "c", hour(1, 0, 10), true, register.Alive},
	}, map[string][]string{"2026-11-20": {"20 01:00 20 12:00 not-stopped"}}},
	{"a fault over which the clock was set, and what was pending in it", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"2026-11-20 03:00:00", "a", hour(2, 0, 0), true, ledger.Outage}, // since 00:10, it says
		{"2026-11-20 00:20:00", "a", hour(1, 20, 0), true, "late"}, {"2026-11-20 03:50:00", "a", hour(2, 50, 0), true, register.Alive},
	}, map[string][]string{"2026-11-20": {"20 02:00 20 03:00 ledger-fault"}}},
	{"a process that was killed while the clock was wrong", []said{
		{"2026-11-19 23:00:00", "a", hour(0, 0, 0), true, ledger.Start}, {"2026-11-20 00:00:00", "a", hour(1, 0, 0), true, register.Alive},
		{"2026-11-06 00:30:00", "a", hour(1, 30, 0), false, ledger.Start}, {"2026-11-20 00:40:00", "a", hour(1, 40, 0), true, register.Clock},
	}, map[string][]string{"2026-11-20": {"20 00:00 20 00:30 not-stopped"}}},
}

func (s said) event() ledger.Event {
	ev := ledger.Event{Stamp: ledger.Stamp{Time: registertest.At(s.wall), Boot: s.boot, Mono: s.mono, Trusted: s.trusted}, Kind: s.kind}
	switch s.kind {
	case ledger.Outage:
		ev.Reason = "ledger-fault"
		ev.Detail = map[string]string{"from": registertest.At("2026-11-20 00:10:00").Format(entry.TimeFormat), "to": registertest.At(s.wall).Format(entry.TimeFormat)}
	case "late":
		ev.Kind, ev.Detail = register.Opening, map[string]string{"late": "40m0s"}
	}
	return ev
}

func TestAClockThatWasWrongMakesNoGap(t *testing.T) {
	t.Parallel()
	for _, c := range wrongClocks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := registertest.Open(t, dir, &registertest.Clock{Time: registertest.At("2026-11-20 00:00:00")})
			for _, s := range c.entries {
				registertest.MustAppend(t, l, s.event())
			}
			l.Close()
			r, err := OpenReader(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for day, want := range c.want {
				now := registertest.At(c.entries[len(c.entries)-1].wall)
				s, err := r.Stats(day, now)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, g := range s.Gaps {
					got = append(got, g.From.Format("02 15:04")+" "+g.To.Format("02 15:04")+" "+g.Cause)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s (-want +got):\n%s", day, d)
				}
			}
		})
	}
}

// However often the clock is wrong for a moment, and whatever it says at the start of a boot: when the box was not watching is
// told as if it had been right. And no gap covers an entry.
func TestGapsAreThoseOfARightClock(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		wrong, right := randomDays(rand.New(rand.NewPCG(seed, 1)))
		days := map[string]bool{}
		for _, e := range right {
			days[e.At.Format(time.DateOnly)] = true
		}
		for day := range days {
			want, got := gapsOf(t, right, day), gapsOf(t, wrong, day)
			for _, g := range got {
				for _, e := range wrong {
					if !byCommand[e.Kind] && e.At.After(g.From) && e.At.Before(g.To) {
						t.Errorf("seed %d, %s: the gap %s to %s covers entry %d of %s", seed, day, g.From, g.To, e.Seq, e.At)
					}
				}
			}
			if d := cmp.Diff(minutes(want), minutes(got)); d != "" {
				t.Fatalf("seed %d, %s (-right clock +wrong):\n%s%s", seed, day, d, told(wrong))
			}
		}
	}
}

func told(entries []*entry.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&b, e.Seq, e.At.Format(time.DateTime), e.Boot, monoOf(e), e.Clock, e.Kind)
	}
	return b.String()
}

// minutes are the gaps in whole minutes, those that an entry of a wrong moment cut in two as one.
func minutes(gaps []Gap) (list []string) {
	for i := 1; i < len(gaps); i++ {
		if a, b := gaps[i-1], gaps[i]; a.Cause == b.Cause && b.From.Sub(a.To) < 3*time.Minute {
			gaps = slices.Concat(gaps[:i-1], []Gap{{a.From, b.To, a.Cause}}, gaps[i+1:])
			i--
		}
	}
	for _, g := range gaps {
		list = append(list, g.From.Round(time.Minute).Format("02 15:04")+" "+g.To.Round(time.Minute).Format("02 15:04")+" "+g.Cause)
	}
	return list
}

// gapsOf is what an export tells of a day.
func gapsOf(t *testing.T, entries []*entry.Entry, day string) []Gap {
	t.Helper()
	d := Day{Name: day, First: 1}
	for _, e := range entries {
		switch of := e.At.Format(time.DateOnly); {
		case of == day:
			if d.Own == nil {
				d.First = e.Seq
			}
			d.Own, d.Last = append(d.Own, struct {
				First, Last int64
				Day         string
			}{e.Seq, e.Seq, day}), e.Seq
		case of < day && d.Own == nil:
			d.First, d.Last = e.Seq+1, e.Seq
		}
	}
	a, err := NewAccount(d, int64(len(entries)), registertest.Shanghai)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := a.Add(e, d.Has(e.Seq)); err != nil {
			t.Fatal(err)
		}
	}
	gaps, ok := a.Gaps(time.Time{})
	if !ok {
		t.Fatalf("%s is not told:\n%s", day, told(entries))
	}
	return gaps
}

// randomDays plays some days of a gate, with a clock that is wrong at times and with one that is right.
func randomDays(rng *rand.Rand) (wrong, right []*entry.Entry) {
	now, boot, began := registertest.At("2026-11-20 12:00:00"), 0, registertest.At("2026-11-20 12:00:00")
	say := func(kind entry.Kind, shift time.Duration) {
		e := entry.Entry{Record: entry.Record{Seq: int64(len(right)) + 1, Boot: fmt.Sprint(boot), Mono: now.Sub(began).Microseconds(), Kind: kind, Clock: "trusted"}, At: now}
		w := e
		if right = append(right, &e); shift != 0 {
			w.At, w.Clock = now.Add(shift), "untrusted"
		}
		wrong = append(wrong, &w)
	}
	shifts := []time.Duration{48 * time.Hour, -14 * 24 * time.Hour, 400 * 24 * time.Hour, -3 * time.Hour, 20 * time.Minute, registertest.At("1970-01-01 08:00:00").Sub(now)}
	pass := func(d time.Duration) { now = now.Add(d) }
	shift := time.Duration(0)
	say(entry.Start, 0)
	for range 100 {
		switch n := rng.IntN(12); {
		case n < 6:
			pass(time.Duration(1+rng.IntN(60)) * time.Minute)
			say(register.Alive, 0)
		case n < 8: // a moment
			pass(time.Duration(1+rng.IntN(600)) * time.Second)
			say(register.Clock, shifts[rng.IntN(len(shifts))])
			pass(5 * time.Second)
			say(register.Clock, 0)
		case n == 8: // silent
			pass(time.Duration(80+rng.IntN(300)) * time.Minute)
			say(register.Alive, 0)
		default:
			if rng.IntN(2) == 0 {
				pass(time.Minute)
				say(entry.Stop, 0)
			}
			pass(time.Duration(5+rng.IntN(1000)) * time.Minute)
			shift = 0
			if rng.IntN(4) > 0 { // a boot, whose clock may be wrong until it is set
				boot++
				began = now.Add(-time.Duration(rng.IntN(60)) * time.Second)
				if rng.IntN(2) == 0 {
					shift = shifts[rng.IntN(len(shifts))]
				}
			}
			say(entry.Start, shift)
			for shift != 0 && rng.IntN(3) > 0 {
				pass(time.Duration(1+rng.IntN(10)) * time.Second)
				say(register.Check, shift)
			}
			pass(time.Second)
			say(register.Clock, 0)
		}
	}
	return wrong, right
}

// A day's export names the entries among its own that bear another date.
func TestEntriesOfAnotherDateAreNamed(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := registertest.Open(t, dir, ck)
	for _, when := range []string{
		"2026-11-20 09:00:00", "2026-11-22 09:01:00", "2026-11-20 09:01:05", "1970-01-01 08:00:00", // 1 to 4
		"2026-11-20 10:00:00", "1970-01-01 08:00:00", "1970-01-01 09:00:00", "2026-11-21 08:00:00", // 5 to 8
		"2026-11-23 08:01:00", "2026-11-22 08:00:00", "2026-11-22 09:00:00", // 9 to 11
	} {
		ck.Set(when)
		registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Alive})
	}
	l.Close()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for day, want := range map[string]string{
		"2026-11-19": "", "2026-11-20": "2-2 2026-11-22, 4-4 1970-01-01, 6-7 1970-01-01", "2026-11-21": "",
		"2026-11-22": "3-3 2026-11-20, 4-4 1970-01-01, 5-5 2026-11-20, 6-7 1970-01-01, 8-8 2026-11-21, 9-9 2026-11-23",
		"2026-11-23": "10-11 2026-11-22",
	} {
		s, err := r.Stats(day, registertest.At("2026-11-30 00:00:00"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		c, err := r.Calendar(11)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range c.Strays(c.Day(day)) {
			got = append(got, fmt.Sprintf("%d-%d %s", run.First, run.Last, run.Day))
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("%s: got %s, want %s", day, g, want)
		}
		var b strings.Builder
		if err := r.WriteGaps(&b, s); err != nil || strings.Count(b.String(), "bear the date") != len(got) {
			t.Errorf("%v\n%s", err, &b)
		}
		var csv strings.Builder
		if err := r.ExportCSV(&csv, &b, Selection{From: day, To: day, Now: registertest.At("2026-11-30 00:00:00")}); err != nil || strings.Count(csv.String(), "other date,entries,") != len(got) {
			t.Errorf("%v\n%s", err, csv.String())
		}
	}
}
