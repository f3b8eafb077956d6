package gate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gated/policy"
)

// level puts a level of the settings into force.
func (s *site) atLevel(name string) {
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = name }))
}

// judged has whoever waits judged again, now.
func (s *site) judged() {
	s.g.passage.Lock()
	s.g.desk.seen = state{}
	s.g.passage.Unlock()
	s.g.review()
}

// However long one of two waits with the same pass, the machine lets one of them through, and nobody while the other has just passed.
func TestAPassHandedBackIsNobodysWayThrough(t *testing.T) {
	t.Parallel()
	t.Run("two lanes, one pass", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.end()
		s.more = []Lane{{ID: "out2", Direction: "out"}}
		s.start()
		s.atLevel("sealed")
		code := s.pass("resident", s.subject("王小明"), month)
		s.scan("out", code)
		s.wall(true, 90*time.Second)
		s.scan("out2", code)
		s.atLevel("guarded")
		until(t, "one through", func() bool { return len(s.g.View().Holds) < 2 })
		s.judged()
		s.judged()
		if holds := s.g.View().Holds; len(holds) != 1 {
			t.Errorf("%d wait still", len(holds))
		}
	})
	t.Run("the clock confirmed", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 }))
		_, code := s.doubtful(t)
		first := s.scan("in", code)
		if out, err := s.g.Decide(first.Passage, Ruling{Verdict: "admit", Reason: "document-sighted"}); err != nil || out.Verdict != policy.Admit {
			t.Fatal(out, err)
		}
		if back := s.scan("in", code); back.Verdict != policy.Hold {
			t.Fatalf("handed back: %+v", back)
		}
		s.wall(false, 0)
		if err := s.g.ConfirmClock(""); err != nil {
			t.Fatal(err)
		}
		s.judged()
		if holds := s.g.View().Holds; len(holds) != 1 || holds[0].Reason != "passed-back" {
			t.Errorf("waits %+v", holds)
		}
	})
}

// Whoever somebody has come after at their lane, in whatever way, does not go through by themselves.
func TestWhoStandsThereNoMoreIsTheGuards(t *testing.T) {
	t.Parallel()
	for name, comes := range map[string]func(s *site) error{
		"a code that was not whole": func(s *site) error { s.g.ScannerDropped("out", "timeout"); return nil },
		"found by room":             func(s *site) error { _, err := s.g.Present("out", s.subject("李芳")); return err },
		"open by hand":              func(s *site) error { return s.g.OpenByHand("out", "school-run") },
		"a guard has begun": func(s *site) error {
			return s.g.Answering(s.g.View().Holds[0].Passage)
		},
		"nobody": func(*site) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.atLevel("sealed")
			held := s.scan("out", s.pass("resident", s.subject("王小明"), month))
			if err := comes(s); err != nil {
				t.Fatal(err)
			}
			s.atLevel("guarded")
			s.judged()
			waits := false
			for _, h := range s.g.View().Holds {
				waits = waits || h.Name == "王小明" && h.Passage != held.Passage
			}
			if waits == (name == "nobody") {
				t.Errorf("waits still: %t", waits)
			}
		})
	}
}

// The guard who has begun to answer decides, also where the code is read again meanwhile, and is not pushed off by a crowd.
func TestWhomAGuardHasBegunToAnswerStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.atLevel("sealed")
	code := s.pass("resident", s.subject("王小明"), month)
	held := s.scan("out", code)
	if err := s.g.Answering(held.Passage); err != nil {
		t.Fatal(err)
	}
	s.atLevel("guarded")
	if out := s.scan("out", code); out.Verdict != policy.Hold || !out.Repeat {
		t.Errorf("the code again: %+v", out)
	}
	var begun Outcome
	for i := range maxStated {
		if out := s.scan("out", fmt.Sprintf("GP1:%04dBB8", i)); i == 0 {
			begun = out
		}
	}
	if err := s.g.Answering(begun.Passage); err != nil {
		t.Fatal(err)
	}
	s.scan("out", "11010519491231002X")
	if out, err := s.g.Decide(begun.Passage, Ruling{Verdict: "refuse", Reason: "not-known"}); err != nil || out.Verdict != policy.Refuse {
		t.Errorf("%+v, %v", out, err)
	}
}

// A plate of police or 应急 is held, however many strangers wait.
func TestAPlateOfTheServicesFindsAPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range maxStated + 1 {
		s.scan("in", fmt.Sprintf("GP1:%04dBB8", i))
	}
	for _, plate := range []string{"粤A1234警", "粤AX123应急"} {
		if out := s.scan("in", plate); out.Verdict != policy.Hold {
			t.Errorf("%s: %+v", plate, out)
		}
	}
}

// Who may only be admitted against a refusal with somebody else's word takes that on a hold, too: of a resident, whom no rule refuses,
// found by room, or where other rules have come into force.
func TestAHoldTakesNoLessThanARefusal(t *testing.T) {
	t.Parallel()
	for _, override := range []string{policy.OverrideSecond, policy.OverrideTelephone, policy.OverrideGuard, ""} {
		rule := "then: refuse"
		if override != "" {
			rule += ", override: " + override
		}
		p := must(policy.Parse("own", []byte("name: own\nlevels: [{name: guarded, basis: contract}]\nrules:\n"+
			"  - {name: home, when: {direction: in, class: resident, known: true, valid: true, proof: signed}, then: admit}\n  - {name: banned, "+rule+"}\n")))
		for how, hold := range map[string]func(s *site) Outcome{
			"a resident":         func(s *site) Outcome { return s.scan("out", s.pass("resident", s.subject("王小明"), month)) },
			"a resident by room": func(s *site) Outcome { return must(s.g.Present("in", s.subject("王小明"))) },
			"by room":            func(s *site) Outcome { return must(s.g.Present("in", s.subject("赵六"))) },
			"other rules": func(s *site) Outcome {
				was := s.g.Rules().Policy
				s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Level = policy.Shipped(), "normal" }))
				held := s.scan("in", "GP1:STRANGER")
				if err := s.g.Answering(held.Passage); err != nil {
					t.Fatal(err)
				}
				s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Level = was, "guarded" }))
				s.judged()
				held.Passage = s.g.View().Holds[0].Passage
				return held
			},
		} {
			t.Run(how+", "+override, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				if err := s.g.SignOn("周建国"); err != nil {
					t.Fatal(err)
				}
				s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = p }))
				out := hold(s)
				if how == "by room" && override == "" {
					if out.Verdict != policy.Refuse {
						t.Errorf("nobody may: %+v", out)
					}
					return
				}
				alone := Ruling{Verdict: "admit", Reason: "known-by-sight"}
				agreed := override == policy.OverrideSecond || override == policy.OverrideTelephone
				if agreed || override == "" && strings.HasPrefix(how, "a resident") { // no override is no weaker than one
					if got, err := s.g.Decide(out.Passage, alone); !errors.Is(err, ErrInvalid) {
						t.Errorf("alone: %+v, %v", got, err)
					}
					alone.Answers = answers{"agrees": "陈站长"}
				} else if override == "" && how == "other rules" { // a guard had begun to answer
					if got, err := s.g.Decide(out.Passage, alone); !errors.Is(err, ErrInvalid) {
						t.Errorf("nobody may: %+v, %v", got, err)
					}
					alone.Reason = "personal-safety"
				}
				if got, err := s.g.Decide(out.Passage, alone); err != nil || got.Verdict != policy.Admit {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
	}
}

// Whoever waits is refused by the machine once the rules refuse them, and may be admitted against that as ever.
func TestWhoWaitsIsRefusedOnceTheRulesDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.atLevel("normal")
	s.scan("in", "GP1:STRANGER")
	s.atLevel("guarded")
	s.judged()
	if r := s.refused("in"); len(s.g.View().Holds) != 0 || r == nil || r.Override != policy.OverrideTelephone {
		t.Errorf("waits %+v, refused %+v", s.g.View().Holds, r)
	}
}
