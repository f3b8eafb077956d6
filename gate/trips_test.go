package gate

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/credential"
	"gated/gate/query"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/levels"
	"gated/register/marks"
)

// due is by when whoever was admitted by a passage is to be back, as its entry says.
func (s *site) due(out Outcome) string {
	s.t.Helper()
	if out.Verdict != policy.Admit {
		s.t.Fatalf("not admitted: %+v", out)
	}
	for _, e := range s.records() {
		if e.Passage == out.Passage && e.Kind == register.Decided {
			return e.Detail[register.Due]
		}
	}
	s.t.Fatalf("no entry of %+v", out)
	return ""
}

// day is that of a time, and so many days later.
func (s *site) day(at time.Time, later int) string {
	return at.In(s.l.Zone()).AddDate(0, 0, later).Format(time.DateOnly)
}

// late is how many are out on a trip that has a time to be back, and how many of them are overdue: on the page and in the metrics.
func (s *site) late() string {
	s.t.Helper()
	list := s.g.away()
	open, overdue := len(list), len(query.Overdue(list))
	if v := s.g.View().Overdue; v != overdue || gauge(s.t.(*testing.T), s.g, "gated_trips_open") != float64(open) || gauge(s.t.(*testing.T), s.g, "gated_trips_overdue") != float64(overdue) {
		s.t.Errorf("%d of %d are overdue; the page says %d", overdue, open, v)
	}
	return fmt.Sprintf("%d/%d", overdue, open)
}

// strict has the level controlled in force, at every minute but one, which is half an hour from now, where a code is no repeat. It is
// so after a restart, too.
func (s *site) strict() {
	if s.level == "" {
		now := s.now().In(s.l.Zone())
		from, to := now.Add(31*time.Minute).Format("15:04"), now.Add(30*time.Minute).Format("15:04")
		hours := strings.NewReplacer("06:00-20:00", from+"-"+to, "20:00-06:00", to+"-"+from)
		s.policy, s.level = must(policy.Parse("test", []byte(hours.Replace(string(policy.Shipped().Source()))))), "controlled"
	}
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Level, r.Repeat = s.policy, s.level, 0 }))
}

// At a level with trip_hours whoever is admitted out is told by when to be back, and is overdue after that until they are in. Coming home
// is admitted then as ever. Whoever looks who it is is on record.
func TestATripHasATimeToBeBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	code := s.pass("resident", s.subject("王小明"), month)
	went := s.now()
	out := s.scan("out", code)
	due, err := time.Parse(time.RFC3339, s.due(out))
	if d := due.Sub(went.Add(3 * time.Hour)); err != nil || d < -time.Second || d > time.Minute || !strings.HasSuffix(s.due(out), "+08:00") {
		t.Fatalf("due back %s, %v", s.due(out), err)
	}
	s.later(3*time.Hour - time.Minute)
	if got := s.late(); got != "0/1" {
		t.Errorf("within their time: %s", got)
	}
	s.later(2 * time.Minute)
	if got := s.late(); got != "1/1" {
		t.Errorf("after it: %s", got)
	}
	for _, again := range []string{"", "index.db"} { // the same after a restart, and with an index that is made anew
		s.end()
		os.Remove(filepath.Join(s.dir, again))
		s.start()
		s.strict()
		if err := s.register.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := s.late(); got != "1/1" {
			t.Errorf("after a restart: %s", got)
		}
	}
	list, err := s.g.Trips(true, "root")
	if err != nil || len(list) != 1 || list[0].Entry != out.Seq || list[0].Household != "3-2-501" || list[0].Name != "王小明" || !list[0].Due.Equal(due) || !list[0].Overdue || list[0].Minutes != 1 || list[0].Out.Sub(went).Abs() > time.Minute {
		t.Errorf("the list has %+v, %v", list, err)
	}
	all := s.records()
	if e := all[len(all)-1]; e.Kind != register.Export || e.Reason != "trips" || e.Personally("by") != "root" {
		t.Errorf("that somebody looked: %s", e.Raw)
	}
	if out := s.scan("in", code); out.Verdict != policy.Admit {
		t.Errorf("coming home: %+v", out)
	}
	if got := s.late(); got != "0/0" {
		t.Errorf("once they are home: %s", got)
	}
	if list, err := s.g.Trips(false, ""); err != nil || len(list) != 0 || list == nil {
		t.Errorf("the list has %+v, %v", list, err)
	}
}

// Who goes by an exemption, such as a child to school, takes no trip from the household, live, after a restart and rebuilt.
func TestTheTripOfWhoIsExemptIsNoneOfTheHousehold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	s.mark(marks.Exempt, "pupil", 0, time.Hour, ledger.Field{Name: "subject", Value: s.subject("李芳")})
	child, other := s.pass("resident", s.subject("李芳"), month), s.pass("resident", s.subject("王小明"), month)
	for _, again := range []string{"", "index.db"} {
		if out := s.scan("out", child); out.Verdict != policy.Admit || out.Reason != "exempt" || s.trips() != 0 {
			t.Errorf("the child: %+v, %d trips", out, s.trips())
		}
		s.end()
		if again != "" {
			if err := os.Remove(filepath.Join(s.dir, again)); err != nil {
				t.Fatal(err)
			}
		}
		s.start()
		if err := s.register.Wait(); err != nil {
			t.Fatal(err)
		}
		s.strict()
		if n := s.trips(); n != 0 {
			t.Errorf("after a start the household has had %d trips", n)
		}
		s.later(3 * time.Minute) // else the pass may have been handed back
		s.scan("in", child)
	}
	if out := s.scan("out", other); out.Verdict != policy.Admit || out.Rule != "controlled-trip" || s.trips() != 1 {
		t.Errorf("the household's own: %+v, %d trips", out, s.trips())
	}
}

// At a level that counts no trips the child's is none of the household's either, as that of the next notice may count them. An exemption
// that no rule asks for is good for nothing.
func TestTheTripOfWhoIsExemptIsNoneAtALevelThatAsksForNone(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]int{"pupil": 0, "jogging": 1} {
		s := newSite(t)
		s.strict()
		s.atLevel("guarded")
		s.mark(marks.Exempt, word, 0, month, ledger.Field{Name: "subject", Value: s.subject("李芳")})
		if out := s.scan("out", s.pass("resident", s.subject("李芳"), month)); out.Verdict != policy.Admit || s.trips() != want {
			t.Errorf("%s: %+v, %d trips", word, out, s.trips())
		}
		s.atLevel("controlled")
		next := s.scan("out", s.pass("resident", s.subject("王小明"), month))
		if admitted := next.Verdict == policy.Admit; admitted != (want == 0) {
			t.Errorf("%s: the household's own: %+v", word, next)
		}
	}
}

// Who is exempt, or goes for an urgent need, or while nobody is sure what time it is, may take as long as it takes; so may everybody at
// another level, staff, and a car.
func TestWhoHasNoTimeToBeBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		goes func(s *site) Outcome
		due  bool
	}{
		"a resident": {func(s *site) Outcome { return s.scan("out", s.pass("resident", s.subject("王小明"), month)) }, true},
		"at another level": {func(s *site) Outcome {
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = "guarded" }))
			return s.scan("out", s.pass("resident", s.subject("王小明"), month))
		}, false},
		"exempt": {func(s *site) Outcome {
			s.mark(marks.Exempt, "dialysis", 0, time.Hour, ledger.Field{Name: "subject", Value: s.subject("王小明")})
			return s.scan("out", s.pass("resident", s.subject("王小明"), month))
		}, false},
		"staff": {func(s *site) Outcome { return s.scan("out", s.pass("staff", s.subject("赵六"), month)) }, false},
		"a car": {func(s *site) Outcome { return s.scan("out", s.pass("vehicle", s.subject("粤B54321"), month)) }, false},
		"a clock that nobody trusts": {func(s *site) Outcome {
			s.wall(false, 48*time.Hour)
			return s.scan("out", s.pass("resident", s.subject("王小明"), month))
		}, false},
		"by the guard": {func(s *site) Outcome { return s.ruledOut("document-sighted", nil) }, true},
		"suddenly ill": {func(s *site) Outcome { return s.ruledOut("sudden-illness", nil) }, false},
		"somebody else by a correction": {func(s *site) Outcome {
			out := s.scan("in", s.pass("resident", s.subject("王小明"), month))
			return must(s.g.Correct(out.Passage, Right{Lane: "out", Person: s.subject("李芳")}, ""))
		}, true},
		"coming in": {func(s *site) Outcome { return s.scan("in", s.pass("resident", s.subject("王小明"), month)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.strict()
			due, late := s.due(c.goes(s)), map[bool]string{true: "0/1", false: "0/0"}[c.due]
			if (due != "") != c.due || s.late() != late {
				t.Errorf("due back %q, %s", due, s.late())
			}
			if name == "suddenly ill" && s.trips() != 0 { // it could have no time to be back already
				t.Errorf("it took the household %d trips", s.trips())
			}
		})
	}
}

// ruledOut is somebody found by room whom the guard lets out.
func (s *site) ruledOut(reason string, answered answers) Outcome {
	s.t.Helper()
	held := must(s.g.Present("out", s.subject("王小明")))
	return must(s.g.Decide(held.Passage, Ruling{Verdict: policy.Admit, Reason: reason, Answers: answered}))
}

// The pass of a household goes out with one of them, and the guard asks who; until it is back it lets nobody else out. A person's own
// pass, and another household's, are their own.
func TestThePassOfAHouseholdIsOutWithOneOfThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	code := s.pass("household", "3-2-501", month)
	held := s.scan("out", code)
	if held.Verdict != policy.Hold || held.Reason != "household-pass" {
		t.Fatalf("%+v", held)
	}
	if _, err := s.g.Decide(held.Passage, Ruling{Verdict: policy.Admit, Reason: "document-sighted"}); err == nil || !strings.Contains(err.Error(), "traveller is missing") {
		t.Errorf("without saying who goes: %v", err)
	}
	out := must(s.g.Decide(held.Passage, Ruling{Verdict: policy.Admit, Reason: "document-sighted", Answers: answers{"traveller": "李芳"}}))
	if s.due(out) == "" {
		t.Error("they have no time to be back")
	}
	s.later(4 * time.Hour)
	if list, err := s.g.Trips(true, ""); err != nil || len(list) != 1 || list[0].Household != "3-2-501" || list[0].Name != "李芳" {
		t.Errorf("overdue are %+v, %v", list, err)
	}
	again := s.scan("out", code)
	if again.Verdict != policy.Hold || again.Reason != "household-pass-out" {
		t.Errorf("the same pass out again: %+v", again)
	}
	if _, err := s.g.Decide(again.Passage, Ruling{Verdict: policy.Admit, Reason: "document-sighted"}); err == nil || !strings.Contains(err.Error(), "traveller is missing") {
		t.Errorf("the same pass out again, without saying who goes: %v", err)
	}
	must(s.g.Decide(again.Passage, Ruling{Verdict: policy.Refuse, Reason: "level-forbids"}))
	if out := s.scan("out", s.pass("resident", s.subject("王小明"), month)); out.Reason != "household-limit" {
		t.Errorf("another of the household by their own: %+v", out)
	}
	if out := s.scan("in", s.pass("resident", s.subject("李芳"), month)); out.Verdict != policy.Admit || s.late() != "1/1" {
		t.Errorf("by their own pass they came: %+v, %s", out, s.late())
	}
	if out := s.scan("in", code); out.Verdict != policy.Admit || s.late() != "0/0" {
		t.Errorf("home: %+v, %s", out, s.late())
	}
	s.later(time.Hour)
	held = s.scan("out", code)
	next := s.day(must(time.Parse(time.RFC3339, s.due(out))).Add(-3*time.Hour), 2) // midnight may have come since
	if got := s.last("out").Next; held.Reason != "household-limit" || got != next {
		t.Errorf("out once more: %+v, next on %q, want %s", held, got, next)
	}
}

// An exemption that the rules narrow is good for nothing else: whoever goes by another rule takes the household's trip, as the entry says.
func TestAnExemptionIsNoMoreThanItsRule(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hours()
	shipped := string(s.g.Rules().Policy.Source())
	own := func(slot string) {
		source := strings.Replace(shipped, "\nrules:\n", "\nrules:\n  - {name: dog, when: {exemption: dog-walk, direction: out, known: true, watched: false, valid: true, proof: signed, time: "+slot+"}, then: admit}\n", 1)
		p := must(policy.Parse("own", []byte(source)))
		s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Level, r.Repeat = p, "controlled", 0 }))
	}
	now := s.now().In(s.l.Zone())
	s.mark(marks.Exempt, "dog-walk", 0, time.Hour, ledger.Field{Name: "subject", Value: s.subject("李芳")})
	dog := s.pass("resident", s.subject("李芳"), month)
	own(now.Add(-2*time.Hour).Format("15:04") + "-" + now.Add(-time.Hour).Format("15:04"))
	if out := s.scan("out", dog); out.Rule != "controlled-trip" || s.trips() != 1 || s.due(out) == "" {
		t.Errorf("at another hour: %+v, %d trips", out, s.trips())
	}
	s.later(3 * time.Minute)
	s.scan("in", dog)
	s.later(3 * time.Minute)
	if out := s.scan("out", dog); out.Reason != "household-limit" {
		t.Errorf("once more: %+v", out)
	}
	own("00:00-24:00")
	if out := s.scan("out", dog); out.Rule != "dog" || s.trips() != 1 || s.due(out) != "" {
		t.Errorf("by their exemption: %+v, %d trips", out, s.trips())
	}
}

// Whoever of the household has no trip left, or goes at the wrong hour or level, is told so however the guard knows them: by room, by an
// expired or revoked pass, by a number or a card. Within hours, with a trip left, their document is what is asked about.
func TestNobodyDodgesALimitByShowingNoPass(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hours()
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 }))
	child := s.subject("李芳")
	ways := map[string]struct {
		show  func() Outcome
		else_ string // where nothing forbids it
	}{
		"by room":    {func() Outcome { return must(s.g.Present("out", child)) }, "no-valid-pass"},
		"expired":    {func() Outcome { return s.scan("out", s.pass("resident", child, -time.Minute)) }, "expired"},
		"an ID card": {func() Outcome { return s.lay("out", must(fang.Text())) }, "document-sighted"},
		"a number":   {func() Outcome { return s.scan("out", fang.Document) }, "no-valid-pass"},
		"their pass": {func() Outcome { return s.scan("out", s.pass("resident", child, month)) }, ""},
	}
	try := func(what, reason string, next int) {
		t.Helper()
		for way, w := range ways {
			want := reason
			if want == "" {
				want = w.else_
			}
			if want == "" {
				continue
			}
			held, day := w.show(), ""
			if next > 0 {
				day = s.day(s.now(), next)
			}
			if got := s.last("out").Next; held.Verdict != policy.Hold || held.Reason != want || got != day && way != "by room" {
				t.Errorf("%s, %s: %+v, next on %q; want %s and %q", what, way, held, got, want, day)
			}
			for _, h := range s.g.View().Holds {
				if h.Next != day {
					t.Errorf("%s, %s: the card has %q, want %q", what, way, h.Next, day)
				}
				must(s.g.Decide(h.Passage, Ruling{Verdict: policy.Refuse, Reason: "level-forbids"}))
			}
		}
	}
	s.atLevel("sealed")
	try("sealed", "only-for-need", 0)
	s.atLevel("controlled")
	try("a trip left", "", 0)
	if out := s.scan("out", s.pass("resident", s.subject("王小明"), month)); out.Verdict != policy.Admit {
		t.Fatalf("%+v", out)
	}
	try("no trip left", "household-limit", 2)
}

// An admission that is taken back leaves trips as if it had not been, also after a restart.
func TestATripFollowsWhatIsPutRight(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	code := s.pass("resident", s.subject("王小明"), month)
	check := func(what, want string) {
		t.Helper()
		if got := s.late(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
		if _, equal, err := s.register.Rebuild(); err != nil || !equal {
			t.Errorf("%s: made anew it is the same: %t, %v", what, equal, err)
		}
	}
	annul := func(out Outcome) {
		t.Helper()
		if err := s.g.As(root).Annul(out.Passage, ""); err != nil {
			t.Fatal(err)
		}
	}
	annul(s.scan("out", code))
	check("the way out annulled", "0/0")
	s.scan("out", code)
	s.later(4 * time.Hour)
	check("out", "1/1")
	in := s.scan("in", code)
	check("home", "0/0")
	annul(in)
	check("the way home annulled", "1/1")
	in = s.scan("in", code)
	if _, err := s.g.As(root).Correct(in.Passage, Right{Lane: "in", Person: s.subject("李芳")}, ""); err != nil {
		t.Fatal(err)
	}
	check("it was somebody else who came home", "1/1")
	s.end()
	s.start()
	s.strict()
	check("after a restart", "1/1")
	s.scan("in", code)
	check("home at last", "0/0")
}

// No level that begins later makes an earlier trip overdue, wherever it counts, and where the level in force has no time to be back
// nobody is overdue. A notice that goes on with the same level changes nothing.
func TestNoLevelMakesAnEarlierTripOverdue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	s.level = "guarded"
	s.policy = must(policy.Parse("test", []byte(strings.ReplaceAll(string(s.policy.Source()), "household_trips_below: 1", "household_trips_below: 9"))))
	s.strict()
	check := func(what, want string) {
		t.Helper()
		s.g.review()
		if got := s.late(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	notice := func(level, place string) int64 {
		return s.notice(levels.Ordered, 0, levels.Notice{Level: level, Place: place, From: s.now()})
	}
	end := func(ref int64) { s.notice(levels.Ended, ref, levels.Notice{Until: s.now()}) }
	s.scan("out", s.pass("resident", s.subject("李芳"), month))
	first := notice("controlled", "")
	s.later(4 * time.Hour)
	check("out before it began", "0/0")
	code := s.pass("resident", s.subject("王小明"), month)
	s.scan("in", s.pass("resident", s.subject("李芳"), month))
	if out := s.scan("out", code); out.Verdict != policy.Admit {
		t.Fatalf("%+v", out)
	}
	s.later(4 * time.Hour)
	check("out after it", "1/1")
	elsewhere := notice("sealed", "4-1")
	check("another level somewhere else", "1/1")
	end(elsewhere)
	end(first)
	second := notice("controlled", "")
	check("with a gap", "0/1")
	if out := s.scan("in", code); out.Verdict != policy.Admit {
		t.Fatalf("%+v", out)
	}
	s.later(3 * time.Minute)
	s.scan("out", code)
	s.later(4 * time.Hour)
	check("out after the second", "1/1")
	now := s.now()
	if _, err := s.g.Announce(func(levels.Board, time.Time) ([]ledger.Event, error) {
		ended, goesOn := levels.Notice{Until: now}, levels.Notice{Level: "controlled", From: now, Number: "8", Issuer: "街道办"}
		return []ledger.Event{{Reason: levels.Ended, Ref: second, Detail: ended.Detail()}, {Reason: levels.Announced, Detail: goesOn.Detail()}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	check("another notice goes on with it", "1/1")
	own := notice("guarded", "3-2")
	check("their unit has none", "0/1")
	end(own)
	check("it has again", "0/1")
	s.end()
	s.start()
	check("after a restart", "0/1")
}

// The clock back and forward over the time to be back: who is overdue stays so by a clock that was set back, until somebody says that it
// is right.
func TestTheClockOverTheTimeToBeBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	code := s.pass("resident", s.subject("王小明"), month)
	s.scan("out", code)
	check := func(what, want string) {
		t.Helper()
		if got := s.late(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	s.wall(true, 4*time.Hour)
	check("four hours later", "1/1")
	s.end()
	s.wall(true, 0)
	s.start()
	s.strict()
	check("the clock back", "1/1")
	if err := s.g.ConfirmClock(""); err != nil {
		t.Fatal(err)
	}
	check("the clock back, and right", "0/1")
	s.wall(false, 400*24*time.Hour)
	check("a clock that nobody trusts", "0/1")
	if out := s.scan("in", code); out.Verdict == policy.Refuse {
		t.Errorf("coming home: %+v", out)
	}
}

// The box comes back with a clock that nobody trusts, and nobody confirms it for two days. Who goes then has gone on the day of which
// is told next: the household's next trip is two days after that, not after the last day that was known.
func TestATripWhileNobodyKnowsTheDayIsNoneMoreOnceItIsKnown(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]func(s *site){
		"confirmed": func(s *site) {
			s.wall(false, 48*time.Hour)
			if err := s.g.ConfirmClock(""); err != nil {
				s.t.Fatal(err)
			}
		},
		"synchronised, and not on record yet": func(s *site) { s.wall(true, 48*time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.strict()
			s.scan("in", s.pass("staff", s.subject("赵六"), month))
			s.end()
			s.src.Boot = "another"
			s.wall(false, time.Hour)
			s.start()
			s.strict()
			s.wall(false, 48*time.Hour-10*time.Minute)
			if out := s.scan("out", s.pass("resident", s.subject("王小明"), month)); out.Verdict != policy.Admit || s.trips() != 1 {
				t.Fatalf("while nobody knows the day: %+v, %d trips", out, s.trips())
			}
			known(s)
			told := s.now()
			if out := s.scan("out", s.pass("resident", s.subject("李芳"), month)); out.Reason != "household-limit" {
				t.Errorf("ten minutes later, and the day is known: %+v", out)
			}
			if got := s.last("out").Next; name == "confirmed" && got != s.day(told, 2) {
				t.Errorf("next on %q, told on %s", got, s.day(told, 0))
			}
			if _, equal, err := s.register.Rebuild(); err != nil || !equal {
				t.Errorf("made anew it is the same: %t, %v", equal, err)
			}
		})
	}
}

// No sequence of passages over two lanes, restarts, levels, decisions and clock steps exceeds the quota, keeps somebody from coming home,
// makes a trip overdue that was made before the level began, or lets the machine admit who is watched or shows a revoked pass.
func TestNoSequenceOfPassagesExceedsATripOrKeepsSomebodyOut(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			newJourney(t, seed).play(150)
		})
	}
}

// journey plays passages at random, and knows by itself what may come of them, from nothing but who was admitted where and when. It
// reads that in the ledger: the machine lets people through too, whose hold has become an admission while they stood there.
type journey struct {
	*site
	r     *rand.Rand
	codes map[string]string // by name
	old   []string          // codes that are revoked
	watch map[string]int64  // the entry by which somebody is watched, by subject
	known int64             // entries that it has read
	level map[string]string // at which a passage was judged
	shows map[string]string // what is to say of the code of a passage
	days  []trip            // on which the household was admitted out
	today string            // the newest day of a clock that was trusted
	since int64             // how many entries there were when the level in force began
	out   map[string]out    // who is out, by subject
}

// trip is on what day somebody went out, and whether nobody knows.
type trip struct {
	day    string
	unsure bool
}

// out is by which entry somebody went, and by when they are to be back; zero: whenever they like.
type out struct {
	entry int64
	due   time.Time
}

func newJourney(t *testing.T, seed uint64) *journey {
	j := &journey{site: newSite(t), r: rand.New(rand.NewPCG(seed, 30)), codes: map[string]string{}, watch: map[string]int64{},
		level: map[string]string{}, shows: map[string]string{}, out: map[string]out{}}
	j.strict()
	for _, n := range []string{"王小明", "李芳"} {
		j.issue(n)
	}
	return j
}

// issue gives somebody a pass for two years.
func (j *journey) issue(name string) {
	j.codes[name] = must(credential.Issue(j.key, credential.Pass{Issuer: "office", Subject: j.subject(name), Kind: "resident",
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0)}))
}

// revoke takes somebody's pass, and gives them another.
func (j *journey) revoke(name string) {
	if err := j.people.Revoke(j.t.Context(), j.trust.Check([]byte(j.codes[name]), time.Now()).Serial, "lost", true); err != nil {
		j.t.Fatal(err)
	}
	j.old = append(j.old, j.codes[name])
	j.issue(name)
}

// turn has somebody watched, or no more.
func (j *journey) turn(name string) {
	ev := ledger.Event{Reason: marks.Ended, Ref: j.watch[j.subject(name)], By: unauthenticated}
	if ev.Ref == 0 {
		ev = ledger.Event{Reason: marks.Watch, By: unauthenticated, Personal: []ledger.Field{{Name: "subject", Value: j.subject(name)}},
			Detail: map[string]string{"word": "complaint", "from": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}}
	}
	if _, err := j.g.Mark(ev); err != nil {
		j.t.Fatal(err)
	}
}

// decide has a guard decide on whoever waits first, and turn away whom they cannot admit so.
func (j *journey) decide(verdict, reason string) {
	for _, r := range []Ruling{{Verdict: verdict, Reason: reason}, {Verdict: policy.Refuse, Reason: "not-known"}} {
		holds := j.g.View().Holds
		if len(holds) == 0 {
			return
		}
		_, err := j.g.Decide(holds[0].Passage, r)
		if err == nil {
			return
		}
		if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNoHold) && !errors.Is(err, ErrChanged) {
			j.t.Fatal(err)
		}
	}
}

func (j *journey) play(steps int) {
	for step := range steps {
		name := []string{"王小明", "李芳"}[j.r.IntN(2)]
		switch n := j.r.IntN(32); {
		case n < 8:
			j.scan("out", j.codes[name])
		case n < 14:
			j.in(step, name)
		case n == 14:
			j.end()
			j.start()
			j.strict()
		case n == 16 || n == 17:
			j.later(time.Duration(j.r.IntN(8)) * time.Hour)
		case n == 18:
			j.later(-time.Duration(j.r.IntN(30)) * time.Hour)
		case n == 19: // whatever the clock says is right
			if err := j.g.ConfirmClock(""); err != nil {
				j.t.Fatal(err)
			}
		case n == 20:
			j.later(time.Duration(20+j.r.IntN(40)) * time.Hour)
		case n == 21:
			j.revoke(name)
		case n == 22 || n == 23:
			j.turn(name)
		case n == 24 && len(j.old) > 0:
			j.scan([]string{"in", "out"}[j.r.IntN(2)], j.old[j.r.IntN(len(j.old))])
		case n == 25 || n == 26:
			j.decide(policy.Admit, "document-sighted")
		case n == 27:
			j.decide(policy.Refuse, "not-known")
		default:
			if level := []string{"guarded", "controlled", "controlled", "sealed"}[j.r.IntN(4)]; level != j.site.level {
				j.site.level, j.since = level, j.l.Size()
				j.strict()
			}
		}
		j.compare(step)
	}
	if _, equal, err := j.register.Rebuild(); err != nil || !equal {
		j.t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
	}
}

// in is somebody who comes, and is let in where they were out.
func (j *journey) in(step int, name string) {
	_, away := j.out[j.subject(name)]
	watched := j.watch[j.subject(name)] != 0
	if out := j.scan("in", j.codes[name]); away && !watched && out.Verdict != policy.Admit {
		j.t.Errorf("step %d: %s comes home, and gets %+v", step, name, out)
	}
}

// follow reads what the ledger has got since.
func (j *journey) follow(step int) {
	var seqs []int64
	for ; j.known < j.l.Size(); j.known++ {
		seqs = append(seqs, j.known+1)
	}
	entries := must(j.register.Entries(seqs))
	for _, seq := range seqs {
		e := entries[seq]
		j.tells(e)
		switch {
		case e.Kind == register.Mark && e.Ref == 0:
			j.watch[e.Personally("subject")] = e.Seq
		case e.Kind == register.Mark:
			maps.DeleteFunc(j.watch, func(_ string, by int64) bool { return by == e.Ref })
		case e.Kind == register.Check:
			j.shows[e.Passage] = e.Reason
		case e.Kind == register.Query:
			j.level[e.Passage] = e.Detail["level"]
		case e.Kind == register.Decided && e.Verdict == policy.Admit:
			j.admitted(step, e)
		}
	}
}

// tells is an entry that tells what day it is, if its clock was trusted: as of then whoever went is of that day whose day nobody knew.
func (j *journey) tells(e *ledger.Entry) {
	day := e.At.Format(time.DateOnly)
	if e.Clock != "trusted" && j.today != "" {
		return
	}
	j.today = max(j.today, day)
	if e.Kind == register.Clock && e.Reason == "clock-corrected" {
		j.today = day
		for i, d := range j.days {
			j.days[i].day = min(d.day, e.At.AddDate(0, 0, 1).Format(time.DateOnly))
			j.today = max(j.today, j.days[i].day)
		}
	}
	for i, d := range j.days {
		if d.unsure && e.Clock == "trusted" {
			j.days[i] = trip{max(d.day, day), false}
		}
	}
}

// admitted is somebody who passes.
func (j *journey) admitted(step int, e *ledger.Entry) {
	who := e.Personally("subject")
	if e.By == byMachine && (j.watch[who] != 0 || j.shows[e.Passage] != "ok") {
		j.t.Errorf("step %d: the machine admitted who is watched by entry %d, with a pass that is %s", step, j.watch[who], j.shows[e.Passage])
	}
	if e.Direction == "in" {
		delete(j.out, who)
	} else {
		j.went(step, e)
	}
}

// went is somebody who goes; at controlled by rule only once in two days, whatever the clock says.
func (j *journey) went(step int, e *ledger.Entry) {
	trusted := e.Clock == "trusted"
	stamp := ledger.Stamp{Time: e.At, Boot: e.Boot, Mono: time.Duration(e.Mono) * time.Microsecond, Trusted: trusted}
	day := j.g.clock.Judge(stamp).In(j.l.Zone())
	for _, d := range j.days {
		if e.Rule == "controlled-trip" && (d.unsure || d.day >= day.AddDate(0, 0, -1).Format(time.DateOnly)) {
			j.t.Errorf("step %d: out on %s, and they were on %s", step, day.Format(time.DateOnly), d.day)
		}
	}
	j.days = append(j.days, trip{j.today, !trusted})
	due, err := time.Parse(time.RFC3339, e.Detail[register.Due])
	if (err == nil) != (j.level[e.Passage] == "controlled" && trusted) {
		j.t.Errorf("step %d: at %s entry %d is due back %q", step, j.level[e.Passage], e.Seq, e.Detail[register.Due])
	}
	j.out[e.Personally("subject")] = out{e.Seq, due}
}

// compare says who is overdue, by nothing but who was admitted.
func (j *journey) compare(step int) {
	var got, want string
	overdue := 0
	for got = ""; got == "" || j.known < j.l.Size(); got = j.late() { // while the machine lets nobody through
		j.follow(step)
		open := 0
		overdue = 0
		for _, o := range j.out {
			if o.due.IsZero() {
				continue
			}
			open++
			if j.site.level == "controlled" && o.entry > j.since && j.g.clock.Judge(j.g.clock.Now()).After(o.due) {
				overdue++
			}
		}
		want = fmt.Sprintf("%d/%d", overdue, open)
	}
	if got != want {
		j.t.Errorf("step %d: overdue are %s, want %s", step, got, want)
	}
	list, err := j.g.Trips(true, "")
	if err != nil || len(list) != overdue || slices.ContainsFunc(list, func(o query.Away) bool { return o.Name == "" }) {
		j.t.Errorf("step %d: the list has %+v, %v", step, list, err)
	}
}
