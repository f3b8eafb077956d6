package gate

import (
	"testing"
	"time"

	"gated/credential"
	"gated/gate/ruling"
	"gated/policy"
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

// A phone may lie before the scanner while the guard decides, and after it: that is no new code. Whoever nobody decided about waits anew.
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
