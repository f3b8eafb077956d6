package register

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gated/ledger"
	"gated/register/visits"
)

// A commit may fail although SQLite has written it (seen with EIO at the sync). The lane was answered fault and nothing
// opened: what the entries say did not happen, and a correction says so. The emergency key alone had opened.
func TestAFailedCommitThatHappenedIsTakenBack(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	opt, own := options(t.TempDir(), ck)
	healed := healing(&opt)
	happened := false
	opt.Inject = func(op string) error {
		if op == "committed" && happened {
			happened = false
			return errors.New("EIO")
		}
		return nil
	}
	l := start(t, opt, own)
	limbo := func(ev ...Event) {
		t.Helper()
		happened = true // the writer is idle: this is seen by it through the queue
		if _, err := l.Append(ev...); !errors.Is(err, ledger.ErrFault) {
			t.Fatalf("got %v, want a ledger-fault", err)
		}
		<-healed
		verify(t, l)
	}
	mustAppend(t, l, append(passage(ck, "a", "in", "admit"), decided(ck, "a", "in", "admit", "resident"))...)
	mustAppend(t, l, passage(ck, "held", "in", "hold")...)

	limbo(append(passage(ck, "b", "in", "admit"), decided(ck, "b", "in", "admit", "resident"))...)
	limbo(append(passage(ck, "a", "out", "admit"), decided(ck, "a", "out", "admit", "resident"))...)
	limbo(decided(ck, "held", "in", "admit", "known-by-sight"))
	limbo(Event{Stamp: ck.now(), Kind: Opening, Passage: "e", Lane: "in", Direction: "in", Verdict: "admit", Reason: "emergency-key"})
	limbo(passage(ck, "c", "in", "hold")...)
	if in := insideOf(l, "r-a"); len(in) != 1 || in["r-a"] == 0 {
		t.Errorf("inside %v", in)
	}
	l.View(func(s *State) {
		if len(s.book.All()) != 0 {
			t.Errorf("trips %v", s.book.All())
		}
		if _, ok := s.Open["held"]; !ok || len(s.Open) != 1 || len(s.ToAccountFor) != 1 {
			t.Errorf("open %v, to account for %v", s.Open, s.ToAccountFor)
		}
	})
	r, err := OpenReader(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	day, got := map[string]*Passage{}, map[string]int{}
	if err := r.Scan(1, 1<<62, false, func(e *Entry) error {
		if day[e.Passage] == nil && Begins(e) {
			day[e.Passage] = &Passage{}
		}
		if p := day[e.Passage]; p != nil {
			AddEvent(p, e)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, p := range day {
		got[p.Verdict]++
	}
	if d := cmp.Diff(map[string]int{"admit": 1, "refuse": 3, "hold": 1}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestWhatAFaultLeftIsTakenBackAtAnyTry: the first try to say so may fail, too, before it is written or after.
func TestWhatAFaultLeftIsTakenBackAtAnyTry(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]string{
		"not written": {"committed", "commit"},
		"written":     {"committed", "committed"},
		"at length":   {"committed", "open", "commit"},
	} {
		t.Run(name, func(t *testing.T) {
			ck := &clock{}
			ck.set("2026-11-23 08:00:00")
			opt, own := options(t.TempDir(), ck)
			healed := healing(&opt)
			var mu sync.Mutex
			var due []string
			opt.Inject = func(op string) error {
				mu.Lock()
				defer mu.Unlock()
				if len(due) > 0 && op == due[0] {
					due = due[1:]
					return errors.New("EIO")
				}
				return nil
			}
			l := start(t, opt, own)
			mustAppend(t, l, passage(ck, "held", "in", "hold")...)
			mu.Lock()
			due = faults
			mu.Unlock()
			events := append([]Event{decided(ck, "held", "in", "admit", "known-by-sight")}, passage(ck, "b", "in", "admit")...)
			if _, err := l.Append(append(events, decided(ck, "b", "in", "admit", "resident"))...); !errors.Is(err, ledger.ErrFault) {
				t.Fatal(err)
			}
			<-healed
			verify(t, l)
			l.View(func(s *State) {
				if _, held := s.Open["held"]; !held || insideAt(s) != 0 {
					t.Errorf("open %v, %d inside", s.Open, insideAt(s))
				}
			})
		})
	}
}

func TestAnErrorWhileCatchingUpHealsAtTheNextTry(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	for i := range 900 {
		mustAppend(t, l, append(passage(ck, fmt.Sprint(i), "in", "admit"), decided(ck, fmt.Sprint(i), "in", "admit", "resident"))...)
	}
	l.Close()
	os.Remove(filepath.Join(dir, "index.db"))
	opt, own := options(dir, ck)
	reads := 0
	own.Inject = func(op string) error {
		if reads++; reads == 2 { // after the first batch
			return errors.New("EIO")
		}
		return nil
	}
	l = start(t, opt, own)
	mustAppend(t, l, passage(ck, "after", "in", "hold")...)
	verify(t, l)
}

// goesOut has the same resident go out at times of a clock that is trusted or not.
func goesOut(t *testing.T, l *box, ck *clock) func(when string, trusted bool) {
	return func(when string, trusted bool) {
		t.Helper()
		ck.set(when)
		evs := append(passage(ck, "a", "out", "admit"), decided(ck, "a", "out", "admit", "resident"))
		for i := range evs {
			evs[i].Trusted = trusted
		}
		mustAppend(t, l, evs...)
	}
}

func TestTripsAreNotGivenBackByTheClock(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	l := open(t, t.TempDir(), ck)
	out := goesOut(t, l, ck)
	out("2026-11-23 10:00:00", true)
	out("2026-11-22 10:00:00", true)
	out("2096-11-23 10:00:00", false)
	ck.set("2026-11-23 10:00:01")
	car := decided(ck, "car", "out", "admit", "known-leaving")
	car.Class = "vehicle"
	mustAppend(t, l, append(passage(ck, "car", "out", "admit"), car)...)
	verify(t, l)
	l.View(func(s *State) {
		if n := s.Trips("3-2-501", at("2026-11-23 12:00:00"), 1); n != 3 {
			t.Errorf("%d trips, want 3", n)
		}
		if n := s.Trips("3-2-501", at("2026-11-24 12:00:00"), 1); n != 0 {
			t.Errorf("%d trips the next day", n)
		}
		if n := s.Trips("3-2-501", at("2026-11-24 12:00:00"), 2); n != 3 {
			t.Errorf("%d trips in two days, the next day", n)
		}
	})
}

// Days went by, and nobody went out; then the clock is not trusted any more: a trip is of the newest day that was told, not of the day
// of the trip before it.
func TestATripByAnUntrustedClockIsOfTheNewestDayThatWasTold(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	l := open(t, t.TempDir(), ck)
	out := goesOut(t, l, ck)
	out("2026-11-20 10:00:00", true)
	ck.set("2026-11-23 10:00:00")
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Alive})
	out("2096-11-23 10:00:00", false)
	verify(t, l)
	ck.set("2026-11-23 10:00:01")
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Alive})
	l.View(func(s *State) {
		for day, want := range map[string]int{"2026-11-23": 1, "2026-11-24": 1, "2026-11-25": 0} {
			if n := s.Trips("3-2-501", at(day+" 12:00:00"), 2); n != want {
				t.Errorf("%d trips in two days on %s, want %d", n, day, want)
			}
		}
	})
}

// Nobody knows on what day somebody went out while the clock was not trusted: it counts as just now, and once a trusted clock tells the
// day, however it came to be trusted, as of that day, also where the passage began the day before. So it does after a restart, whatever
// of that was taken back or erased.
func TestATripByAnUntrustedClockIsOfTheDayThatIsToldNext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		when string
		told Event
		day  string // on which they count then
	}{
		"confirmed":        {"2026-11-25 10:00:00", Event{Kind: Clock, Reason: "clock-confirmed"}, "2026-11-25"},
		"trusted again":    {"2026-11-25 10:00:00", Event{Kind: Alive}, "2026-11-25"},
		"corrected":        {"2026-11-22 10:00:00", Event{Kind: Clock, Reason: "clock-corrected"}, "2026-11-23"},
		"corrected by far": {"2026-11-20 10:00:00", Event{Kind: Clock, Reason: "clock-corrected"}, "2026-11-21"},
		"the same day":     {"2026-11-23 12:00:00", Event{Kind: Alive}, "2026-11-23"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ck, dir := &clock{}, t.TempDir()
			ck.set("2026-11-23 10:00:00")
			l := open(t, dir, ck)
			mustAppend(t, l, Event{Stamp: ck.now(), Kind: Alive})
			out := func(id string) int64 {
				return mustAppend(t, l, append(passage(ck, id, "out", "admit"), decided(ck, id, "out", "admit", "resident"))...)[2].Seq
			}
			count := func(what, day string, days, want int) {
				t.Helper()
				l.View(func(s *State) {
					if n := s.Trips("3-2-501", at(day+" 12:00:00"), days); n != want {
						t.Errorf("%s: %d trips in %d days on %s, want %d", what, n, days, day, want)
					}
				})
			}
			ck.set("2026-11-23 11:00:00")
			ck.doubt = true
			out("a")
			gone, annulled := out("b"), out("c")
			c1 := decided(ck, "c", "out", "refuse", DidNotGoThrough)
			c1.Kind, c1.Ref, c1.Detail = Correction, annulled, map[string]string{"was": "admit"}
			mustAppend(t, l, c1)
			erase(t, l, []int64{gone}, "")
			count("while nobody knows", "2026-11-25", 1, 1) // a trusted clock has not been heard of yet
			l.Close()
			l = open(t, dir, ck)
			count("after a restart", "2026-11-25", 1, 1)
			verify(t, l)
			ck.set(c.when)
			ck.doubt = false
			c.told.Stamp = ck.now()
			mustAppend(t, l, c.told)
			next := at(c.day+" 12:00:00").AddDate(0, 0, 1).Format(time.DateOnly)
			count("told", c.day, 1, 1)
			count("the next day", next, 2, 1)
			count("the next day", next, 1, 0)
			verify(t, l)
			erase(t, l, []int64{4}, "")
			count("erased", c.day, 1, 0)
			verify(t, l)
		})
	}
}

// A box that never knew the day has one that is decades ahead: no trip counts until then, once the clock is confirmed.
func TestTheFirstDayThatIsToldCountsWhateverWasBefore(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2096-11-23 10:00:00")
	l := open(t, t.TempDir(), ck)
	evs := append(passage(ck, "a", "out", "admit"), decided(ck, "a", "out", "admit", "resident"))
	for i := range evs {
		evs[i].Trusted = false
	}
	mustAppend(t, l, evs...)
	ck.set("2026-11-23 10:00:00")
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Clock, Reason: "clock-confirmed"})
	l.View(func(s *State) {
		for day, want := range map[string]int{"2026-11-23": 1, "2026-11-24": 1, "2026-11-25": 0} {
			if n := s.Trips("3-2-501", at(day+" 12:00:00"), 2); n != want {
				t.Errorf("%d trips in two days on %s, want %d", n, day, want)
			}
		}
	})
	verify(t, l)
}

// A day 400 days ahead was believed. Once that is corrected, what counts counts until a whole day is over, and no longer.
func TestACorrectedClockGivesNoSecondTripAndTakesNoneAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		wrong     string // when trips are counted by mistake
		corrected string
		trips     map[string]int // by day
	}{
		{"400 days ahead", "2027-12-28 10:00:00", "2026-11-23 10:00:05", map[string]int{"2026-11-23": 1, "2026-11-24": 1, "2026-11-25": 0}},
		{"set back over midnight", "2026-11-23 00:30:00", "2026-11-22 23:30:00", map[string]int{"2026-11-22": 1, "2026-11-23": 1, "2026-11-24": 0}},
		{"set back by days", "2026-11-23 00:30:00", "2026-11-18 23:59:00", map[string]int{"2026-11-18": 1, "2026-11-19": 1, "2026-11-20": 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ck := &clock{}
			l := open(t, t.TempDir(), ck)
			out := func(id string) {
				t.Helper()
				mustAppend(t, l, append(passage(ck, id, "out", "admit"), decided(ck, id, "out", "admit", "resident"))...)
			}
			ck.set(c.wrong)
			out("a")
			ck.set(c.corrected)
			mustAppend(t, l, Event{Stamp: ck.now(), Kind: Clock, Reason: "clock-corrected"})
			for _, day := range slices.Sorted(maps.Keys(c.trips)) {
				l.View(func(s *State) {
					if n := s.Trips("3-2-501", at(day+" 23:59:59"), 1); n != c.trips[day] {
						t.Errorf("%d trips on %s, want %d", n, day, c.trips[day])
					}
				})
			}
			verify(t, l)
		})
	}
}

// Somebody is out on their newest trip until they are inside, whatever of that is taken back or erased: live, and as the entries that
// can still be read add up.
func TestATripIsOpenUntilTheyAreBack(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 10:00:00")
	l := open(t, t.TempDir(), ck)
	n := 0
	goes := func(direction, due string) int64 {
		n++
		ev := someone(ck, fmt.Sprint("p", n), "bo", "resident", direction)
		if due != "" {
			ev[2].Detail = map[string]string{Due: due}
		}
		return mustAppend(t, l, ev...)[2].Seq
	}
	takesBack := func(seq int64, direction, where string) {
		ev := someone(ck, "x", "bo", "resident", direction)[2]
		ev.Kind, ev.Verdict, ev.Ref, ev.Detail = Correction, "refuse", seq, map[string]string{"was": "admit", Where: where}
		mustAppend(t, l, ev)
	}
	const due = "2026-11-23T13:00:00+08:00"
	is := func(what string, seq int64, until string) {
		t.Helper()
		l.View(func(s *State) {
			got, at := s.Trip("bo")
			told := ""
			if !at.IsZero() {
				told = at.In(shanghai).Format(time.RFC3339)
			}
			away := 0
			if until != "" {
				away = 1
			}
			if list := s.Away(); got != seq || told != until || len(list) != away || away == 1 && (list[0].Seq != seq || list[0].Household != s.Home("3-2-bo") || !list[0].Due.Equal(at)) {
				t.Errorf("%s: out by %d, due %q, want %d, %q; away are %+v", what, got, told, seq, until, list)
			}
		})
		verify(t, l)
	}
	is("nothing", 0, "")
	first := goes("out", due)
	is("out", first, due)
	in := goes("in", "")
	is("home", 0, "")
	takesBack(in, "in", "outside")
	is("not home", first, due)
	second := goes("out", "")
	is("out once more", second, "")
	takesBack(second, "out", "outside")
	is("not out once more", first, due)
	in = goes("in", "")
	is("home again", 0, "")
	erase(t, l, []int64{in}, "")
	is("the way home erased", first, due)
	erase(t, l, []int64{first}, "name")
	is("a field that says nothing erased", first, due)
	erase(t, l, []int64{first}, "subject")
	is("the way out erased", 0, "")
	carried := mustAppend(t, l, Event{Stamp: ck.now(), Kind: Trip, Direction: "out", Class: "resident", Detail: map[string]string{"day": "2026-11-22", Due: due, Out: "2026-11-22T20:00:00+08:00"},
		Personal: []Field{{Name: "household", Value: "3-2-bo"}, {Name: "subject", Value: "bo"}}})[0].Seq
	is("out since the epoch before", carried, due)
	erase(t, l, []int64{carried}, "subject")
	is("and who it was erased", 0, "")
	l.View(func(s *State) {
		if n := s.Trips("3-2-bo", at("2026-11-23 12:00:00"), 2); n != 1 {
			t.Errorf("%d trips of the household, want that of the epoch before", n)
		}
	})
}

func TestALatePulseChangesNoVerdict(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	l := open(t, t.TempDir(), ck)
	for i := range remembered + 2 {
		id := fmt.Sprint(i)
		mustAppend(t, l, append(passage(ck, id, "in", "admit"), decided(ck, id, "in", "admit", "resident"))...)
	}
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Opening, Passage: "0", Lane: "in", Direction: "in", Reason: "pulse", Ref: 3})
	l.View(func(s *State) {
		for _, p := range s.Recent {
			if p.Verdict != "admit" {
				t.Errorf("passage %s: %q", p.ID, p.Verdict)
			}
		}
	})
	verify(t, l)
}

// The guard reads the newest verdict on top: a pulse that is told late brings nothing back up, on whichever lane, and a hold
// comes up when it is decided. A restart changes nothing of that.
func TestTheNewestPassagesAreInTheOrderOfTheirVerdicts(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	pulse := func(id, lane string, ref int64) {
		t.Helper()
		mustAppend(t, l, Event{Stamp: ck.now(), Kind: Opening, Passage: id, Lane: lane, Direction: lane, Reason: "pulse", Ref: ref})
	}
	want := func(ids string) {
		t.Helper()
		l.View(func(s *State) {
			var got []string
			for _, p := range slices.Backward(s.Recent) {
				got = append(got, p.ID)
			}
			if strings.Join(got, " ") != ids {
				t.Errorf("newest first: got %v, want %s", got, ids)
			}
		})
		verify(t, l)
	}
	mustAppend(t, l, append(passage(ck, "in-1", "in", "admit"), decided(ck, "in-1", "in", "admit", "resident"))...) // 1 to 3
	mustAppend(t, l, passage(ck, "held", "in", "hold")...)                                                          // 4, 5
	mustAppend(t, l, append(passage(ck, "out-1", "out", "admit"), decided(ck, "out-1", "out", "admit", "resident"))...)
	want("out-1 held in-1")
	pulse("in-1", "in", 3)
	want("out-1 held in-1")
	mustAppend(t, l, decided(ck, "held", "in", "admit", "resident"))
	want("held out-1 in-1")
	pulse("out-1", "out", 8)
	want("held out-1 in-1")
	l.Close()
	l = open(t, dir, ck)
	want("held out-1 in-1")
}

func TestABrokenIndexIsRebuilt(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]func(path string) error{
		"gone":    os.Remove,
		"garbage": func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("garbage "), 4096), 0o600) },
		"of another ledger": func(p string) error {
			return change(p, `UPDATE meta SET value = 'ff' WHERE key = 'last'`)
		},
		"read-only directory": func(p string) error { os.Remove(p); return os.Mkdir(p, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			ck := &clock{}
			ck.set("2026-11-23 08:00:00")
			dir := t.TempDir()
			l := open(t, dir, ck)
			for i := range 20 {
				mustAppend(t, l, append(passage(ck, fmt.Sprint(i), "in", "admit"), decided(ck, fmt.Sprint(i), "in", "admit", "resident"))...)
			}
			mustAppend(t, l, passage(ck, "held", "out", "hold")...)
			l.Close()
			if err := hurt(filepath.Join(dir, "index.db")); err != nil {
				t.Fatal(err)
			}
			l = open(t, dir, ck)
			mustAppend(t, l, decided(ck, "held", "out", "admit", "known-by-sight"))
			verify(t, l)
			l.Close()
			if name == "read-only directory" {
				return
			}
			found, err := Search(dir, Filter{Verdict: "admit", Limit: 100})
			if n := len(found); n != 21 || err != nil {
				t.Errorf("the rebuilt index has %d passages, want 21 (%v)", n, err)
			}
		})
	}
}

func change(path, query string) error {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	_, err = db.Exec(query)
	return errors.Join(err, db.Close())
}

// The index remembers how much there was: a ledger that is gone is not replaced by an empty one.
func TestALedgerThatIsGoneIsNotReplaced(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, passage(ck, "a", "in", "admit")...)
	l.Close()
	path := filepath.Join(dir, "ledger.db")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	opt, own := options(dir, ck)
	l = start(t, opt, own)
	if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "is gone, and it had 2 entries") {
		t.Errorf("fault %+v", f)
	}
	l.Close()
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	verify(t, open(t, dir, ck))
}

// The index of a cloned box is of the epoch before: what that added up to is not taken over.
func TestANewEpochBeginsWithNobody(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, append(passage(ck, "a", "in", "admit"), decided(ck, "a", "in", "admit", "resident"))...)
	l.Close()
	ck.set("2026-11-24 08:00:00")
	opt, own := options(dir, ck)
	opt.Restored = true
	l = start(t, opt, own)
	l.View(func(s *State) {
		if got := s.Trusted.Time.Format("2006-01-02 15:04"); got != "2026-11-24 08:00" || s.Size != 1 || insideAt(s) != 0 {
			t.Errorf("trusted %s, size %d, inside %v", got, s.Size, insideAt(s))
		}
	})
	verify(t, l)
}

// An index that has heard of more than there is says that entries were cut off: it is not made anew in silence.
func TestALedgerThatWasCutOffIsFound(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, passage(ck, "a", "in", "admit")...)
	l.Close()
	older := map[string][]byte{}
	for _, name := range []string{"ledger.db", "anchor"} { // the anchor would tell as well
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		older[name] = b
	}
	l = open(t, dir, ck)
	mustAppend(t, l, passage(ck, "b", "in", "admit")...)
	l.Close()
	for name, b := range older {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opt, own := options(dir, ck)
	l = start(t, opt, own)
	if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "heard of 4 entries, and 2 are there") {
		t.Errorf("fault %+v", f)
	}
	if l.reg.Ready() {
		t.Error("it is ready")
	}
	l.Close()
	ck.set("2026-11-24 08:00:00")
	opt.Restored = true // that is the way out
	l = start(t, opt, own)
	if f := l.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	verify(t, l)
}

// withIndexOf is the ledger of now with the index of then: a kill before the index heard of anything since.
func withIndexOf(t *testing.T, now, then string) string {
	t.Helper()
	dir := cutOff(t, now)
	for _, f := range []string{"index.db", "index.db-wal"} {
		os.Remove(filepath.Join(dir, f))
		if b, err := os.ReadFile(filepath.Join(then, f)); err == nil {
			if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestAnIndexThatHasNotHeardOfAnErasureIsBuiltAnew(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, someone(ck, "p1", "bo", "resident", "in")...)
	mustAppend(t, l, someone(ck, "p2", "cy", "resident", "out")...)
	l.reg.flush()
	then := cutOff(t, dir)
	for _, who := range []string{"bo", "cy"} {
		erase(t, l, map[string][]int64{"bo": {1, 2, 3}, "cy": {4, 5, 6}}[who], "")
	}
	killed := withIndexOf(t, dir, then)
	l = open(t, killed, ck)
	verify(t, l)
	l.View(func(s *State) {
		if len(s.people)+len(s.book.All()) != 0 {
			t.Errorf("remembered: people %v, trips %v", s.people, s.book.All())
		}
	})
}

// A notice may count for longer than the days that are read first, and a lane be open by hand.
func TestALevelOfLongAgoCountsBeforeAllIsRead(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-09-01 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	detail := map[string]string{"level": "sealed", "place": "3-2", "from": "2026-09-01T08:00:00+08:00", "number": "7", "issuer": "X"}
	seq := mustAppend(t, l, Event{Stamp: ck.now(), Kind: Notice, Reason: "announced", Detail: detail})[0].Seq
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Level, Reason: "sealed", Ref: seq, Detail: map[string]string{"place": "3-2"}})
	open := mustAppend(t, l, Event{Stamp: ck.now(), Kind: ByHand, Lane: "in", Direction: "in", Reason: "relay-dead"})[0].Seq
	ck.set("2026-11-23 08:00:00")
	mustAppend(t, l, passage(ck, "a", "in", "admit")...)
	l.Close()
	os.Remove(filepath.Join(dir, "index.db"))
	opt, own := options(dir, ck)
	reads, behind := 0, make(chan struct{}) // closed behind the last days
	own.Inject = func(string) error {
		if reads++; reads == 3 { // one read was of long ago, one of the last days
			close(behind)
		}
		if reads > 2 {
			return errors.New("EIO")
		}
		return nil
	}
	l = startNear(t, opt, own, 0, 0)
	<-behind
	l.View(func(s *State) {
		if f, is := s.Levels.At("3", "3-2"); !is || f.Level != "sealed" || f.Notice != seq {
			t.Errorf("in force: %+v", s.Levels)
		}
		if s.ByHand["in"].Entry != open {
			t.Errorf("open by hand: %+v", s.ByHand)
		}
	})
	if l.reg.Whole() {
		t.Error("all is read: this tries nothing")
	}
}

// Of visits those are known before all is read that were made, or told of once more, in the days that are read first: as often used, and by
// as many inside.
func TestVisitsOfLongAgoBeforeAllIsRead(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-09-01 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	made := func(id string, detail map[string]string) {
		d := map[string]string{visits.ID: id, visits.Until: "2027-06-01T00:00:00+08:00", visits.Entries: "9"}
		maps.Copy(d, detail)
		mustAppend(t, l, Event{Stamp: ck.now(), Kind: Visit, Reason: visits.Announced, Class: "visitor", Detail: d,
			Personal: []Field{{Name: "host", Value: "3-2-501"}, {Name: "digits", Value: "123456"}}})
	}
	comes := func(id, passage string) {
		e := Event{Stamp: ck.now(), Kind: Decided, Passage: passage, Direction: "in", Class: "visitor", Verdict: "admit", Detail: map[string]string{visits.ID: id}}
		mustAppend(t, l, e)
	}
	made("long ago", nil)
	made("again", nil)
	comes("again", "a")
	comes("long ago", "b")
	ck.set("2026-11-01 08:00:00")
	made("again", map[string]string{visits.Again: "2", visits.Used: "1", visits.Inside: "1"})
	ck.set("2026-11-23 08:00:00")
	comes("again", "c")
	comes("long ago", "d")
	l.Close()
	os.Remove(filepath.Join(dir, "index.db"))
	opt, own := options(dir, ck)
	reads, behind := 0, make(chan struct{}) // closed behind the last days
	own.Inject = func(string) error {
		if reads++; reads == 3 { // one read was of long ago, one of the last days
			close(behind)
		}
		if reads > 2 {
			return errors.New("EIO")
		}
		return nil
	}
	l = startNear(t, opt, own, 0, 0)
	<-behind
	l.View(func(s *State) {
		if v, known := s.Visits["again"]; !known || v.Used != 2 || v.Inside != 2 {
			t.Errorf("%+v", s.Visits)
		}
		if v, known := s.Visits["long ago"]; known {
			t.Errorf("counted are some of its entries: %+v", v)
		}
	})
	if l.reg.Whole() {
		t.Error("all is read: this tries nothing")
	}
}
