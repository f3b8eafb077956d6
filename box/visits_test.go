package box

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gated/backup"
	"gated/clock"
	"gated/credential"
	"gated/gate"
	"gated/gate/visit"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/register"
	"gated/register/erasure"
	"gated/register/retention"
	"gated/register/visits"
)

// visited is a box at the level normal, at which visitors come, by a clock that is trusted and goes ahead by so many nanoseconds.
func visited(t *testing.T, dir string, later *atomic.Int64) (b *Box, stop func()) {
	t.Helper()
	src := clock.System()
	wall := src.Wall
	src.Wall, src.Synced = func() time.Time { return wall().Add(time.Duration(later.Load())) }, func() bool { return true }
	if mono := src.Mono; mono != nil {
		src.Mono = func() time.Duration { return mono() + time.Duration(later.Load()) }
	}
	b, stop = daemonAt(t, dir, src)
	if err := b.Register.Wait(); err != nil {
		t.Fatal(err)
	}
	b.Gate.SetRules(gate.Rules{Policy: policy.Shipped(), Trust: new(credential.Trust), Level: "normal", Language: "zh", Hold: time.Minute})
	return b, stop
}

// come makes a visit by which so many come in.
func come(t *testing.T, b *Box, f visit.Form, times int) (id string, p gate.Print) {
	t.Helper()
	f.Host, f.Name, f.Consent = "1-1-101", "周访", "gate-called"
	id, err := b.Gate.MakeVisit(f)
	for range times {
		if err == nil {
			var out gate.Outcome
			if out, err = b.Gate.PassVisit("in", id, 1); out.Verdict != policy.Admit {
				t.Fatalf("%+v, %v", out, err)
			}
			_, err = b.Gate.PassVisit("out", id, 1)
		}
	}
	if err == nil {
		p, err = b.Gate.PrintVisit(id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id, p
}

func visitOf(b *Box, id string) (v visits.Visit) {
	b.Register.View(func(s *register.State) { v = s.Visits[id] })
	return v
}

func count(b *Box) (heads int) {
	b.Register.View(func(s *register.State) { heads = s.Visits.Count(time.Now()) })
	return heads
}

// What is good for longer than its entry is kept is told of anew before that is erased: as often used, with the digits and the pass that
// were given out. What is over, or was ended, goes.
func TestAVisitOutlastsItsEntry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules []retention.Rule
		days  int // after which it is told of anew
	}{
		"as shipped":             {[]retention.Rule{{Class: "visit", Days: 30}, {Class: "passage", Days: 90}}, 30},
		"kept for a week":        {[]retention.Rule{{Class: "helper", Days: 7}}, 7},
		"kept for longer":        {[]retention.Rule{{Class: "*", Days: 60}}, 30},
		"nothing is ever erased": {nil, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var later atomic.Int64
			b, stop := visited(t, site(t), &later)
			defer stop()
			day := func(n int) string { return time.Now().In(b.Ledger.Zone()).AddDate(0, 0, n).Format(time.DateOnly) }
			id, _ := come(t, b, visit.Form{How: visits.Standing, Class: "helper", Until: day(300), Entries: 9}, 0)
			if err := b.Gate.Reprint(id); err != nil {
				t.Fatal(err)
			}
			over, _ := come(t, b, visit.Form{How: visits.Announced, Class: "helper"}, 0)
			ended, _ := come(t, b, visit.Form{How: visits.Standing, Class: "helper", Until: day(300)}, 0)
			if err := b.Gate.EndVisit(ended); err != nil {
				t.Fatal(err)
			}
			p, err := b.Gate.PrintVisit(id)
			if out, perr := b.Gate.PassVisit("in", id, 1); err != nil || perr != nil || out.Verdict != policy.Admit {
				t.Fatal(out, err, perr)
			}
			was := visitOf(b, id)
			night := func(n int) {
				later.Store(int64(n) * int64(24*time.Hour))
				now := time.Now().Add(time.Duration(later.Load())).In(b.Ledger.Zone())
				var told time.Time
				if _, err := b.retain(now, &told, c.rules, nil); err != nil {
					t.Fatalf("night %d: %v", n, err)
				}
			}
			if night(c.days - 1); visitOf(b, id).Entry != was.Entry {
				t.Error("it is told of anew while there is time")
			}
			night(c.days)
			is := visitOf(b, id)
			if is.Entry <= was.Printed || is.Printed != is.Entry {
				t.Fatalf("it is not told of anew: %+v", is)
			}
			if night(c.days + 1); visitOf(b, id).Entry != is.Entry {
				t.Error("it is told of anew each night")
			}
			was.Entry, was.Printed = is.Entry, is.Printed
			if fmt.Sprint(was) != fmt.Sprint(is) || is.Used != 1 || is.Inside != 1 {
				t.Errorf("got %+v, was %+v", is, was)
			}
			if now, err := b.Gate.PrintVisit(id); err != nil || now.Digits != p.Digits || now.Pass != p.Pass {
				t.Errorf("its print is %+v, was %+v (%v)", now, p, err)
			}
			gone := slices.ContainsFunc(c.rules, func(r retention.Rule) bool { return r.Days == c.days })
			if v := visitOf(b, ended); v.Erased != gone || v.Entry > was.Entry {
				t.Errorf("the ended one: %+v", v)
			}
			if v := visitOf(b, over); v.Entry > was.Entry {
				t.Errorf("the one that is over: %+v", v)
			}
		})
	}
}

// Before somebody erases all that is old, too; whom they erase by name or number is erased.
func TestAVisitOutlastsAnErasureOfOldDays(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	later.Store(int64(48 * time.Hour))
	b, stop := visited(t, site(t), &later)
	defer stop()
	id, _ := come(t, b, visit.Form{How: visits.Standing, Until: time.Now().AddDate(0, 0, 90).Format(time.DateOnly)}, 0)
	later.Add(int64(48 * time.Hour))
	if _, err := Erase.do(t.Context(), b, "clerk", Erasure{Selection: erasure.Selection{Before: "today"}, Why: "old"}); err != nil {
		t.Fatal(err)
	}
	v := visitOf(b, id)
	if v.Erased {
		t.Errorf("%+v", v)
	}
	if _, err := Erase.do(t.Context(), b, "clerk", Erasure{Selection: erasure.Selection{Seq: v.Entry}, Why: "asked for"}); err != nil {
		t.Fatal(err)
	}
	if v = visitOf(b, id); !v.Erased || v.Digits != 0 || v.Pass != 0 {
		t.Errorf("%+v", v)
	}
	var told time.Time
	if _, err := b.retain(time.Now().Add(time.Duration(later.Load())).AddDate(0, 0, 31), &told, nil, nil); err != nil || visitOf(b, id).Entry != v.Entry {
		t.Errorf("an erased one is told of again: %v", err)
	}
}

// A restored box lets nobody in more often than the box before, and the digits and passes that were given out are good.
func TestARestoredBoxKnowsItsVisits(t *testing.T) {
	t.Parallel()
	dir, to := site(t), filepath.Join(t.TempDir(), "backup")
	var later atomic.Int64
	b, stop := visited(t, dir, &later)
	day := func(n int) string { return time.Now().In(b.Ledger.Zone()).AddDate(0, 0, n).Format(time.DateOnly) }
	twice, print := come(t, b, visit.Form{How: visits.Announced, Until: day(5), Entries: 3}, 2)
	used, _ := come(t, b, visit.Form{How: visits.Announced, Until: day(5)}, 1)
	helper, _ := come(t, b, visit.Form{How: visits.Standing, Until: day(300), Entries: 2}, 1)
	group, _ := come(t, b, visit.Form{How: visits.Group, Until: day(1), Entries: 12}, 0)
	ended, _ := come(t, b, visit.Form{How: visits.Group, Until: day(1), Entries: 12}, 0)
	gone, _ := come(t, b, visit.Form{How: visits.Announced, Until: day(5)}, 0)
	for _, id := range []string{group, ended} {
		if out, err := b.Gate.PassVisit("in", id, 7); err != nil || out.Verdict != policy.Admit {
			t.Fatal(out, err)
		}
	}
	for _, id := range []string{ended, gone} {
		if err := b.Gate.EndVisit(id); err != nil {
			t.Fatal(err)
		}
	}
	inside := count(b)
	was := map[string]visits.Visit{}
	for _, id := range []string{twice, used, helper, group, ended} {
		was[id] = visitOf(b, id)
	}
	stop()
	if _, err := BackUpAll(t.Context(), backup.Sources{State: dir}, to); err != nil {
		t.Fatal(err)
	}
	dir = restore(t, to, masterOf(t, dir))
	b, stop = visited(t, dir, &later)
	for id, was := range was {
		is := visitOf(b, id)
		if is.Entry == 0 || is.Printed != is.Entry {
			t.Fatalf("%s: %+v", was.How, is)
		}
		from, left := is.DayFrom, is.Left(was.Day)
		if is.Entry, is.Printed, is.DayFrom = was.Entry, was.Printed, was.DayFrom; (from != 0) != (was.DayFrom != 0) || left != was.Left(was.Day) {
			t.Errorf("%s: left %d, was %d", was.How, left, was.Left(was.Day))
		}
		is.Hosts, was.Hosts, is.Keys, was.Keys = nil, nil, nil, nil // under another key
		is.Digits, was.Digits, is.Pass, was.Pass = 0, 0, 0, 0
		if fmt.Sprint(is) != fmt.Sprint(was) {
			t.Errorf("got %+v, was %+v", is, was)
		}
	}
	if v := visitOf(b, gone); v.Entry != 0 {
		t.Errorf("one that was ended, and nobody is inside: %+v", v)
	}
	if n := count(b); n != inside || n != 14 {
		t.Errorf("%d are inside, were %d", n, inside)
	}
	for _, code := range []string{print.Pass, print.Digits} {
		if out, err := b.Gate.Scan("in", []byte(code), time.Now()); err != nil || out.Verdict != policy.Hold || out.Reason != "visit" {
			t.Errorf("%+v, %v", out, err)
		}
	}
	for _, c := range []struct {
		id   string
		want bool
	}{{twice, true}, {twice, false}, {used, false}, {ended, false}, {helper, true}, {helper, false}, {group, true}} {
		if out, _ := b.Gate.PassVisit("in", c.id, 1); (out.Verdict == policy.Admit) != c.want {
			t.Errorf("%s: %+v, want %t", was[c.id].How, out, c.want)
		}
		if c.id != group {
			b.Gate.PassVisit("out", c.id, 1)
		}
	}
	// Once more: what was told again is told again.
	stop()
	if _, _, err := BeginEpoch(dir, nil, "the disk was exchanged", nil); err != nil {
		t.Fatal(err)
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	if err := r.Scan(1, 1<<62, true, func(e *ledger.Entry) error {
		if e.Kind == register.Visit && e.Detail[visits.ID] == group && e.Detail[visits.Used] == "8" && e.Detail[visits.Inside] == "8" {
			n++
		}
		return nil
	}); err != nil || n != 1 {
		t.Errorf("the group is told of %d times, %v", n, err)
	}
}
