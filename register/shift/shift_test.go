package shift

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gated/ledger"
)

var zone, _ = time.LoadLocation("Asia/Shanghai")

var morning = time.Date(2026, 11, 23, 7, 0, 0, 0, zone)

// fold adds entries to a book, each a minute after the one before, the first of them entry 1.
func fold(entries ...ledger.Record) *Book {
	b := &Book{}
	for i, r := range entries {
		r.Seq = int64(i + 1)
		b.Add(&ledger.Entry{Record: r, At: morning.Add(time.Duration(i) * time.Minute)})
	}
	return b
}

func detail(words ...string) map[string]string {
	d := map[string]string{}
	for i := 0; i < len(words); i += 2 {
		d[words[i]] = words[i+1]
	}
	return d
}

// guards are those on duty, by their entries.
func guards(b *Book) string {
	var list []string
	for _, g := range b.Now.Guards {
		list = append(list, fmt.Sprint(g.Entry, g.Body))
	}
	return strings.Join(list, " ")
}

func TestWhoIsOnDuty(t *testing.T) {
	t.Parallel()
	on := func(how string) ledger.Record {
		return ledger.Record{Kind: SignOn, Detail: detail(How, how, "body", "cadre")}
	}
	off := func(ref int64) ledger.Record { return ledger.Record{Kind: SignOff, Ref: ref} }
	over := ledger.Record{Kind: HandOver}
	for _, c := range []struct {
		what    string
		entries []ledger.Record
		guards  string
		began   int64
	}{
		{"nobody", nil, "", 0},
		{"one", []ledger.Record{on("")}, "1cadre", 1},
		{"the next", []ledger.Record{on(""), on("")}, "2cadre", 2},
		{"still the same", []ledger.Record{on(""), on(GoesOn)}, "1cadre", 1},
		{"two", []ledger.Record{on(""), on(Joins)}, "1cadre 2cadre", 1},
		{"a third, which nobody writes, comes for the first", []ledger.Record{on(""), on(Joins), on(Joins)}, "2cadre 3cadre", 1},
		{"one of two goes", []ledger.Record{on(""), on(Joins), off(1)}, "2cadre", 1},
		{"both go", []ledger.Record{on(""), on(Joins), off(1), off(2)}, "", 1},
		{"somebody else goes", []ledger.Record{on(""), off(7)}, "1cadre", 1},
		{"one comes for two", []ledger.Record{on(""), on(Joins), on("")}, "3cadre", 3},
		{"handed over to two", []ledger.Record{on(""), over, on(Joins), on(Joins)}, "3cadre 4cadre", 2},
		{"handed over to nobody", []ledger.Record{on(""), over}, "", 2},
	} {
		if b := fold(c.entries...); guards(b) != c.guards || b.Now.Began != c.began {
			t.Errorf("%s: on duty %q since entry %d, want %q since %d", c.what, guards(b), b.Now.Began, c.guards, c.began)
		}
	}
}

// day is a shift with all that can be in one, and what it adds up to.
var day = []ledger.Record{
	{Kind: "register", Class: "resident", Verdict: "admit", Reason: "valid-pass", By: "machine"}, // of the shift before
	{Kind: SignOn}, // 2
	{Kind: "register", Class: "resident", Verdict: "admit", Reason: "valid-pass", By: "machine"},
	{Kind: "register", Class: "resident", Verdict: "admit", Reason: "known-by-sight", By: "unauthenticated"},
	{Kind: "register", Class: "courier", Verdict: "refuse", Reason: "outsider", By: "machine"},
	{Kind: "query", Class: "visitor", Verdict: "hold", Reason: "unknown-person", By: "machine"},
	{Kind: "register", Class: "visitor", Verdict: "undecided", Reason: "undecided", By: "machine"}, // 7
	{Kind: "correction", Class: "visitor", Verdict: "admit", Reason: "went-through", By: "unauthenticated", Ref: 7, Detail: detail("was", "undecided")},
	{Kind: "correction", Class: "resident", Verdict: "refuse", Reason: "did-not-go-through", By: "pin", Ref: 3, Detail: detail("was", "admit")},
	{Kind: "correction", Class: "resident", Verdict: "refuse", Reason: "did-not-go-through", By: "unauthenticated", Ref: 1, Detail: detail("was", "admit")},
	{Kind: "correction", Class: "staff", Verdict: "hold", Reason: "answered-fault", By: "machine", Ref: 1, Detail: detail("was", "admit")},
	{Kind: "open", Class: "unknown", Verdict: "admit", Reason: "emergency-key", By: "unauthenticated"}, // 12
	{Kind: "register", Class: "unknown", Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key", By: "unauthenticated", Ref: 12},
	{Kind: "open", Reason: "pulse", Ref: 4},
	{Kind: "open", Reason: "pulse-failed", Ref: 4},
	{Kind: "by-hand", Reason: "school-run"}, // 16
	{Kind: "by-hand", Reason: "goes-on", Ref: 16, Detail: detail("why", "school-run")},
	{Kind: "by-hand", Reason: "shut", Ref: 16, Detail: detail("why", "school-run", "heads", "uncounted")},
	{Kind: "by-hand", Reason: "moving-van"}, // 19
	{Kind: "by-hand", Reason: "answered-fault", Ref: 19, Detail: detail("why", "moving-van", "heads", "uncounted")},
	{Kind: "alarm", Reason: "wrong-tries"},
	{Kind: "scanner", Reason: "down", Detail: detail("downs", "3")},
	{Kind: "scanner", Reason: "up"},
	{Kind: "scanner", Reason: "down", Detail: detail("device", "card-reader")},
	{Kind: "outage", Reason: "ledger-fault"},
	{Kind: "start", Detail: detail("after", "crash")},
	{Kind: "start", Detail: detail("after", "stop")},
	{Kind: Count, Reason: "goods-left", Detail: detail(Number, "1")},
	{Kind: Count, Reason: "goods-left", Detail: detail(Number, "12")},
	{Kind: Count, Reason: "goods-left", Detail: detail(Number, "-2")},
	{Kind: Log, Reason: "quarrel"}, // 31
	{Kind: Log, Reason: Moment},    // 32
	{Kind: Log, Reason: Moment, Ref: 32},
	{Kind: Log, Reason: "patrol"}, // 34
	{Kind: "alive"},
}

func TestWhatAShiftHasDone(t *testing.T) {
	t.Parallel()
	got := fold(day...).Now
	want := Shift{Began: 2, Since: morning.Add(time.Minute), Here: morning.Add(time.Minute), Guards: []Guard{{Entry: 2, Since: morning.Add(time.Minute)}},
		Passages: map[string]map[string]int{"resident": {"admit": 1, Annulled: 2}, "courier": {"refuse": 1}, "visitor": {"admit": 1}, "unknown": {"admit": 1}},
		ByGuard:  map[string]int{"known-by-sight": 1}, Corrections: map[string]int{"went-through": 1, "did-not-go-through": 2},
		ByHand: map[string]int{"school-run": 1}, Uncounted: 1, Emergency: 1,
		Faults: map[string]int{"pulse-failed": 1, "wrong-tries": 1, "scanner-down": 3, "card-reader-down": 1, "outage": 1, "crash": 1},
		Counts: map[string]int{"goods-left": 11}, Logged: map[string]int{"quarrel": 1, Moment: 1, "patrol": 1}, Notes: []int64{31, 32, 34}, Words: map[int64]int64{32: 33}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What is taken back cannot come to less than nothing, and the next shift begins with nothing; what the one before has done stays.
func TestTheNextShiftBeginsWithNothing(t *testing.T) {
	t.Parallel()
	b := fold(append(slices.Clone(day), ledger.Record{Kind: HandOver}, ledger.Record{Kind: Count, Reason: "goods-left", Detail: detail(Number, "-9")})...)
	n := len(day)
	if d := cmp.Diff(Shift{Began: int64(n + 1), Since: morning.Add(time.Duration(n) * time.Minute), Here: morning.Add(time.Duration(n) * time.Minute)}, b.Now); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	before := fold(day...).Now
	before.Ended = b.Now.Since
	if d := cmp.Diff(&before, b.Before); d != "" {
		t.Errorf("the one before (-want +got):\n%s", d)
	}
}

// A book that was saved at any entry, as the index saves it, goes on as one that was not; a copy of it does not.
func TestASavedBookGoesOn(t *testing.T) {
	t.Parallel()
	entries := append(slices.Clone(day), ledger.Record{Kind: HandOver}, ledger.Record{Kind: SignOn, Detail: detail(How, Joins)})
	entries = append(entries, day...)
	text := func(b *Book) string {
		s, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(s)
	}
	want := text(fold(entries...))
	for split := range len(entries) + 1 {
		var b Book
		if err := json.Unmarshal([]byte(text(fold(entries[:split]...))), &b); err != nil {
			t.Fatal(err)
		}
		kept, was := b.Now.Clone(), text(&b)
		for i, r := range entries[split:] {
			r.Seq = int64(split + i + 1)
			b.Add(&ledger.Entry{Record: r, At: morning.Add(time.Duration(split+i) * time.Minute)})
		}
		if got := text(&b); got != want {
			t.Fatalf("saved after %d entries (-want +got):\n%s", split, cmp.Diff(want, got))
		}
		var old Book
		if err := json.Unmarshal([]byte(was), &old); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(old.Now, kept, cmp.Comparer(time.Time.Equal)); d != "" {
			t.Fatalf("the copy of %d entries changed (-was +is):\n%s", split, d)
		}
	}
}

// A shift that never ends stays small.
func TestALongShiftIsSmall(t *testing.T) {
	t.Parallel()
	b := fold(ledger.Record{Kind: SignOn})
	for seq := int64(2); seq < 20_000; seq += 2 {
		b.Add(&ledger.Entry{Record: ledger.Record{Seq: seq, Kind: Log, Reason: Moment}, At: morning})
		b.Add(&ledger.Entry{Record: ledger.Record{Seq: seq + 1, Kind: Log, Reason: Moment, Ref: seq}, At: morning})
	}
	if s := &b.Now; len(s.Notes) != mostNotes || len(s.Words) != mostNotes || s.Logged[Moment] != 9999 || s.Notes[0] != 19800 {
		t.Errorf("%d notes from %d on, %d words, %d moments", len(s.Notes), s.Notes[0], len(s.Words), s.Logged[Moment])
	}
}

func TestPlannedEnds(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		when, err := time.ParseInLocation("02 15:04", s, zone)
		if err != nil {
			t.Fatal(err)
		}
		return when.AddDate(2026, 10, 0)
	}
	for _, c := range []struct{ plan, since, here, want string }{
		{"", "23 07:00", "23 07:00", ""},
		{"07:00 19:00", "23 07:00", "23 07:00", "23 19:00"},
		{"07:00 19:00", "23 07:20", "23 07:20", "23 19:00"}, // late
		{"07:00 19:00", "23 06:10", "23 06:10", "23 19:00"}, // early
		{"07:00 19:00", "23 05:59", "23 05:59", "23 07:00"}, // of the night
		{"07:00 19:00", "23 18:45", "23 18:45", "24 07:00"},
		{"07:00 19:00", "23 07:00", "23 18:30", "23 19:00"}, // a restart, which is no answer yet
		{"07:00 19:00", "23 07:00", "23 19:00", "24 07:00"}, // still here
		{"07:00 19:00", "23 07:00", "25 08:00", "25 19:00"},
		{"07:00", "23 07:00", "23 07:00", "24 07:00"},
		{"08:00 16:00 00:00", "", "", "not after the time before it"},
		{"00:00 08:00 16:00", "23 23:40", "23 23:40", "24 08:00"},
	} {
		plan, err := ParsePlan(strings.Fields(c.plan))
		if err != nil {
			if !strings.Contains(err.Error(), c.want) || c.want == "" {
				t.Errorf("%s: %v", c.plan, err)
			}
			continue
		}
		s := Shift{Since: at(c.since).UTC(), Here: at(c.here), Guards: []Guard{{Entry: 1}}}
		got := plan.Ends(&s, zone)
		if c.want == "" && !got.IsZero() || c.want != "" && !got.Equal(at(c.want)) {
			t.Errorf("%s: on duty since %s, there at %s: ends %s, want %s", c.plan, c.since, c.here, got, c.want)
		}
		if s.Guards = nil; !plan.Ends(&s, zone).IsZero() {
			t.Errorf("%s: a shift of nobody ends", c.plan)
		}
	}
}

// On the days on which clocks are changed a shift ends by the clock on the wall.
func TestPlannedEndsWhenClocksAreChanged(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	plan := Plan{150, 18 * 60} // 02:30, of which there is none in March and two in October
	for since, want := range map[string]string{"2026-03-28 18:00": "2026-03-29 03:30", "2026-10-24 18:00": "2026-10-25 02:30"} {
		from, err1 := time.ParseInLocation("2006-01-02 15:04", since, berlin)
		if err1 != nil {
			t.Fatal(err1)
		}
		s := Shift{Since: from, Here: from, Guards: []Guard{{}}}
		if got := plan.Ends(&s, berlin).Format("2006-01-02 15:04"); got != want {
			t.Errorf("since %s: ends %s, want %s", since, got, want)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add("07:00,19:00")
	f.Add("7:00")
	f.Add("24:00")
	f.Add("00:00,00:01,00:02,00:03,00:04,00:05,00:06,00:07,00:08")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePlan(strings.Split(text, ","))
		if err != nil {
			return
		}
		if len(p) == 0 || len(p) > mostChanges || p[0] < 0 || p[len(p)-1] >= 24*60 || !slices.IsSorted(p) {
			t.Fatalf("%q became %v", text, p)
		}
		s := Shift{Since: morning, Here: morning, Guards: []Guard{{}}}
		if ends := p.Ends(&s, zone); !ends.After(morning) || ends.Sub(morning) > 49*time.Hour {
			t.Errorf("%q: ends %s", text, ends)
		}
	})
}

// BenchmarkAdd is what the fold costs each entry.
func BenchmarkAdd(b *testing.B) {
	s, e := &Book{}, &ledger.Entry{Record: ledger.Record{Seq: 1, Kind: "register", Class: "resident", Verdict: "admit", Reason: "valid-pass", By: "machine"}, At: morning}
	for b.Loop() {
		s.Add(e)
	}
}
