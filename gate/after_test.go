package gate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/erasure"
	"gated/register/marks"
)

// nobodyDecides lets a hold run out.
func (s *site) nobodyDecides(lane, code string) Outcome {
	s.t.Helper()
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Hold, r.Repeat = 10*time.Millisecond, 0 }))
	changed, cancel := s.g.Subscribe()
	defer cancel()
	out := s.scan(lane, code)
	if out.Verdict != policy.Hold {
		s.t.Fatalf("%+v", out)
	}
	for len(s.g.View().Holds) > 0 {
		<-changed
	}
	return out
}

// The box does not know what became of somebody on whom nobody decided. The guard is asked, and what they say counts.
func TestTheGuardSaysWhatBecameOfThoseOnWhomNobodyDecided(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, lane, verdict, whereabouts string
		trips                            int
	}{
		{"went-through", "in", policy.Admit, "inside", 0},
		{"went-through", "out", policy.Admit, "outside", 1},
		{"turned-away", "in", policy.Refuse, "", 0},
		{"turned-away", "out", policy.Refuse, "", 0},
		{"unseen", "in", policy.Undecided, "", 0},
	} {
		t.Run(c.what+" "+c.lane, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			out := s.nobodyDecides(c.lane, s.pass("resident", s.subject("王小明"), -time.Minute))
			asked := s.g.View().Undecided
			if len(asked) != 1 || asked[0].Passage != out.Passage || asked[0].Name != "王小明" || asked[0].Lane != c.lane {
				t.Fatalf("asked about %+v", asked)
			}
			if err := s.g.Afterwards(out.Passage, "vanished"); !errors.Is(err, ErrInvalid) {
				t.Errorf("what nobody does: %v", err)
			}
			if err := s.g.Afterwards(out.Passage, c.what); err != nil {
				t.Fatal(err)
			}
			if err := s.g.Afterwards(out.Passage, c.what); !errors.Is(err, ErrSettled) {
				t.Errorf("said twice: %v", err)
			}
			if v := s.g.View(); len(v.Undecided) != 0 || !v.Recent[0].Amend {
				t.Errorf("asked again about %+v; to put right is %+v", v.Undecided, v.Recent[0])
			}
			if got := s.whereabouts(s.subject("王小明")); got != c.whereabouts {
				t.Errorf("they are %q, want %q", got, c.whereabouts)
			}
			s.register.View(func(st *register.State) {
				if n := st.Trips("3-2-501", s.now().In(s.l.Zone()), 1); n != c.trips {
					t.Errorf("%d trips, want %d", n, c.trips)
				}
				if p := st.Recent[len(st.Recent)-1]; p.ID != out.Passage || p.Verdict != c.verdict || p.Reason != c.what || p.By != unauthenticated {
					t.Errorf("the passage is %+v", p)
				}
			})
			if _, equal, err := s.register.Rebuild(); err != nil || !equal {
				t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
			}
		})
	}
}

// Who went through on a hold that nobody decided, and has passed since, is where that has brought them; the trip counts.
func TestWhoWentThroughLongAgoIsWhereTheyHaveGoneSince(t *testing.T) {
	t.Parallel()
	for lane, back := range map[string]string{"in": "out", "out": "in"} {
		s := newSite(t)
		who := s.subject("王小明")
		held := s.nobodyDecides(lane, s.pass("resident", who, -time.Minute))
		if out := s.scan(back, s.pass("resident", who, month)); out.Verdict != policy.Admit {
			t.Fatalf("%+v", out)
		}
		want := s.whereabouts(who)
		if err := s.g.Afterwards(held.Passage, "went-through"); err != nil {
			t.Fatal(err)
		}
		if got := s.whereabouts(who); got != want || s.trips() != 1 {
			t.Errorf("%s: they are %q with %d trips, want %q", lane, got, s.trips(), want)
		}
		if _, equal, err := s.register.Rebuild(); err != nil || !equal {
			t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
		}
		if err := s.g.Annul(held.Passage, ""); err != nil || s.whereabouts(who) != want {
			t.Errorf("%s: annulled: %v, they are %q, want %q", lane, err, s.whereabouts(who), want)
		}
	}
}

// Who went by an exemption on a hold that nobody decided takes no trip from the household either, also when it is said after a restart.
func TestWhoIsExemptTakesNoTripAfterwards(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		s := newSite(t)
		s.strict()
		s.mark(marks.Exempt, "pupil", 0, time.Hour, ledger.Field{Name: "subject", Value: s.subject("李芳")})
		held := s.nobodyDecides("out", s.pass("resident", s.subject("李芳"), -time.Minute))
		if restart {
			s.end()
			s.start()
			s.strict()
		}
		if err := s.g.Afterwards(held.Passage, "went-through"); err != nil || s.trips() != 0 {
			t.Errorf("restart %t: %v, %d trips", restart, err, s.trips())
		}
		if out := s.scan("out", s.pass("resident", s.subject("王小明"), month)); out.Verdict != policy.Admit {
			t.Errorf("restart %t: the household's own: %+v", restart, out)
		}
	}
}

// What a guard says much later counts as of when they came: the day of the trip, when they are to be back, and how long ago they passed;
// not where the clock was not trusted then, which is as now.
func TestWhoWentThroughDidSoWhenTheyCame(t *testing.T) {
	t.Parallel()
	const later = 24 * time.Hour
	for _, trusted := range []bool{true, false} {
		s := newSite(t)
		s.strict()
		s.wall(trusted, 0)
		if !trusted {
			s.wall(false, 48*time.Hour)
		}
		came := s.now()
		held := s.nobodyDecides("out", s.pass("resident", s.subject("李芳"), -time.Minute))
		s.wall(true, later)
		s.scan("in", s.pass("staff", s.subject("赵六"), month)) // it is another day
		if err := s.g.Afterwards(held.Passage, "went-through"); err != nil {
			t.Fatal(err)
		}
		want, late, next := 0, "1/1", 1
		if !trusted {
			want, late, next = 1, "0/0", 2
		}
		if s.trips() != want || s.late() != late {
			t.Errorf("trusted %t: %d trips today, %s overdue", trusted, s.trips(), s.late())
		}
		if list, err := s.g.Trips(true, ""); err != nil || trusted && (list[0].Out.Sub(came).Abs() > time.Minute || list[0].Due.Sub(came.Add(3*time.Hour)).Abs() > time.Minute) {
			t.Errorf("trusted %t: overdue %+v, %v", trusted, list, err)
		}
		out := s.scan("out", s.pass("resident", s.subject("王小明"), month))
		if day := s.day(s.now(), next); out.Reason != "household-limit" || s.last("out").Next != day {
			t.Errorf("trusted %t: the household may go on %s, want %s: %+v", trusted, s.last("out").Next, day, out)
		}
		if again := s.scan("out", s.pass("resident", s.subject("李芳"), month)); again.Reason != map[bool]string{true: "same-way-again", false: "passed-back"}[trusted] {
			t.Errorf("trusted %t: out once more: %+v", trusted, again)
		}
		if _, equal, err := s.register.Rebuild(); err != nil || !equal {
			t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
		}
	}
}

// A clock that is set back, and trusted, gives nobody a second trip by what is said of a hold.
func TestWhoWentThroughByAClockSetBackHadTheirTrip(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	s.scan("in", s.pass("staff", s.subject("赵六"), month))
	s.later(-72 * time.Hour)
	held := must(s.g.Present("out", s.subject("李芳")))
	s.runOut()
	if err := s.g.Afterwards(held.Passage, "went-through"); err != nil {
		t.Fatal(err)
	}
	if out := s.scan("out", s.pass("resident", s.subject("王小明"), month)); out.Reason != "household-limit" {
		t.Errorf("the second trip: %+v", out)
	}
}

// Who went through, and has gone out and is on another trip since, is on that one.
func TestWhoWentThroughBeforeTheirNewestTrip(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	held := s.nobodyDecides("out", s.pass("resident", s.subject("李芳"), -time.Minute))
	s.later(2 * time.Hour)
	s.scan("in", s.pass("resident", s.subject("李芳"), month))
	s.later(5 * time.Minute)
	if out := s.scan("out", s.pass("resident", s.subject("李芳"), month)); out.Verdict != policy.Admit {
		t.Fatalf("%+v", out)
	}
	if err := s.g.Afterwards(held.Passage, "went-through"); err != nil {
		t.Fatal(err)
	}
	s.later(90 * time.Minute)
	if s.late() != "0/1" {
		t.Errorf("by the trip before they were to be back: %s", s.late())
	}
	s.later(2 * time.Hour)
	if s.late() != "1/1" {
		t.Errorf("they are late: %s", s.late())
	}
}

// The next guard was not there. After a restart the page does not know who it was, and the ledger does.
func TestNobodyIsAskedAboutAnotherShift(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.nobodyDecides("in", s.pass("resident", s.subject("王小明"), -time.Minute))
	if err := s.g.SignOn("周建国"); err != nil {
		t.Fatal(err)
	}
	if err := s.g.Afterwards(first.Passage, "went-through"); !errors.Is(err, ErrTooLate) || len(s.g.View().Undecided) != 0 {
		t.Errorf("of the shift before: %v, %+v", err, s.g.View().Undecided)
	}
	s.nobodyDecides("in", s.pass("resident", s.subject("王小明"), -time.Minute))
	second := s.nobodyDecides("in", s.pass("resident", s.subject("李芳"), -time.Minute))
	if asked := s.g.View().Undecided; len(asked) != 2 || asked[0].Passage != second.Passage || asked[0].Name != "李芳" || asked[1].Name != "" {
		t.Errorf("asked about %+v", asked)
	}
	s.end()
	s.start()
	if asked := s.g.View().Undecided; len(asked) != 2 || asked[0].Passage != second.Passage || asked[0].Name != "" {
		t.Errorf("after a restart asked about %+v", asked)
	}
	if err := s.g.Afterwards(second.Passage, "went-through"); err != nil || s.whereabouts(s.subject("李芳")) != "inside" {
		t.Errorf("after a restart: %v, they are %q", err, s.whereabouts(s.subject("李芳")))
	}
	s.broken.Store(true)
	if err := s.g.Afterwards(s.g.View().Undecided[0].Passage, "turned-away"); !errors.Is(err, ErrLedger) {
		t.Errorf("in a fault: %v", err)
	}
	s.broken.Store(false)
}

// What was keyed wrong the same shift puts right within ten minutes, and somebody else later: trips and whereabouts follow each time.
func TestWhatWasSaidAfterwardsIsPutRight(t *testing.T) {
	t.Parallel()
	words := []string{"went-through", "turned-away", "unseen"}
	for _, lane := range []string{"in", "out"} {
		for i, first := range words {
			t.Run(lane+" "+first, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				who := s.subject("王小明")
				other := map[string]string{"in": "out", "out": "in"}[lane]
				s.scan(other, s.pass("resident", who, month)) // where they were before
				s.later(3 * time.Minute)
				was, had := s.whereabouts(who), s.trips()
				held := s.nobodyDecides(lane, s.pass("resident", who, -time.Minute))
				if err := s.g.Afterwards(held.Passage, first); err != nil {
					t.Fatal(err)
				}
				for n, what := range []string{words[(i+1)%3], words[(i+2)%3], first, words[(i+1)%3]} {
					var err error
					if n < 2 {
						err = s.g.Afterwards(held.Passage, what)
					} else {
						err = s.g.As(root).SayOtherwise(held.Passage, what, "camera 2")
					}
					want, trips := was, had
					if what == "went-through" {
						want = map[string]string{"in": "inside", "out": "outside"}[lane]
						trips += map[string]int{"out": 1}[lane]
					}
					if err != nil || s.whereabouts(who) != want || s.trips() != trips {
						t.Errorf("%d, %s: %v; they are %q with %d trips, want %q with %d", n, what, err, s.whereabouts(who), s.trips(), want, trips)
					}
					if err := s.g.As(root).SayOtherwise(held.Passage, what, "camera 2"); !errors.Is(err, ErrNotAnnulled) {
						t.Errorf("%s a second time: %v", what, err)
					}
					before := s.l.Size()
					if back := s.register.Recovered(s.records()[before-1:], s.g.clock.Now()); len(back) > 0 {
						t.Errorf("%s is taken back: %+v", what, back)
					}
				}
				if _, equal, err := s.register.Rebuild(); err != nil || !equal {
					t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
				}
			})
		}
	}
}

func TestWhoMaySayOtherwiseUntilWhen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	held := s.nobodyDecides("out", s.pass("resident", s.subject("王小明"), -time.Minute))
	never := s.nobodyDecides("out", s.pass("resident", s.subject("李芳"), -time.Minute))
	if err := s.g.Afterwards(held.Passage, "turned-away"); err != nil {
		t.Fatal(err)
	}
	if err := s.g.SignOn("周建国"); err != nil || s.g.View().Recent[0].Amend {
		t.Fatal(err, s.g.View().Recent[0])
	}
	for _, id := range []string{held.Passage, never.Passage} {
		if err := s.g.Afterwards(id, "went-through"); !errors.Is(err, ErrTooLate) {
			t.Errorf("of the shift before: %v", err)
		}
		if err := s.g.As(root).SayOtherwise(id, "went-through", "camera 2"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		if err := s.g.Afterwards(id, "unseen"); !errors.Is(err, ErrTooLate) {
			t.Errorf("what somebody else has said: %v", err)
		}
	}
	if s.trips() != 2 {
		t.Errorf("%d trips", s.trips())
	}
	admitted := s.scan("in", s.pass("staff", s.subject("赵六"), month))
	for what, id := range map[string]string{"admitted": admitted.Passage, "nobody": "aaaa"} {
		if err := s.g.As(root).SayOtherwise(id, "unseen", "camera 2"); !errors.Is(err, ErrNotAnnulled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.g.As(root).SayOtherwise(held.Passage, "vanished", "camera 2"); !errors.Is(err, ErrInvalid) {
		t.Errorf("what nobody does: %v", err)
	}
	var more atomic.Int64
	s.end()
	mono := s.src.Mono
	s.src.Mono = func() time.Duration { return mono() + time.Duration(more.Load()) }
	s.start()
	late := s.nobodyDecides("in", s.pass("resident", s.subject("李芳"), -time.Minute))
	if err := s.g.Afterwards(late.Passage, "unseen"); err != nil {
		t.Fatal(err)
	}
	more.Store(int64(amendWithin + time.Second))
	if err := s.g.Afterwards(late.Passage, "went-through"); !errors.Is(err, ErrTooLate) {
		t.Errorf("after ten minutes: %v", err)
	}
	found := 0
	for _, e := range s.records() {
		if e.Personally("by") == "root" && e.Personally("note") == "camera 2" && e.Personally("guard") == "" {
			found++
		}
	}
	if found != 2 {
		t.Errorf("somebody else is on record %d times", found)
	}
}

// Who was erased is neither named nor written down once more.
func TestWhoWasErasedIsForgottenByTheQuestion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	out := s.nobodyDecides("out", s.pass("resident", s.subject("王小明"), -time.Minute))
	if err := s.register.Wait(); err != nil {
		t.Fatal(err)
	}
	eraser := erasure.New(erasure.Options{Dir: s.dir, Ledger: s.l, Register: s.register, Now: func() ledger.Stamp { return s.g.clock.Now() }})
	if done, err := eraser.Erase(erasure.Selection{Subject: s.subject("王小明")}, "", "asked for"); err != nil || done.Entries == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if asked := s.g.View().Undecided; len(asked) != 1 || asked[0].Name != "" || asked[0].Room != "" {
		t.Errorf("asked about %+v", asked)
	}
	if err := s.g.Afterwards(out.Passage, "went-through"); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.records() {
		if e.Personally("subject") != "" || e.Personally("household") != "" {
			t.Errorf("entry %d %s: %v", e.Seq, e.Kind, e.Personal)
		}
	}
}

// Until the shift ends all are asked about, one after the other and each by name, however many have passed since; the page says how many
// there are. Who signs on under the same name goes on with their shift, also after a restart and with an index that is made anew.
func TestEverybodyIsAskedAboutUntilTheShiftEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	signOn := func(name string) {
		t.Helper()
		if err := s.g.SignOn(name); err != nil {
			t.Fatal(err)
		}
	}
	signOn("周建国")
	const many = mostAsked + 5
	names := []string{"王小明", "李芳"}
	var all []Outcome
	for i := range many {
		all = append(all, s.nobodyDecides("in", s.pass("resident", s.subject(names[i%2]), -time.Duration(i+1)*time.Minute)))
	}
	for i := range 300 {
		if out := s.scan("in", fmt.Sprint("https://example.com/", i)); out.Verdict != policy.Refuse {
			t.Fatalf("%+v", out)
		}
	}
	n := many
	next := func(named bool) {
		t.Helper()
		v := s.g.View()
		want := names[(n-1)%2]
		if !named {
			want = ""
		}
		if v.UndecidedInAll != n || len(v.Undecided) != min(n, mostAsked) || v.Undecided[0].Passage != all[n-1].Passage || v.Undecided[0].Name != want || n > 1 && v.Undecided[1].Name != "" {
			t.Fatalf("%d are asked about, %d on the page, want %d; first %+v of %s", v.UndecidedInAll, len(v.Undecided), n, v.Undecided[0], want)
		}
	}
	next(true)
	signOn("周建国")
	next(true)
	for n > 20 {
		next(true)
		if err := s.g.Afterwards(all[n-1].Passage, []string{"went-through", "turned-away", "unseen"}[n%3]); err != nil {
			t.Fatal(err)
		}
		n--
	}
	next(true)
	for _, again := range []string{"", "index.db"} {
		s.end()
		os.Remove(filepath.Join(s.dir, again))
		s.start()
		if err := s.register.Wait(); err != nil {
			t.Fatal(err)
		}
		next(false)
		signOn("周建国")
		next(false)
	}
	if err := s.g.Afterwards(all[0].Passage, "turned-away"); err != nil {
		t.Errorf("the first of all: %v", err)
	}
	n--
	all = all[1:]
	if v := s.g.View(); v.UndecidedInAll != n {
		t.Errorf("%d are asked about, want %d", v.UndecidedInAll, n)
	}
	if _, equal, err := s.register.Rebuild(); err != nil || !equal {
		t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
	}
	signOn("陈站长")
	if v := s.g.View(); v.UndecidedInAll != 0 || len(v.Undecided) != 0 {
		t.Errorf("asked about another shift: %d", v.UndecidedInAll)
	}
	if err := s.g.Afterwards(all[0].Passage, "turned-away"); !errors.Is(err, ErrTooLate) {
		t.Errorf("of another shift: %v", err)
	}
}
