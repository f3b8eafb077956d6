package erasure

import (
	"errors"
	"fmt"
	"gated/register/registertest"
	"gated/register/retention"
	"gated/register/visits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gated/ledger"
	"gated/register"
)

func TestAnErasureTakesWhatWasAskedAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		what   Selection
		gone   []int64 // entries that lose all their fields
		fields int64
		inside string
		trips  string
		no     string
	}{
		{name: "all days before one", what: Selection{Before: "2026-11-22"}, gone: []int64{1, 2, 3, 4, 5, 6}, fields: 12, inside: "[di]", trips: "map[3-2-bo:1]"},
		{name: "a class of them", what: Selection{Before: "2026-11-23", Class: "courier"}, gone: []int64{4, 5, 6}, fields: 6, inside: "[di]", trips: "map[3-2-bo:1]"},
		{name: "up to today, on which trips are counted", what: Selection{Before: "2026-11-23"}, gone: []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}, fields: 18, inside: "[]", trips: "map[3-2-bo:1]"},
		{name: "up to today, by that word", what: Selection{Before: "today"}, gone: []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}, fields: 18, inside: "[]", trips: "map[3-2-bo:1]"},
		{name: "a person", what: Selection{Subject: "bo"}, gone: []int64{1, 2, 3, 10, 11, 12, 13}, fields: 13, inside: "[cy di]", trips: "map[]"},
		{name: "who came in again", what: Selection{Subject: "di"}, gone: []int64{7, 8, 9}, fields: 6, inside: "[cy]", trips: "map[3-2-bo:1]"},
		{name: "an entry that let someone out", what: Selection{Seq: 12}, gone: []int64{12}, fields: 2, inside: "[bo cy di]", trips: "map[]"},
		{name: "a field that counts nothing", what: Selection{Seq: 11, Field: "name"}, fields: 1, inside: "[cy di]", trips: "map[3-2-bo:1]"},
		{name: "the household alone", what: Selection{Seq: 12, Field: "household"}, fields: 1, inside: "[cy di]", trips: "map[]"},
		{name: "the subject alone", what: Selection{Seq: 12, Field: "subject"}, fields: 1, inside: "[bo cy di]", trips: "map[]"},
		{name: "an entry that let someone in", what: Selection{Seq: 6}, gone: []int64{6}, fields: 2, inside: "[di]", trips: "map[3-2-bo:1]"},
		{name: "nobody", what: Selection{Subject: "ed"}, no: "nothing to erase"},
		{name: "nothing yet", what: Selection{Before: "2026-11-20"}, no: "nothing to erase"},
		{name: "no field of that name", what: Selection{Seq: 1, Field: "phone"}, no: "nothing to erase"},
		{name: "an entry that is not there", what: Selection{Seq: 99}, no: "there is no entry 99"},
		{name: "tomorrow", what: Selection{Before: "2026-11-24"}, no: "--before 2026-11-24: it is 2026-11-23 today"},
		{name: "no day", what: Selection{Before: "yesterday"}, no: `--before "yesterday": write a date`},
		{name: "two things", what: Selection{Before: "2026-11-22", Subject: "bo"}, no: "by one of"},
		{name: "everything", no: "by one of"},
		{name: "a field of a person", what: Selection{Subject: "bo", Field: "name"}, no: "--field goes with --seq"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ck := &registertest.Clock{}
			dir := t.TempDir()
			ck.Set("2026-11-21 08:00:00")
			l := open(t, dir, ck)
			registertest.MustAppend(t, l, someone(ck, "p1", "bo", "resident", "in")...) // 1 to 3
			registertest.MustAppend(t, l, someone(ck, "p2", "cy", "courier", "in")...)  // 4 to 6
			ck.Set("2026-11-22 08:00:00")
			registertest.MustAppend(t, l, someone(ck, "p3", "di", "staff", "in")...) // 7 to 9
			ck.Set("2026-11-23 08:00:00")
			registertest.MustAppend(t, l, someone(ck, "p4", "bo", "resident", "out")...)                                                                                                                                 // 10 to 12
			registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Correction, Passage: "p4", Direction: "out", Ref: 11, Verdict: "admit", Personal: []ledger.Field{{Name: "note", Value: "typo"}}}) // 13
			verify(t, l)
			want := left(t, l)
			done, err := l.Erase(c.what, "zhou", "asked for")
			if c.no != "" {
				if err == nil || !strings.Contains(err.Error(), c.no) || l.Size() != 13 {
					t.Fatalf("got %v and %d entries, want %q and 13", err, l.Size(), c.no)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want = slices.DeleteFunc(want, func(v string) bool {
				var seq int64
				var field string
				fmt.Sscan(v, &seq, &field)
				return slices.Contains(c.gone, seq) || seq == c.what.Seq && field == c.what.Field
			})
			got := slices.DeleteFunc(left(t, l), func(v string) bool { return strings.HasPrefix(v, "14 entries ") })
			if d := cmp.Diff(append(want, "14 by zhou", "14 note asked for"), got); d != "" {
				t.Errorf("what is left (-want +got):\n%s", d)
			}
			if done.Fields != c.fields || !slices.Equal(done.Records, []int64{14}) {
				t.Errorf("erased %+v, want %d fields", done, c.fields)
			}
			check := func(l *box) {
				t.Helper()
				verify(t, l)
				trips := map[string]int{}
				l.Register.View(func(s *register.State) {
					for _, who := range []string{"bo", "cy", "di"} {
						if n := s.Trips("3-2-"+who, registertest.At("2026-11-23 09:00:00"), 1); n > 0 {
							trips["3-2-"+who] = n
						}
					}
				})
				if in, trips := fmt.Sprint(insideOf(l, "bo", "cy", "di")), fmt.Sprint(trips); in != c.inside || trips != c.trips {
					t.Errorf("inside %s, trips %s, want %s and %s", in, trips, c.inside, c.trips)
				}
			}
			check(l)
			check(open(t, cutOff(t, dir), ck))
			if _, err := l.Erase(c.what, "", "again"); !errors.Is(err, ledger.ErrNothingErased) {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// Whatever is erased and in whatever order, the running state is what the entries that are left add up to; so it is
// after a kill at any moment, with an index that has not heard of the erasure.
func TestTheStateAfterErasuresIsThatOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	for seed := range uint64(registertest.Sample(6, 2)) {
		rng := rand.New(rand.NewPCG(seed, 7))
		ck := &registertest.Clock{}
		ck.Set("2026-11-01 06:00:00")
		dir := t.TempDir()
		l := open(t, dir, ck)
		stale := "" // the directory as it was some steps ago
		for i := range 120 {
			who := fmt.Sprint("r-", rng.IntN(5))
			class := []string{"resident", "courier", "staff"}[rng.IntN(3)]
			direction := []string{"in", "out"}[rng.IntN(2)]
			day := ck.Now().Time.In(registertest.Shanghai)
			var err error
			switch n := rng.IntN(20); {
			case n < 10:
				es := registertest.MustAppend(t, l, someone(ck, fmt.Sprint("p", i), who, class, direction)...)
				if rng.IntN(4) == 0 {
					registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Correction, Passage: es[2].Passage, Direction: direction, Class: class, Verdict: "refuse", Reason: "answered-fault",
						Ref: es[2].Seq, Detail: map[string]string{"was": "admit"}, Personal: es[2].Personal})
				}
			case n < 13:
				ck.Set(day.Add(time.Duration(rng.IntN(40)) * time.Hour).Format(time.DateTime))
			case n == 13:
				ck.Set(day.Add(-time.Duration(rng.IntN(60)) * time.Hour).Format(time.DateTime))
			case n == 14:
				stale = cutOff(t, dir)
			case n < 16:
				_, err = l.Erase(Selection{Subject: who}, "zhou", "asked for")
			case n < 18:
				_, err = l.Erase(Selection{Seq: 1 + rng.Int64N(l.Size()+1), Field: []string{"", "subject", "household"}[rng.IntN(3)]}, "", "asked for")
			case n == 18:
				_, err = l.Erase(Selection{Before: day.AddDate(0, 0, -rng.IntN(3)).Format(time.DateOnly), Class: []string{"", class}[rng.IntN(2)]}, "", "asked for")
			default:
				_, err = l.Retain([]retention.Rule{{Class: "resident", Days: 1}, {Class: "*", Days: 2}}, func() error { return nil })
			}
			if err != nil && !errors.Is(err, ledger.ErrNothingErased) && !strings.Contains(err.Error(), "no entry") {
				t.Fatal(err)
			}
			if i%10 == 0 {
				verify(t, l)
			}
		}
		verify(t, l)
		if stale != "" {
			verify(t, open(t, stale, ck))
		}
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
}

func TestALargeErasureLetsPassagesThrough(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	ck.Set("2026-11-01 08:00:00")
	l := open(t, t.TempDir(), ck)
	people := registertest.Sample(2000, 700)
	for i := range people {
		registertest.MustAppend(t, l, someone(ck, fmt.Sprint("p", i), fmt.Sprint("r-", i), "resident", "in")...)
	}
	ck.Set("2026-11-20 08:00:00")
	registertest.MustAppend(t, l, someone(ck, "now", "r-now", "resident", "in")...)
	done := make(chan error)
	var erased Erased
	go func() {
		var err error
		erased, err = l.Erase(Selection{Before: "2026-11-20"}, "", "old")
		done <- err
	}()
	var worst time.Duration
	n := 0
	for running := true; running; n++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
			at := time.Now()
			registertest.MustAppend(t, l, someone(ck, fmt.Sprint("q", n), "r-q", "resident", "out")...)
			worst = max(worst, time.Since(at))
		}
	}
	t.Logf("%d passages during %d erase entries, the slowest took %v", n, len(erased.Records), worst)
	if want := (3*people + ledger.EraseAtOnce - 1) / ledger.EraseAtOnce; len(erased.Records) != want || erased.Entries != 3*people || erased.Fields != int64(6*people) {
		t.Errorf("erased %d entries, %d fields in %d chunks, want %d, %d, %d", erased.Entries, erased.Fields, len(erased.Records), 3*people, 6*people, want)
	}
	if worst > 2*time.Second {
		t.Errorf("a passage waited %v", worst)
	}
	verify(t, l)
}

func TestDaysThatAreKeptAreNotErased(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	ck.Set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	for _, day := range []string{"20", "21", "22"} {
		ck.Set("2026-11-" + day + " 08:00:00")
		registertest.MustAppend(t, l, someone(ck, "p"+day, "r-"+day, "resident", "in")...) // 1 to 3, 4 to 6, 7 to 9
	}
	ck.Set("2026-11-23 08:00:00")
	for _, c := range []struct{ from, to, why, want string }{
		{"2026-11-22", "2026-11-21", "case 17", "--from 2026-11-22 is after --to 2026-11-21"},
		{"21", "2026-11-21", "case 17", `--from "21": write a date`},
		{"2026-11-21", "", "case 17", `--to "": write a date`},
		{"2026-11-21", "2026-11-21", "", "--reason: say why"},
		{"2026-11-21", "2026-11-21", strings.Repeat("x", 501), "--reason: say why"},
	} {
		if _, err := l.Keep(c.from, c.to, "zhou", c.why); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("keep %s to %s: got %v, want %s", c.from, c.to, err, c.want)
		}
	}
	seq, err := l.Keep("2026-11-21", "2026-12-31", "zhou", "case 17")
	if err != nil || seq != 10 {
		t.Fatal(seq, err)
	}
	before := left(t, l)
	for _, e := range []Selection{{Before: "2026-11-22"}, {Before: "2026-11-23"}, {Subject: "r-21"}, {Seq: 6}, {Seq: 10}} {
		var kept KeptError
		if done, err := l.Erase(e, "zhou", "asked for"); !errors.As(err, &kept) || kept.Seq != 10 || done.Fields != 0 {
			t.Errorf("%+v: %+v, %v, want a refusal by entry 10", e, done, err)
		}
	}
	if d := cmp.Diff(before, left(t, l)); d != "" {
		t.Errorf("a refused erasure changed something:\n%s", d)
	}
	if _, err := l.Erase(Selection{Before: "2026-11-21"}, "zhou", "asked for"); err != nil { // not kept
		t.Error(err)
	}
	pause := func() error { return nil }
	rules := []retention.Rule{{Class: "*", Days: 1}}
	if done, err := l.Retain(rules, pause); err != nil || done.Fields != 0 {
		t.Errorf("retention erased %+v of days that are kept (%v)", done, err)
	}
	verify(t, l)
	l.Close()
	l = open(t, dir, ck)
	if d := cmp.Diff(map[int64]register.Span{10: {From: "2026-11-21", To: "2026-12-31"}}, l.Register.Keeps()); d != "" {
		t.Errorf("after the next start (-want +got):\n%s", d)
	}
	if _, err := l.Lift(9, "zhou", "closed"); !errors.Is(err, ErrNotKept) {
		t.Errorf("lifted what does not keep: %v", err)
	}
	if _, err := l.Lift(10, "zhou", "closed"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Lift(10, "zhou", "closed"); !errors.Is(err, ErrNotKept) {
		t.Errorf("lifted twice: %v", err)
	}
	done, err := l.Retain(rules, pause)
	if err != nil || done.Entries != 3 || done.First != 4 || done.Last != 6 {
		t.Errorf("retention after the lift: %+v, %v, want entries 4 to 6", done, err)
	}
	verify(t, l)
}

// Entries of visits have a rule of their own, whatever their class; so have those of other passages.
func TestRetentionOfVisits(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	l := open(t, t.TempDir(), ck)
	for _, day := range []string{"01", "05", "09"} {
		ck.Set("2026-11-" + day + " 08:00:00")
		of := map[string]string{visits.ID: "v" + day}
		made := ledger.Event{Stamp: ck.Now(), Kind: register.Visit, Reason: visits.Delivery, Class: "courier", Detail: of,
			Personal: []ledger.Field{{Name: "host", Value: "host-" + day}}}
		came := someone(ck, "v"+day, "v-"+day, "courier", "in")
		came[1].Detail, came[2].Detail = of, of
		registertest.MustAppend(t, l, made)
		registertest.MustAppend(t, l, came...)
		registertest.MustAppend(t, l, someone(ck, "c"+day, "c-"+day, "courier", "in")...)
		registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.SignOn, Personal: []ledger.Field{{Name: "guard", Value: "guard-" + day}}})
	}
	ck.Set("2026-11-10 08:00:00")
	rules := []retention.Rule{{Class: "visit", Days: 1}, {Class: "passage", Days: 6}}
	if _, err := l.Retain(rules, nil); err != nil {
		t.Fatal(err)
	}
	var who []string
	for _, v := range left(t, l) {
		if f := strings.Fields(v); f[1] == "code" || f[1] == "guard" || f[1] == "host" {
			who = append(who, strings.TrimPrefix(f[2], "code-of-"))
		}
	}
	if d := cmp.Diff([]string{"guard-01", "c-05", "guard-05", "host-09", "v-09", "c-09", "guard-09"}, who); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	verify(t, l)
}

func TestRetentionGoesByTheClassOfThePassage(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	l := open(t, t.TempDir(), ck)
	for _, day := range []string{"01", "05", "09"} {
		ck.Set("2026-11-" + day + " 08:00:00")
		registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.SignOn, Personal: []ledger.Field{{Name: "guard", Value: "guard-" + day}}})
		registertest.MustAppend(t, l, someone(ck, "r"+day, "r-"+day, "resident", "in")...)
		registertest.MustAppend(t, l, someone(ck, "c"+day, "c-"+day, "courier", "in")...)
	}
	ck.Set("2026-11-10 08:00:00")
	who := func() (names []string) {
		for _, v := range left(t, l) {
			if f := strings.Fields(v); f[1] == "code" || f[1] == "guard" {
				names = append(names, strings.TrimPrefix(f[2], "code-of-"))
			}
		}
		return names
	}
	rules := []retention.Rule{{Class: "courier", Days: 1}, {Class: "*", Days: 7}}
	chunks := 0
	done, err := l.Retain(rules, func() error { chunks++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	// A courier's check does not say whose it is: it goes with the query that does.
	if d := cmp.Diff([]string{"guard-05", "r-05", "guard-09", "r-09", "c-09"}, who()); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if want := []int64{22, 23}; !slices.Equal(done.Records, want) {
		t.Errorf("erase entries %v, want %v", done.Records, want)
	}
	verify(t, l)
	if done, err = l.Retain(rules, nil); err != nil || done.Fields != 0 || l.Size() != 23 {
		t.Errorf("the second time: %+v, %v, %d entries", done, err, l.Size())
	}
	ck.Set("2026-11-13 03:30:00")
	if _, err = l.Retain(rules, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"guard-09", "r-09"}, who()); d != "" {
		t.Errorf("three days later (-want +got):\n%s", d)
	}
	verify(t, l)

	l.opt.Now = func() ledger.Stamp { s := ck.Now(); s.Trusted = false; return s }
	if _, err = l.Retain(rules, nil); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("with a clock that is not trusted: %v", err)
	}
}

func TestSubjectIsToldAllOfTheirPassages(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	ck.Set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	registertest.MustAppend(t, l, someone(ck, "p1", "bo", "resident", "in")...)                                                                                        // 1 to 3
	registertest.MustAppend(t, l, someone(ck, "p2", "cy", "resident", "in")...)                                                                                        // 4 to 6
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Opening, Passage: "p1", Reason: "pulse"})                                               // 7
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Check, Passage: "p3", Personal: []ledger.Field{{Name: "stated_subject", Value: "bo"}}}) // 8
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Export, Reason: "subject", Personal: []ledger.Field{{Name: "subject", Value: "bo"}}})   // 9
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Decided, Passage: "p1", Verdict: "refuse", Ref: 3, Direction: "in"})                    // 10
	tell := func() (told []string) {
		n, err := Subject(dir, "bo", nil, func(e *ledger.Entry) error {
			told = append(told, fmt.Sprint(e.Seq, " ", e.Personally("name")))
			return nil
		})
		if err != nil || n != len(told) {
			t.Fatal(n, err)
		}
		return told
	}
	if d := cmp.Diff([]string{"1 ", "2 name-of-bo", "3 ", "7 ", "8 ", "9 ", "10 "}, tell()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := l.Erase(Selection{Subject: "bo"}, "", "asked for"); err != nil {
		t.Fatal(err)
	}
	if told := tell(); len(told) != 0 {
		t.Errorf("after the erasure: %v", told)
	}
	for _, v := range left(t, l) {
		if strings.Contains(v, "bo") {
			t.Errorf("left: %s", v)
		}
	}
	verify(t, l)
}

// At a level that counts the trips of two days, that of yesterday is still needed: it stays, and what is older goes.
func TestTripsOfTheDaysThatCountAreKept(t *testing.T) {
	for window, want := range map[string]struct{ gone, trips int }{"1": {gone: 6, trips: 0}, "2": {gone: 5, trips: 1}} {
		ck := &registertest.Clock{}
		dir := t.TempDir()
		ck.Set("2026-11-21 08:00:00")
		l := open(t, dir, ck)
		registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.Start, Detail: map[string]string{register.TripDays: window}}) // 1
		registertest.MustAppend(t, l, someone(ck, "p1", "cy", "courier", "in")...)                                                             // 2 to 4
		ck.Set("2026-11-22 08:00:00")
		registertest.MustAppend(t, l, someone(ck, "p2", "bo", "resident", "out")...) // 5 to 7
		ck.Set("2026-11-23 08:00:00")
		done, err := l.Erase(Selection{Before: "today"}, "zhou", "asked for")
		if err != nil || done.Entries != want.gone {
			t.Errorf("window %s: erased of %d entries, %v, want %d", window, done.Entries, err, want.gone)
		}
		verify(t, l)
		l.Register.View(func(s *register.State) {
			if n := s.Trips("3-2-bo", registertest.At("2026-11-23 09:00:00"), 2); n != want.trips {
				t.Errorf("window %s: %d trips in two days, want %d", window, n, want.trips)
			}
		})
	}
}
