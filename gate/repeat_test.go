package gate

import (
	"maps"
	"slices"
	"testing"
	"time"

	"gated/credential"
	"gated/gate/ruling"
	"gated/ledger"
	"gated/policy"
	"gated/register/marks"
	"gated/roster"
	"gated/roster/sheet"
)

// What was answered a moment ago is answered again only as long as it would be the same: who was revoked or removed since, or whom the
// level no longer lets pass, is judged anew. What changed for others changes nothing.
func TestARepeatIsJudgedAgainWhereTheFactsChanged(t *testing.T) {
	t.Parallel()
	const again = "a repeat"
	for name, tt := range map[string]struct {
		change func(s *site, serial string) error
		want   string
	}{
		"nothing":              {func(*site, string) error { return nil }, again},
		"revoked":              {func(s *site, serial string) error { return s.people.Revoke(t.Context(), serial, "lost", true) }, "hold revoked"},
		"another pass revoked": {func(s *site, _ string) error { return s.people.Revoke(t.Context(), "0011223344556677", "lost", true) }, again},
		"the household revoked": {func(s *site, _ string) error {
			_, err := s.people.RevokeHousehold(t.Context(), "3-2-501", s.now())
			return err
		}, "hold revoked"},
		"removed":             {func(s *site, _ string) error { return s.people.Remove(t.Context(), s.subject("王小明")) }, "hold unknown-out"},
		"a neighbour removed": {func(s *site, _ string) error { return s.people.Remove(t.Context(), s.subject("李芳")) }, again},
		"moved": {func(s *site, _ string) error {
			_, err := s.people.Import(t.Context(), append([]sheet.Row{{Number: 9, ID: "r-000001", Building: "3", Unit: "2", Room: "502", Name: "王小明"}}, office[1:]...), roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "1949-12-31", nil }})
			return err
		}, "hold passed-back"},
		"another level": {func(s *site, _ string) error {
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = "sealed" }))
			return nil
		}, "hold passed-back"},
		"its issuer not trusted": {func(s *site, _ string) error {
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Trust = &credential.Trust{} }))
			return nil
		}, "hold other-issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = time.Minute }))
			code := s.pass("resident", s.subject("王小明"), month)
			first := s.scan("out", code)
			if first.Verdict != policy.Admit || first.Repeat {
				t.Fatalf("first: %+v", first)
			}
			if err := tt.change(s, s.trust.Check([]byte(code), s.now()).Serial); err != nil {
				t.Fatal(err)
			}
			out := s.scan("out", code)
			got := out.Verdict + " " + out.Reason
			if out.Repeat {
				got = again
			}
			if got != tt.want || out.Repeat != (out.Passage == first.Passage) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if out.Verdict == policy.Admit {
				return
			}
			if next := s.scan("out", code); next.Passage != out.Passage || !next.Repeat {
				t.Errorf("and then %+v", next)
			}
		})
	}
}

// A phone may lie before the scanner while the guard decides, and after it: that is no new code. Whoever nobody decided about waits anew when
// they come back, and at each reading where the window is none.
func TestACodeThatStillLiesThereAfterTheDecisionIsNoNewOne(t *testing.T) {
	t.Parallel()
	for _, verdict := range []string{policy.Admit, policy.Refuse} {
		s := newSite(t)
		s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = time.Minute }))
		code := s.pass("resident", s.subject("王小明"), -time.Minute)
		held := s.scan("in", code)
		out, err := s.g.Decide(held.Passage, Ruling{Verdict: verdict, Reason: ruling.Reasons[verdict][0]})
		if err != nil {
			t.Fatal(err)
		}
		if again := s.scan("in", code); again.Passage != held.Passage || !again.Repeat || again.Verdict != out.Verdict || len(s.g.View().Holds) != 0 {
			t.Errorf("after %s: %+v", verdict, again)
		}
	}
	s := newSite(t)
	code := s.pass("resident", s.subject("王小明"), -time.Minute)
	first := s.nobodyDecides("in", code)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Hold, r.Repeat = time.Minute, time.Minute }))
	if again := s.scan("in", code); again.Passage == first.Passage || again.Verdict != policy.Hold || again.Repeat {
		t.Errorf("after nobody decided: %+v", again)
	}
}

// lieThere has a code that was read count as lying before the scanner for as long as a test takes, or as taken away just now.
func (s *site) lieThere() { s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = time.Hour })) }
func (s *site) takeAway() {
	s.g.passage.Lock()
	defer s.g.passage.Unlock()
	s.g.read.Drop(func(passage) bool { return true })
}

// runOut has the time of whoever waits be up.
func (s *site) runOut() {
	s.g.passage.Lock()
	holds := slices.Collect(maps.Values(s.g.desk.holds))
	s.g.passage.Unlock()
	for _, h := range holds {
		s.g.expire(h)
	}
}

// A phone that was left before the scanner waits for no two minutes to pass: they count from when its code was read first, also once its
// hold has run out, and that is no other passage. Who takes it away and comes back is judged anew.
func TestACodeThatLiesThereIsOnePassage(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{true, false} {
		s := newSite(t)
		s.lieThere()
		s.scan("in", s.pass("resident", s.subject("王小明"), month))
		s.later(30 * time.Second)
		back := s.pass("resident", s.subject("王小明"), month-time.Hour)
		held := s.scan("in", back)
		if held.Verdict+" "+held.Reason != "hold passed-back" {
			t.Fatalf("%+v", held)
		}
		want := policy.Hold
		if !waits {
			s.runOut()
			want = policy.Undecided
		}
		for range 12 {
			s.later(15 * time.Second)
			s.g.review()
			if out := s.scan("in", back); out.Passage != held.Passage || !out.Repeat || out.Verdict != want {
				t.Fatalf("it waits %t: the code that lies there: %+v", waits, out)
			}
		}
		if n := len(s.g.View().Undecided); n != map[bool]int{false: 1}[waits] {
			t.Errorf("it waits %t: asked about %d", waits, n)
		}
		s.takeAway()
		if out := s.scan("in", back); out.Passage == held.Passage || out.Verdict+" "+out.Reason != "admit same-way-noted" {
			t.Errorf("it waits %t: who came back: %+v", waits, out)
		}
	}
}

// Who was admitted, and whose phone lies there still, is no new passage when an exemption of theirs is recorded, or the box is sure of the
// time, or no longer; they are when they are watched, or their pass is not good.
func TestWhoIsThroughIsNoNewPassageByWhatTheBoxLearns(t *testing.T) {
	t.Parallel()
	who := func(s *site) ledger.Field { return ledger.Field{Name: "subject", Value: s.subject("李芳")} }
	for name, c := range map[string]struct {
		before, learns func(s *site)
		anew           bool
	}{
		"an exemption":     {nil, func(s *site) { s.mark(marks.Exempt, "pupil", 0, month, who(s)) }, false},
		"the time":         {func(s *site) { s.wall(false, 48*time.Hour) }, func(s *site) { s.wall(true, 0) }, false},
		"nothing for sure": {nil, func(s *site) { s.wall(false, 48*time.Hour) }, false},
		"an order to look": {nil, func(s *site) { s.mark(marks.Watch, "complaint", 0, month, who(s)) }, true},
		"another level":    {nil, func(s *site) { s.atLevel("controlled") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.lieThere()
			if c.before != nil {
				c.before(s)
			}
			code := s.pass("resident", s.subject("李芳"), map[bool]time.Duration{true: 3 * month, false: 24 * time.Hour}[c.before != nil])
			in := s.scan("in", code)
			if in.Verdict != policy.Admit {
				t.Fatalf("%+v", in)
			}
			c.learns(s)
			if out := s.scan("in", code); out.Repeat == c.anew || (out.Passage == in.Passage) == c.anew {
				t.Errorf("%+v, after %+v", out, in)
			}
		})
	}
}

// Who comes back to wait on begins anew, also where a guard has begun to answer: from then on it is one reading again.
func TestWhoComesBackWhileTheyWaitIsReadAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lieThere()
	s.scan("in", s.pass("resident", s.subject("王小明"), month))
	back := s.pass("resident", s.subject("王小明"), month-time.Hour)
	held := s.scan("in", back)
	s.takeAway()
	s.later(time.Minute)
	if out := s.scan("in", back); out.Passage != held.Passage || !out.Repeat {
		t.Fatalf("within two minutes: %+v", out)
	}
	if err := s.g.Answering(held.Passage); err != nil {
		t.Fatal(err)
	}
	s.later(2 * time.Minute)
	s.scan("in", back)
	s.g.review()
	if h := s.g.View().Holds; len(h) != 1 || h[0].Reason != "passed-back" {
		t.Errorf("while it lies there waits %+v", h)
	}
	s.takeAway()
	s.scan("in", back)
	s.g.passage.Lock()
	s.g.desk.seen = state{}
	s.g.passage.Unlock()
	s.g.review()
	if h := s.g.View().Holds; len(h) != 1 || h[0].Reason != "same-way-noted" {
		t.Errorf("once they came back waits %+v", h)
	}
}

// Who may pass by now is no repeat of a hold that ran out.
func TestWhoMayPassByNowIsNotAskedToTakeTheCodeAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.strict()
	s.lieThere()
	first := s.scan("out", s.pass("resident", s.subject("王小明"), month))
	code := s.pass("resident", s.subject("李芳"), month)
	if held := s.scan("out", code); held.Reason != "household-limit" || held.Verdict != policy.Hold {
		t.Fatalf("%+v", held)
	}
	s.runOut()
	if err := s.g.Annul(first.Passage, ""); err != nil {
		t.Fatal(err)
	}
	if out := s.scan("out", code); out.Verdict != policy.Admit || out.Repeat {
		t.Errorf("%+v", out)
	}
}
