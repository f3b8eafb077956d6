package gate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/levels"
)

// notice records one, as the box does.
func (s *site) notice(reason string, ref int64, n levels.Notice) int64 {
	s.t.Helper()
	seq, err := s.g.Announce(func(levels.Board, time.Time) ([]ledger.Event, error) {
		return []ledger.Event{{Reason: reason, Ref: ref, By: unauthenticated, Detail: n.Detail()}}, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return seq
}

// judgedAt is the level by which somebody who comes was judged, and the notice that the ledger names.
func (s *site) judgedAt(lane, person string) string {
	s.t.Helper()
	out := s.scan(lane, s.pass("resident", s.subject(person), month))
	for _, e := range s.records() {
		if e.Passage == out.Passage && e.Kind == register.Query {
			return strings.TrimSpace(e.Detail["level"] + " " + e.Detail["notice"])
		}
	}
	s.t.Fatalf("no query of %+v", out)
	return ""
}

// A level counts where its notice says, in its time, over restarts, and each change is an entry first.
func TestALevelCountsWhereAndWhenItsNoticeSays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 }))
	soon := s.now().Add(2 * time.Hour)
	unit := s.notice(levels.Ordered, 0, levels.Notice{Level: "sealed", Place: "3-2", From: s.now()})
	all := s.notice(levels.Announced, 0, levels.Notice{Level: "controlled", Number: "7", Issuer: "街道办", From: soon, Until: soon.Add(time.Hour)})
	at := func(when, lane, person, want string) {
		t.Helper()
		s.g.review()
		if got := s.judgedAt(lane, person); got != want {
			t.Errorf("%s %s is judged at %q, want %q", when, person, got, want)
		}
	}
	at("at once", "in", "王小明", "sealed "+strconv.FormatInt(unit, 10))
	at("at once", "in", "赵六", "guarded")
	for _, again := range []string{"", "index.db"} {
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
		at("after a restart", "in", "王小明", "sealed "+strconv.FormatInt(unit, 10))
	}
	s.mu.Lock()
	s.shift += 2 * time.Hour
	s.mu.Unlock()
	at("two hours later", "in", "赵六", "controlled "+strconv.FormatInt(all, 10))
	at("two hours later", "in", "王小明", "sealed "+strconv.FormatInt(unit, 10))
	v := s.g.View().Levels
	if len(v) != 2 || v[0].Level != "controlled" || v[0].Number != "7" || v[1].Place != "3-2" || !v[1].Oral || v[1].State != "in-force" {
		t.Errorf("the page shows %+v", v)
	}
	s.mu.Lock()
	s.shift += time.Hour
	s.mu.Unlock()
	at("when it has ended", "in", "赵六", "guarded")
	s.notice(levels.Ended, unit, levels.Notice{Until: s.now()})
	at("once ended by hand", "in", "王小明", "guarded")
	var told []string
	for _, e := range s.records() {
		if e.Kind == register.Level {
			told = append(told, strings.TrimSpace(e.Detail["place"]+" "+e.Detail["was"]+">"+e.Reason))
		}
	}
	if got, want := strings.Join(told, ", "), "3-2 guarded>sealed, guarded>controlled, controlled>guarded, 3-2 sealed>guarded"; got != want {
		t.Errorf("the ledger tells %q, want %q", got, want)
	}
	if _, equal, err := s.register.Rebuild(); err != nil || !equal {
		t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
	}
}

// A fault changes no level, and whoever waits is judged again once one changes.
func TestALevelIsAnEntryFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 }))
	seq := s.notice(levels.Ordered, 0, levels.Notice{Level: "controlled", From: s.now()})
	s.hours()
	for _, name := range []string{"王小明", "李芳"} { // the second trip
		s.scan("out", s.pass("resident", s.subject(name), month))
	}
	if h := s.g.View().Holds; len(h) != 1 || h[0].Reason != "household-limit" {
		t.Fatalf("on hold are %+v", h)
	}
	s.notice(levels.Ended, seq, levels.Notice{Until: s.now()})
	s.g.review()
	if h, last := s.g.View().Holds, s.last("out"); len(h) != 0 || last.Verdict+" "+last.Reason != "admit valid-pass" {
		t.Errorf("at another level on hold are %+v, and the lane shows %+v", h, last)
	}
	s.broken.Store(true)
	if _, err := s.g.Announce(func(levels.Board, time.Time) ([]ledger.Event, error) {
		n := levels.Notice{Level: "sealed", From: s.now()}
		return []ledger.Event{{Reason: levels.Ordered, Detail: n.Detail()}}, nil
	}); !errors.Is(err, ErrLedger) || len(s.g.board().Lasting(s.now())) != 0 || s.g.View().Levels[0].Level != "guarded" {
		t.Errorf("in a fault: %v, %+v", err, s.g.View().Levels)
	}
	s.broken.Store(false)
	until(t, "the fault to end", func() bool { return !s.g.Fault() })
	said := errors.New("no")
	if _, err := s.g.Announce(func(levels.Board, time.Time) ([]ledger.Event, error) { return nil, said }); !errors.Is(err, said) {
		t.Errorf("a draft that fails: %v", err)
	}
	// The policy in force may have lost a level.
	s.notice(levels.Ordered, 0, levels.Notice{Level: "lost", From: s.now()})
	if out := s.scan("in", s.pass("resident", s.subject("王小明"), month)); out.Verdict != policy.Hold || out.Reason != policy.UnknownFacts {
		t.Errorf("at a level that the policy has not: %+v", out)
	}
	if f := s.g.View().SetupFaults; len(f) != 1 || f[0].What != "level" || !strings.Contains(f[0].Why, `has no level "lost"`) {
		t.Errorf("the page says %+v", f)
	}
}

// Neither a reload of gate.level nor a start leaves a moment in which a notice does not count.
func TestANoticeCountsAtEveryMoment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	once := func() { s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 })) }
	once()
	seq := s.notice(levels.Ordered, 0, levels.Notice{Level: "sealed", From: s.now()})
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = "normal" }))
	if got, want := s.judgedAt("out", "王小明"), "sealed "+strconv.FormatInt(seq, 10); got != want {
		t.Errorf("after a reload judged at %q, want %q", got, want)
	}
	s.notice(levels.Ended, seq, levels.Notice{Until: s.now()})
	if got := s.judgedAt("out", "王小明"); got != "normal" {
		t.Errorf("then judged at %q", got)
	}
	soon := s.now().Add(time.Hour)
	seq = s.notice(levels.Announced, 0, levels.Notice{Level: "controlled", Number: "7", Issuer: "X", From: soon})
	s.end()
	s.mu.Lock()
	s.shift += time.Hour + time.Minute
	s.mu.Unlock()
	s.open() // nobody has looked yet
	s.g.Begin()
	once()
	if err := s.register.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, want := s.judgedAt("in", "王小明"), "controlled "+strconv.FormatInt(seq, 10); got != want {
		t.Errorf("after a start judged at %q, want %q", got, want)
	}
	s.run()
}

// Whom a level to come changes is judged at the time at which it begins, with the other notices that count by then.
func TestAPlanIsOfTheTimeAtWhichTheLevelBegins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := s.now().In(s.l.Zone())
	begins := now.Add(6 * time.Hour)
	hours := begins.Add(-3*time.Hour).Format("15:04") + "-" + begins.Add(3*time.Hour).Format("15:04")
	p := must(policy.Parse("test", bytes.ReplaceAll(policy.Shipped().Source(), []byte("06:00-20:00"), []byte(hours))))
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = p }))
	plan := func(when string, at time.Time, want string) {
		t.Helper()
		list, err := s.g.Plan("controlled", "", "", at)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range list {
			if o.Class == "resident" {
				got = append(got, strings.Join([]string{strconv.Itoa(o.People), o.Direction, o.Was, o.Is, o.Reason}, " "))
			}
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%s it changes %q, want %q", when, got, want)
		}
	}
	s.notice(levels.Announced, 0, levels.Notice{Level: "controlled", Number: "7", Issuer: "X", From: begins.Truncate(time.Second)})
	plan("at once", time.Time{}, "2 out admit hold outside-hours")
	plan("when it begins", begins, "")
	before := levels.Notice{Level: "sealed", Number: "8", Issuer: "X", From: begins.Add(-time.Hour)}
	all := s.notice(levels.Announced, 0, before)
	plan("when all are sealed by then", begins, "2 out hold admit valid-pass")
	plan("at once, as long as they are not", time.Time{}, "2 out admit hold outside-hours")
	before.Place = "3-2"
	unit := s.notice(levels.Announced, 0, before)
	plan("when they live where another notice counts by then", begins, "")
	for _, seq := range []int64{all, unit} {
		s.notice(levels.Ended, seq, levels.Notice{Until: s.now()})
	}
	if out := s.scan("out", s.pass("resident", s.subject("王小明"), month)); out.Verdict != policy.Admit {
		t.Fatalf("a first trip: %+v", out)
	}
	plan("after a trip, when it begins", begins, "2 out admit hold household-limit")
}
