package box

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gated/box/again"
	"gated/clock"
	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/erasure"
	"gated/register/levels"
	"gated/register/marks"
)

// ledgerOf is a ledger of these events, as who opens it next reads it.
func ledgerOf(t *testing.T, events []ledger.Event) *file.Reader {
	t.Helper()
	dir, now := t.TempDir(), events[len(events)-1].Stamp
	l, err := ledger.Open(ledger.Options{Hangs: time.Minute, Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai",
		Now: func() ledger.Stamp { return now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		if _, err := l.Append(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// A restored box counts the trips that the box before counted, over as many days as its level does, also where its clock was corrected.
func TestTripsAreCarriedOverACorrectionOfTheClock(t *testing.T) {
	t.Parallel()
	for _, window := range []int{1, 2} {
		t.Run(strconv.Itoa(window), func(t *testing.T) { carryTrips(t, window) })
	}
}

func carryTrips(t *testing.T, window int) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, zone)
	stamp := func(shift time.Duration) ledger.Stamp {
		return ledger.Stamp{Time: now.Add(shift), Boot: "b00t", Mono: time.Hour, Trusted: true}
	}
	const far = 400 * 24 * time.Hour
	old := ledgerOf(t, []ledger.Event{
		{Stamp: stamp(-100 * 24 * time.Hour), Kind: ledger.Start, Detail: map[string]string{register.TripDays: strconv.Itoa(window)}},
		{Stamp: stamp(0), Kind: register.Decided, Passage: "a", Direction: "out", Class: "resident", Verdict: "admit", Personal: []ledger.Field{{Name: "subject", Value: "r-1"}, {Name: "household", Value: "3-2-501"}}},
		{Stamp: stamp(far), Kind: register.Decided, Passage: "b", Direction: "out", Class: "resident", Verdict: "admit", Personal: []ledger.Field{{Name: "subject", Value: "r-2"}, {Name: "household", Value: "3-2-502"}}},
		{Stamp: stamp(time.Minute), Kind: register.Clock, Reason: "clock-corrected"},
	})
	both, second := []string{"3-2-501 2026-11-23", "3-2-502 2026-11-24"}, []string{"3-2-502 2026-11-24"}
	for _, c := range map[int][]struct {
		days int
		want []string
	}{1: {{0, both}, {1, second}, {2, nil}, {300, nil}}, 2: {{0, both}, {1, both}, {2, second}, {3, nil}}}[window] {
		trips, err := tripsThatCount(old, now.AddDate(0, 0, c.days))
		var got []string
		for _, ev := range trips {
			got = append(got, ev.Personal[0].Value+" "+ev.Detail["day"])
		}
		if err != nil || len(got) != len(c.want) {
			t.Errorf("%d days later: %q, %v, want %q", c.days, got, err, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%d days later: %q, want %q", c.days, got, c.want)
			}
		}
	}
}

// A trip of which nobody knows the day, since the clock was not trusted then nor since, counts on as one of which nobody knows it; one
// whose day was told later is of that day.
func TestATripWhoseDayNobodyKnowsIsCarriedOn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	goes := func(who string, trusted bool) ledger.Event {
		return ledger.Event{Stamp: ledger.Stamp{Time: now, Trusted: trusted}, Kind: register.Decided, Passage: who, Direction: "out", Class: "resident", Verdict: "admit",
			Personal: []ledger.Field{{Name: "subject", Value: "r-" + who}, {Name: "household", Value: who}}}
	}
	told := ledger.Event{Stamp: ledger.Stamp{Time: now.AddDate(0, 0, 5), Trusted: true}, Kind: register.Clock, Reason: "clock-confirmed"}
	for name, c := range map[string]struct {
		events []ledger.Event
		want   string
	}{
		"nobody knows":  {[]ledger.Event{goes("1", true), goes("2", false), goes("3", false)}, "2 2026-11-23 yes, 3 2026-11-23 yes"},
		"told later":    {[]ledger.Event{goes("1", true), goes("2", false), told}, "2 2026-11-28 "},
		"told at first": {[]ledger.Event{goes("2", false), told}, "2 2026-11-28 "},
		"never":         {[]ledger.Event{goes("2", false)}, "2 2026-11-23 yes"},
	} {
		events, err := tripsThatCount(ledgerOf(t, c.events), now.AddDate(0, 0, 5))
		var got []string
		for _, ev := range events {
			got = append(got, ev.Personal[0].Value+" "+ev.Detail["day"]+" "+ev.Detail[register.Unsure])
		}
		if strings.Join(got, ", ") != c.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// Who is still out is told of in the epoch after, with the time to be back; of who is home only the household's trip counts on.
func TestWhoIsOutIsCarriedOn(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 8*3600)
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, zone)
	passes := func(who, home, direction string, detail map[string]string) ledger.Event {
		return ledger.Event{Stamp: ledger.Stamp{Time: now, Trusted: true}, Kind: register.Decided, Passage: who + direction, Direction: direction, Class: "resident", Verdict: "admit",
			Detail: detail, Personal: []ledger.Field{{Name: "subject", Value: who}, {Name: "household", Value: home}}}
	}
	due := map[string]string{register.Due: "2026-11-23T13:00:00+08:00"}
	before := ledger.Event{Stamp: ledger.Stamp{Time: now, Trusted: true}, Kind: register.Trip, Direction: "out", Class: "resident",
		Detail:   map[string]string{"day": "2026-11-23", register.Out: "2026-11-23T08:00:00+08:00", register.Due: "2026-11-23T11:00:00+08:00"},
		Personal: []ledger.Field{{Name: "household", Value: "3-2-504"}, {Name: "subject", Value: "3-2-504"}}}
	old := ledgerOf(t, []ledger.Event{{Stamp: ledger.Stamp{Time: now, Trusted: true}, Kind: ledger.Start, Detail: map[string]string{register.TripDays: "2"}}, before,
		passes("r-1", "3-2-501", "out", due), passes("r-2", "3-2-502", "out", due), passes("r-2", "3-2-502", "in", nil), passes("r-3", "3-2-503", "out", nil)})
	events, err := tripsThatCount(old, now)
	var got []string
	for _, ev := range events {
		e := ledger.Entry{Personal: ev.Personal}
		got = append(got, strings.Join([]string{e.Personally("household"), e.Personally("subject"), ev.Detail["day"], ev.Detail[register.Out], ev.Detail[register.Due]}, " "))
	}
	want := []string{"3-2-504 3-2-504 2026-11-23 2026-11-23T08:00:00+08:00 2026-11-23T11:00:00+08:00",
		"3-2-501 r-1 2026-11-23 2026-11-23T10:00:00+08:00 2026-11-23T13:00:00+08:00",
		"3-2-502  2026-11-23  ", "3-2-503 r-3 2026-11-23 2026-11-23T10:00:00+08:00 "}
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("carried on are\n%s\nwant\n%s\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
}

// A notice counts on in the epoch after, as it is by then.
func TestNoticesOfLevelsAreCarriedOn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	long := strings.Repeat("长", maxText)
	var said []ledger.Event
	for _, n := range []struct {
		reason string
		ref    int64
		text   string
		levels.Notice
	}{
		{levels.Ordered, 0, "shut unit 3-2", levels.Notice{Level: "sealed", Place: "3-2", From: now}},
		{levels.Announced, 0, "", levels.Notice{Level: "normal", From: now, Number: "1", Issuer: "X"}},
		{levels.Prepared, 0, "", levels.Notice{Level: "sealed"}},
		{levels.Completed, 1, "the notice on the wall", levels.Notice{Number: "2", Issuer: "Y"}},
		{levels.Completed, 1, "", levels.Notice{Until: now.Add(time.Hour)}},
		{levels.Ended, 2, "", levels.Notice{Until: now}},
		{levels.Completed, 3, "what came later", levels.Notice{Number: "3", Issuer: "Y"}},
		{levels.Announced, 0, long, levels.Notice{Level: "normal", Place: "5", From: now, Number: "4", Issuer: "X"}},
		{levels.Completed, 8, long, levels.Notice{Until: now.Add(time.Hour)}},
		{levels.Prepared, 0, "", levels.Notice{Level: "normal", Place: "6"}},
		{levels.Started, 10, "start it", levels.Notice{From: now}},
	} {
		var fields []ledger.Field
		if n.Place != "6" {
			fields = []ledger.Field{{Name: "ordered_by", Value: "Chen"}}
		}
		if n.text != "" {
			fields = append(fields, ledger.Field{Name: "notice", Value: n.text})
		}
		said = append(said, ledger.Event{Stamp: ledger.Stamp{Time: now}, Kind: register.Notice, Reason: n.reason, Ref: n.ref, Detail: n.Detail(),
			Personal: fields})
	}
	old := ledgerOf(t, said)
	is, err := register.Lasting(old)
	if err != nil {
		t.Fatal(err)
	}
	events, err := noticesThatCount(old, is.Levels, now)
	board := levels.Board{}
	texts := []string{"shut unit 3-2\nthe notice on the wall", "what came later", long, "start it"}
	for i, ev := range events {
		e := ledger.Entry{}
		e.Seq, e.Reason, e.Detail = int64(10+i), ev.Reason, ev.Detail
		board = board.Noticed(&e)
		e.Personal = ev.Personal
		if len(e.Personal) != 2 || e.Personally("ordered_by") != "Chen" || e.Personally("notice") != texts[i] || ev.Detail["entry"] == "" {
			t.Errorf("%.200q", fmt.Sprint(ev))
		}
	}
	if n := board.Notices; err != nil || len(n) != 4 || !n[3].Oral || n[3].From.IsZero() || n[0].Place != "3-2" || n[0].Number != "2" || n[0].Oral || n[1].Level != "sealed" || !n[1].From.IsZero() {
		t.Errorf("carried on: %+v, %v", n, err)
	}
}

// Marks that count are told once more; those that have ended, or whose entry was erased, are not.
// Who is watched stays so when all older days are erased, and ends with what is erased about them.
func TestAMarkOutlastsTheErasureOfItsDay(t *testing.T) {
	t.Parallel()
	dir := site(t)
	var shift atomic.Int64
	from := clock.System()
	wall := from.Wall
	from.Wall = func() time.Time { return wall().Add(time.Duration(shift.Load())) }
	from.Synced = func() bool { return true }
	b, stop := daemonAt(t, dir, from)
	defer stop()
	watched := Mark{What: marks.Watch, Who: "r-000002", Word: "complaint", Until: time.Now().AddDate(0, 0, 9).Format(time.DateOnly), By: "Chen"}
	if _, err := MarkSomebody.do(t.Context(), b, "clerk", watched); err != nil {
		t.Fatal(err)
	}
	shift.Store(int64(23 * time.Hour))
	for b.Gate.View().Now.Format(time.DateOnly) == time.Now().In(b.Ledger.Zone()).Format(time.DateOnly) {
		shift.Add(int64(time.Hour))
	}
	for _, c := range []struct {
		sel  erasure.Selection
		want bool
	}{{erasure.Selection{Before: "today"}, true}, {erasure.Selection{Subject: "r-000002"}, false}} {
		if _, err := Erase.do(t.Context(), b, "clerk", Erasure{c.sel, "end of the measure"}); err != nil {
			t.Fatal(err)
		}
		now := b.Gate.View().Now
		b.Register.View(func(s *register.State) {
			if _, is := s.Marked("r-000002", "", now); is != c.want {
				t.Errorf("%+v: watched: %t", c.sel, is)
			}
		})
	}
}

func TestMarksThatCountAreToldAgain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var said []ledger.Event
	for i, ev := range []ledger.Event{
		{Reason: marks.Exempt, Personal: []ledger.Field{{Name: "subject", Value: "r-1"}, {Name: "note", Value: "why"}}},
		{Reason: marks.Watch, Personal: []ledger.Field{{Name: "household", Value: "3-2-501"}}},
		{Reason: marks.Ended, Ref: 2},
		{Reason: marks.Exempt, Personal: []ledger.Field{{Name: "subject", Value: "r-2"}}}, // is past
		{Reason: marks.Exempt}, // nobody
	} {
		ev.Stamp, ev.Kind = ledger.Stamp{Time: now}, register.Mark
		days := 2
		if i == 3 {
			days = 0
		}
		ev.Detail = map[string]string{"word": "dialysis", "from": now.Format(time.RFC3339), "until": now.AddDate(0, 0, days).Format(time.RFC3339), "days": "mon", "times": "06:00-09:30"}
		said = append(said, ev)
	}
	old := ledgerOf(t, said)
	is, err := register.Lasting(old)
	if err != nil {
		t.Fatal(err)
	}
	events, err := again.Marks(old, is.Marks, now.Add(time.Hour))
	if err != nil || len(events) != 1 || events[0].Detail["entry"] != "1" || events[0].Detail["times"] != "06:00-09:30" || events[0].Detail["days"] != "mon" || len(events[0].Personal) != 2 || events[0].Reason != marks.Exempt {
		t.Errorf("told again: %+v, %v", events, err)
	}
}

// A page number is given once, in whatever epoch, and what was written on paper is asked for until it is entered.
func TestPagesOfPaperAreCarriedOn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	ev := func(reason string, detail map[string]string) ledger.Event {
		return ledger.Event{Stamp: ledger.Stamp{Time: now}, Kind: register.Paper, Reason: reason, Detail: detail}
	}
	old := ledgerOf(t, []ledger.Event{ev("printed", map[string]string{"first": "1", "pages": "9", "day": "2026-11-23"}),
		ev("filled", map[string]string{"page": "7", "lines": "23"}), ev("entered", map[string]string{"page": "7", "lines": "1 2"})})
	_, events, err := carry(old, now)
	if err != nil || len(events) != 2 || events[0].Detail["pages"] != "9" || events[1].Detail["lines"] != "21" || events[1].Detail["day"] != "2026-11-23" {
		t.Errorf("carried on: %+v, %v", events, err)
	}
}
