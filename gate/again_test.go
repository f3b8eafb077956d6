package gate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gated/credential"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/roster"
	"gated/roster/sheet"
)

// passFrom is a pass of 王小明 that is good from then for three days.
func (s *site) passFrom(from time.Time) string {
	return must(credential.Issue(s.key, credential.Pass{Issuer: "office", Subject: s.subject("王小明"), Kind: "resident", NotBefore: from, NotAfter: from.Add(3 * 24 * time.Hour)}))
}

// wall sets the wall clock, and whether it is synchronised.
func (s *site) wall(synced bool, shift time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced, s.shift = synced, shift
}

func (s *site) doubtful(*testing.T) (lane, code string) {
	code = s.passFrom(time.Now().Add(-time.Hour))
	s.wall(false, 48*time.Hour)
	return "in", code
}

func early(s *site, _ *testing.T) (lane, code string) {
	return "in", s.passFrom(time.Now().Add(time.Hour))
}

// Whoever waits is judged again when the facts change: whom the rules admit now goes through, unless a guard has begun to answer; else
// their card says what is so now, and waits on. The code shown again is judged as if it were the first time. What the guard decided by
// the old facts counts for nothing.
func TestAHoldIsJudgedAgainWhereItsFactsChanged(t *testing.T) {
	t.Parallel()
	const again = "a repeat"
	level := func(s *site, level string) { s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = level })) }
	serial := func(s *site, code string) string { return s.trust.Check([]byte(code), s.now()).Serial }
	for name, tt := range map[string]struct {
		hold   func(s *site, t *testing.T) (lane, code string)
		was    string
		change func(s *site, code string) error
		card   string // reason and name
		rescan string
	}{
		"nothing":                    {early, "not-yet-valid", func(*site, string) error { return nil }, "not-yet-valid 王小明", again},
		"a neighbour removed":        {early, "not-yet-valid", func(s *site, _ string) error { return s.people.Remove(t.Context(), s.subject("李芳")) }, "not-yet-valid 王小明", again},
		"a level that asks the same": {early, "not-yet-valid", func(s *site, _ string) error { level(s, "controlled"); return nil }, "not-yet-valid 王小明", again},
		"the clock confirmed": {(*site).doubtful, "clock-untrusted", func(s *site, _ string) error {
			s.wall(false, 0)
			return s.g.ConfirmClock("")
		}, "valid-pass 王小明", "admit valid-pass"},
		"time passed": {early, "not-yet-valid", func(s *site, _ string) error { s.wall(true, 2*time.Hour); return nil }, "valid-pass 王小明", "admit valid-pass"},
		"the roster accepted": {func(s *site, _ *testing.T) (lane, code string) {
			s.g.RosterChanged(ledger.Event{Kind: register.Roster, Reason: "pass-revoked", By: unauthenticated, Detail: map[string]string{register.RosterChange: "99"}})
			return "in", s.pass("resident", s.subject("王小明"), month)
		}, policy.RosterFault, func(s *site, _ string) error { return s.people.Accept(t.Context(), 99) }, "valid-pass 王小明", "admit valid-pass"},
		"removed": {early, "not-yet-valid", func(s *site, _ string) error { return s.people.Remove(t.Context(), s.subject("王小明")) }, "not-yet-valid ", "refuse not-yet-valid"},
		"moved": {early, "not-yet-valid", func(s *site, _ string) error {
			_, err := s.people.Import(t.Context(), append([]sheet.Row{{Number: 9, ID: "r-000001", Building: "3", Unit: "2", Room: "502", Name: "王小明"}}, office[1:]...), roster.ImportOptions{CheckResidentID: func(string) (string, error) { return "1949-12-31", nil }})
			return err
		}, "not-yet-valid 王小明", "hold not-yet-valid"},
		"revoked": {(*site).doubtful, "clock-untrusted", func(s *site, code string) error { return s.people.Revoke(t.Context(), serial(s, code), "lost", true) }, "revoked 王小明", "hold revoked"},
		"the household revoked": {(*site).doubtful, "clock-untrusted", func(s *site, code string) error {
			_, err := s.people.RevokeHousehold(t.Context(), "3-2-501", time.Now())
			return err
		}, "revoked 王小明", "hold revoked"},
		"its issuer not trusted": {early, "not-yet-valid", func(s *site, _ string) error {
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Trust = &credential.Trust{} }))
			return nil
		}, "other-issuer ", "refuse other-issuer"},
		"another level": {func(s *site, t *testing.T) (lane, code string) {
			s.controlled()
			if out := s.scan("out", s.pass("resident", "r-000002", month)); out.Verdict != policy.Admit {
				t.Fatalf("the first trip: %+v", out)
			}
			return "out", s.pass("resident", s.subject("王小明"), month)
		}, "household-limit", func(s *site, _ string) error { level(s, "guarded"); return nil }, "valid-pass 王小明", "admit valid-pass"},
	} {
		begin := func(t *testing.T, then ...func(s *site, held Outcome)) (s *site, lane, code string, first Outcome) {
			t.Helper()
			t.Parallel()
			s = newSite(t)
			lane, code = tt.hold(s, t)
			if first = s.scan(lane, code); first.Verdict != policy.Hold || first.Reason != tt.was {
				t.Fatalf("first: %+v", first)
			}
			for _, do := range then {
				do(s, first)
			}
			if err := tt.change(s, code); err != nil {
				t.Fatal(err)
			}
			return s, lane, code, first
		}
		same, through := tt.rescan == again, tt.rescan == "admit valid-pass"
		t.Run(name+", the code again", func(t *testing.T) {
			s, lane, code, first := begin(t)
			out := s.scan(lane, code)
			got := out.Verdict + " " + out.Reason
			if out.Repeat && out.Passage == first.Passage {
				got = again
			}
			// The gate's own look may have come before: then it was judged again, and the code repeats that.
			if got != tt.rescan || out.Repeat && !same && out.Verdict == policy.Refuse {
				t.Errorf("got %s, want %s", got, tt.rescan)
			}
			if n := len(s.g.View().Holds); (n == 1) != (out.Verdict == policy.Hold) {
				t.Errorf("%d wait after %s", n, got)
			}
			s.superseded(first, !same)
		})
		t.Run(name+", the guard decides", func(t *testing.T) {
			s, _, _, first := begin(t)
			out, err := s.g.Decide(first.Passage, Ruling{Verdict: "admit", Reason: "document-sighted"})
			if same && (err != nil || out.Verdict != policy.Admit) || !same && !errors.Is(err, ErrChanged) && !errors.Is(err, ErrNoHold) {
				t.Fatalf("got %+v, %v", out, err)
			}
			if same {
				return
			}
			if holds := s.g.View().Holds; len(holds) == 0 && !through { // the gate's own look may have come before
				t.Error("nobody waits")
			} else if len(holds) > 0 {
				if out, err := s.g.Decide(holds[0].Passage, Ruling{Verdict: "refuse", Reason: "not-known"}); err != nil || out.Verdict != policy.Refuse {
					t.Errorf("having looked again: %+v, %v", out, err)
				}
			}
			s.superseded(first, true)
		})
		if through {
			t.Run(name+", nobody decides", func(t *testing.T) {
				s, lane, _, first := begin(t)
				until(t, "somebody through", func() bool { return len(s.g.View().Holds) == 0 })
				if last := s.last(lane); last.Verdict+" "+last.Reason != tt.rescan || last.By != byMachine || last.Passage == first.Passage {
					t.Errorf("the lane shows %+v", last)
				}
				s.superseded(first, true)
			})
		}
		t.Run(name+", a guard has begun", func(t *testing.T) {
			begun := func(s *site, held Outcome) {
				if err := s.g.Answering(held.Passage); err != nil {
					t.Fatal(err)
				}
			}
			s, lane, _, first := begin(t, begun)
			if same {
				s.g.review()
			}
			until(t, "the card", func() bool { return same == (s.g.View().Holds[0].Passage == first.Passage) })
			card := s.g.View().Holds[0]
			if got := card.Reason + " " + card.Name; got != tt.card || card.Verdict != policy.Hold || card.Until.Before(time.Now()) && tt.was != "clock-untrusted" {
				t.Errorf("the card says %s, want %s: %+v", got, tt.card, card)
			}
			if last := s.last(lane); last.Reason != card.Reason || last.Name != card.Name || last.Verdict != policy.Hold {
				t.Errorf("the lane shows %+v", last)
			}
			s.superseded(first, !same)
		})
	}
}

// superseded checks what the ledger says of a hold: that it was judged again, as another passage, or nothing of the kind.
func (s *site) superseded(first Outcome, is bool) {
	s.t.Helper()
	next := ""
	checks := map[string]bool{}
	for _, e := range s.records() {
		if e.Kind == register.Check {
			checks[e.Passage] = true
		}
		if e.Kind == register.Decided && e.Passage == first.Passage && e.Reason == "undecided-changed" {
			if next != "" || e.Verdict != policy.Undecided || e.By != byMachine {
				s.t.Errorf("%s", e.Raw)
			}
			next = e.Detail["next"]
		}
	}
	if is != (next != "") || is && (!checks[next] || next == first.Passage) {
		s.t.Errorf("judged again as %q, want so %t", next, is)
	}
}

// New rules that ask the same change nothing for the guard: the hold ends under those that it began with, and its entry says so.
func TestAHoldEndsUnderThePolicyThatItBeganWith(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, code := early(s, t)
	was := s.g.Rules().Policy
	held := s.scan("in", code)
	is := must(policy.Parse("new", append([]byte("# new\n"), was.Source()...)))
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = is }))
	if out, err := s.g.Decide(held.Passage, Ruling{Verdict: "admit", Reason: "document-sighted"}); err != nil || out.Verdict != policy.Admit {
		t.Fatalf("got %+v, %v", out, err)
	}
	for _, e := range s.records() {
		if e.Passage == held.Passage && e.Kind != register.Check && e.Policy != was.Hash() {
			t.Errorf("%s: want policy %s, not %s", e.Raw, was.Hash(), is.Hash())
		}
	}
}

// Whom the guard finds by room while they wait is shown as they are now. In a fault they stay what they were.
func TestWhoWaitsIsFoundByRoomAsTheyAreNow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	lane, code := s.doubtful(t)
	first := s.scan(lane, code)
	if err := s.people.Revoke(t.Context(), s.trust.Check([]byte(code), s.now()).Serial, "lost", true); err != nil {
		t.Fatal(err)
	}
	out := must(s.g.Present(lane, s.subject("王小明")))
	if out.Reason != "revoked" || out.Passage == first.Passage || !out.Repeat {
		t.Errorf("got %+v", out)
	}
	s.broken.Store(true)
	if err := s.people.Remove(t.Context(), s.subject("王小明")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.g.Decide(out.Passage, Ruling{Verdict: "admit", Reason: "document-sighted"}); err != nil || got.Verdict != Fault {
		t.Errorf("in a fault: %+v, %v", got, err)
	}
	if holds := s.g.View().Holds; len(holds) != 1 || holds[0].Passage != out.Passage {
		t.Errorf("in a fault there wait %+v", holds)
	}
	s.broken.Store(false)
}

// Whom the guard finds by room while they wait is the guard's, also where the rules would let them through by now.
func TestWhoIsFoundByRoomWaitsForTheGuard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	level := func(name string) { s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = name })) }
	level("sealed")
	s.scan("out", s.pass("resident", s.subject("李芳"), month))
	level("guarded")
	out := must(s.g.Present("out", s.subject("李芳")))
	s.g.review()
	if holds := s.g.View().Holds; out.Verdict != policy.Hold || len(holds) != 1 || holds[0].Passage != out.Passage {
		t.Errorf("%+v, and there wait %+v", out, holds)
	}
}

// The line about somebody who waits and was judged again is no answer to a code, and one who shows the same code again gets one.
func TestWhoIsJudgedAgainIsToldAsThat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 }))
	code := s.pass("resident", s.subject("王小明"), month)
	s.scan("in", code)
	if held := s.scan("in", code); held.Reason != "passed-back" {
		t.Fatalf("%+v", held)
	}
	s.scan("out", s.pass("resident", s.subject("王小明"), month)) // they went out, so that coming in is nothing odd; but it is not they who wait
	for len(s.outs) > 0 {
		<-s.outs
	}
	s.g.passage.Lock()
	s.g.desk.seen = state{}
	s.g.passage.Unlock()
	s.g.review()
	if old, now := <-s.outs, <-s.outs; old.Reason != "undecided-changed" || old.Again || now.Verdict != policy.Hold || !now.Again {
		t.Errorf("told as %+v and %+v", old, now)
	}
	if out := s.scan("in", code); out.Again {
		t.Errorf("the same code again: %+v", out)
	}
}

// The machine lets through who stands at the barrier still, one after the other: the second of a household counts the first one's trip.
// Whoever somebody came after at their lane is the guard's to decide about.
func TestTheMachineLetsThroughWhoStandsThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	level := func(name string) { s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = name })) }
	level("sealed")
	var held []Outcome
	for _, id := range []string{"王小明", "李芳"} {
		held = append(held, s.scan("out", s.pass("resident", s.subject(id), month)))
	}
	level("guarded")
	until(t, "the second one through", func() bool { h := s.g.View().Holds; return len(h) == 1 && h[0].Reason == "valid-pass" })
	if h := s.g.View().Holds[0]; h.Name != "王小明" || s.last("out").Verdict != policy.Admit || s.last("out").Name != "李芳" {
		t.Errorf("waits %+v, the lane shows %+v", h, s.last("out"))
	}
	s.superseded(held[0], true)
	s.superseded(held[1], true)
	if s.whereabouts(s.subject("李芳")) != "outside" || s.whereabouts(s.subject("王小明")) == "outside" {
		t.Error("not as it was recorded")
	}
}

// Two of a household who wait at two lanes do not both get its last trip.
func TestTwoThatWaitDoNotBothTakeTheLastTrip(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	s.more = []Lane{{ID: "out2", Direction: "out"}}
	s.start()
	s.controlled()
	sealed := s.g.Rules().Level
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = "sealed" }))
	for lane, id := range map[string]string{"out": "王小明", "out2": "李芳"} {
		if out := s.scan(lane, s.pass("resident", s.subject(id), month)); out.Verdict != policy.Hold {
			t.Fatalf("%+v", out)
		}
	}
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = sealed }))
	until(t, "one through, one told why not", func() bool {
		holds := s.g.View().Holds
		return len(holds) == 1 && holds[0].Reason == "household-limit"
	})
}

// Whom new rules refuse while a guard answers waits on, and is let through no more easily than whom they refuse who comes now: only for
// an urgent need. The card says so. Where rules hold again it is as before.
func TestABegunHoldWhomTheRulesRefuseByNow(t *testing.T) {
	t.Parallel()
	const file = "name: test\nlevels: [{name: guarded, basis: contract}]\nrules:\n  - {name: home, when: {direction: in, class: resident, known: true, valid: true, proof: signed}, then: admit}\n  - {name: staff, when: {class: staff}, then: %s}\n  - {name: others, then: hold}\n"
	for name, c := range map[string]struct {
		ruling Ruling
		then   []string // the rules' verdict, one after the other
		want   string
	}{
		"one key":                    {Ruling{Verdict: "admit", Reason: "known-by-sight"}, []string{"refuse"}, ""},
		"refused":                    {Ruling{Verdict: "refuse", Reason: "not-known"}, []string{"refuse"}, "refuse not-known"},
		"a sudden illness":           {Ruling{Verdict: "admit", Reason: "sudden-illness"}, []string{"refuse"}, "admit urgent-need"},
		"a rule with an override":    {Ruling{Verdict: "admit", Reason: "known-by-sight"}, []string{"refuse, override: guard"}, "admit known-by-sight"},
		"refused and held once more": {Ruling{Verdict: "admit", Reason: "known-by-sight"}, []string{"refuse", "hold"}, "admit known-by-sight"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			rule := func(then string) {
				p := must(policy.Parse(then, fmt.Appendf(nil, file, then)))
				s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = p }))
				s.g.review()
			}
			rule("hold")
			held := s.scan("in", s.pass("staff", s.subject("赵六"), month))
			if err := s.g.Answering(held.Passage); err != nil {
				t.Fatal(err)
			}
			for _, then := range c.then {
				rule(then)
			}
			h := s.g.View().Holds
			if len(h) != 1 || h[0].Verdict != policy.Hold || h[0].Refused != (c.then[len(c.then)-1] == "refuse") {
				t.Fatalf("there waits %+v", h)
			}
			out, err := s.g.Decide(h[0].Passage, c.ruling)
			if c.want == "" {
				if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "sudden-illness") || len(s.g.View().Holds) != 1 {
					t.Errorf("%+v, %v", out, err)
				}
				return
			}
			if got := out.Verdict + " " + out.Reason; got != c.want || err != nil {
				t.Errorf("got %s, %v, want %s", got, err, c.want)
			}
		})
	}
}
