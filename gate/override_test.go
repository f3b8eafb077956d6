package gate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gated/barrier"
	"gated/gate/ruling"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// overriding is a site whose policy refuses cars, whom a guard may admit all the same, and everybody else, by telephone.
func overriding(t *testing.T) *site {
	s := newSite(t)
	p, err := policy.Parse("own", []byte(`
name: own
levels: [{name: guarded, basis: contract}]
rules:
  - {name: plates, when: {credential: plate}, then: refuse, override: second-person}
  - {name: cars, when: {class: vehicle}, then: refuse, override: guard}
  - {name: forged, when: {credential_reason: bad-signature}, then: refuse}
  - {name: known, when: {known: true, class: resident, valid: true, proof: signed}, then: admit}
  - {name: others, then: refuse, override: telephone}
`))
	if err != nil {
		t.Fatal(err)
	}
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = p }))
	return s
}

func (s *site) refused(lane string) *Refused {
	for _, l := range s.g.View().Lanes {
		if l.ID == lane {
			return l.Refused
		}
	}
	return nil
}

// Where the rule allows it the guard admits against a refusal, and says why. Only then does it open; it counts as an admission from then on.
func TestAGuardAdmitsAgainstARefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, code string
		how        string
		o          Override
		reason     string // on record
		need       string // sealed
	}{
		{"by the guard", "粤B54321", policy.OverrideGuard, Override{Reason: "official-duty", Note: "water main"}, "official-duty", ""},
		{"for an urgent need", "粤B54321", policy.OverrideGuard, Override{Reason: "sudden-illness", Note: "child with a fever"}, ruling.UrgentNeed, "sudden-illness"},
		{"by telephone", "110105195001010012", policy.OverrideTelephone, Override{Reason: "approved-by-telephone", Approver: "物业张经理"},
			"approved-by-telephone", ""},
		{"a second person", "粤B99999", policy.OverrideSecond, Override{Reason: "second-person-agrees", Approver: "张站长"},
			"second-person-agrees", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := overriding(t)
			if c.how == policy.OverrideGuard {
				c.code = s.pass("vehicle", s.subject("粤B54321"), month)
			}
			out := s.scan("in", c.code)
			r := s.refused("in")
			if out.Verdict != policy.Refuse || r == nil || r.Passage != out.Passage || r.Override != c.how || r.Reason != out.Reason || s.refused("out") != nil {
				t.Fatalf("%+v, %+v", out, r)
			}
			for what, o := range map[string]Override{
				"no reason": {}, "one of a hold": {Reason: "known-by-sight"}, "the other one's": {Reason: "approved-by-telephone"},
				"a name that is not asked for": {Reason: "sudden-illness", Approver: "张"}, "which no rule has": {Reason: "resident-swears"}, "a long note": {Reason: c.o.Reason, Approver: c.o.Approver, Note: strings.Repeat("x", 501)},
			} {
				if what == "the other one's" && c.how == policy.OverrideTelephone {
					what = "nobody approved"
				}
				if _, err := s.g.Override(out.Passage, o); !errors.Is(err, ErrInvalid) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if c.how == policy.OverrideSecond { // agrees with somebody, and that is another one
				alone := c.o
				for _, name := range []string{"", "周建国"} {
					if name != "" {
						if err := s.g.SignOn(name); err != nil {
							t.Fatal(err)
						}
						alone.Approver = " 周建国"
					}
					if _, err := s.g.Override(out.Passage, alone); !errors.Is(err, ErrInvalid) {
						t.Errorf("on duty is %q: %v", name, err)
					}
				}
			}
			done, err := s.g.Override(out.Passage, c.o)
			if err != nil || done.Verdict != policy.Admit || done.Passage != out.Passage || done.Reason != c.reason || done.Rule != out.Rule {
				t.Fatalf("%+v, %v", done, err)
			}
			if last := s.last("in"); last.Verdict != policy.Admit || last.By != unauthenticated || s.refused("in") != nil {
				t.Errorf("the lane shows %+v", last)
			}
			if again := s.scan("in", c.code); !again.Repeat || again.Verdict != policy.Admit {
				t.Errorf("held up still: %+v", again)
			}
			if _, err := s.g.Override(out.Passage, c.o); !errors.Is(err, ErrNoRefusal) {
				t.Errorf("a second time: %v", err)
			}
			var e ledger.Entry
			for _, e = range s.records() {
			}
			if e.Kind != register.Correction || e.Detail["was"] != policy.Refuse || e.Detail["override"] != c.how || e.Ref != out.Seq || e.By != unauthenticated ||
				e.Personally("approved_by") != c.o.Approver || e.Personally("note") != c.o.Note || strings.Contains(says(&e), "张") ||
				e.Personally("need") != c.need || strings.Contains(says(&e), "sudden") {
				t.Errorf("%s %v", e.Raw, e.Personal)
			}
			if c.how == policy.OverrideGuard && s.whereabouts(s.subject("粤B54321")) != "inside" {
				t.Errorf("the car is %q", s.whereabouts(s.subject("粤B54321")))
			}
			if _, equal, err := s.register.Rebuild(); err != nil || !equal { // which writes the index
				t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
			}
			found, err := register.Search(s.dir, register.Filter{Reason: c.reason, Limit: 5})
			if err != nil || len(found) != 1 || found[0].ID != out.Passage {
				t.Errorf("the manager finds %+v, %v", found, err)
			}
			if err := s.g.Annul(out.Passage, ""); err != nil {
				t.Errorf("and they did not go through: %v", err)
			}
			if _, equal, err := s.register.Rebuild(); err != nil || !equal {
				t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
			}
		})
	}
}

func TestWhatNoGuardOverrides(t *testing.T) {
	t.Parallel()
	s := overriding(t)
	why := Override{Reason: "approved-by-telephone", Approver: "物业张经理"}
	forged := s.scan("in", spoilt(s.pass("staff", s.subject("赵六"), month)))
	if _, err := s.g.Override(forged.Passage, why); forged.Verdict != policy.Refuse || !errors.Is(err, ErrInvalid) || s.refused("in").Override != "" {
		t.Errorf("a rule that does not allow it: %+v, %v", forged, err)
	}
	hold := s.scan("in", s.pass("resident", s.subject("王小明"), -time.Minute))
	if _, err := s.g.Decide(hold.Passage, Ruling{Verdict: policy.Refuse, Reason: "not-known"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.g.Override(hold.Passage, why); !errors.Is(err, ErrInvalid) {
		t.Errorf("what the guard refused: %v", err)
	}
	old := s.scan("in", "110105195001010012")
	newer := s.scan("in", "110105194912310021")
	if _, err := s.g.Override(old.Passage, why); !errors.Is(err, ErrNoRefusal) {
		t.Errorf("not the newest: %v", err)
	}
	s.broken.Store(true)
	for range 2 {
		if out, err := s.g.Override(newer.Passage, why); err != nil || out.Verdict != Fault {
			t.Errorf("in a fault: %+v, %v", out, err)
		}
	}
	s.broken.Store(false)
	until(t, "the ledger works", func() bool { return !s.g.Fault() })
	s.g.lanes.Of("in").Refuse(nil)
	if _, err := s.g.Override(newer.Passage, why); !errors.Is(err, ErrNoRefusal) || s.refused("in") != nil {
		t.Errorf("which the lane has no more, as after a minute: %v", err)
	}
	last := s.scan("in", "110105195203040016")
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = policy.Shipped() }))
	if _, err := s.g.Override(last.Passage, why); !errors.Is(err, ErrNoRefusal) {
		t.Errorf("by rules that are no more: %v", err)
	}
}

// Who is refused passes all the same for their safety or a sudden illness, whoever or whatever refused, by rules of now or of before.
func TestAnUrgentNeedAdmitsAgainstEveryRefusal(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(s *site) Outcome{
		"a rule without an override": func(s *site) Outcome { return s.scan("in", spoilt(s.pass("staff", s.subject("赵六"), month))) },
		"one by telephone":           func(s *site) Outcome { return s.scan("in", "110105195001010012") },
		"several codes":              func(s *site) Outcome { return s.scan("in", "110105195001010012 110105194912310021") },
		"a guard": func(s *site) Outcome {
			hold := s.scan("in", s.pass("resident", s.subject("王小明"), -time.Minute))
			out, err := s.g.Decide(hold.Passage, Ruling{Verdict: policy.Refuse, Reason: "not-known"})
			if err != nil {
				t.Error(err)
			}
			return out
		},
		"rules that are no more": func(s *site) Outcome {
			out := s.scan("in", "110105195001010012")
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = policy.Shipped() }))
			return out
		},
		"a code shown again": func(s *site) Outcome {
			code := spoilt(s.pass("staff", s.subject("赵六"), month))
			s.scan("in", code)
			s.g.lanes.Of("in").Refuse(nil)
			return s.scan("in", code)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := overriding(t)
			out := refuse(s)
			if r := s.refused("in"); out.Verdict != policy.Refuse || r == nil || r.Passage != out.Passage {
				t.Fatalf("%+v, the page has %+v", out, r)
			}
			done, err := s.g.Override(out.Passage, Override{Reason: "personal-safety"})
			if err != nil || done.Verdict != policy.Admit || done.Reason != ruling.UrgentNeed || s.refused("in") != nil {
				t.Fatalf("%+v, %v", done, err)
			}
			all := s.records()
			if e := all[len(all)-1]; e.Detail["override"] != policy.OverrideGuard || e.Personally("need") != "personal-safety" {
				t.Errorf("%s", e.Raw)
			}
		})
	}
	s := overriding(t)
	s.broken.Store(true)
	if out := s.scan("in", "110105195001010012"); out.Verdict != Fault || s.refused("in") != nil {
		t.Errorf("what was not recorded: %+v, %+v", out, s.refused("in"))
	}
	s.broken.Store(false)
}

// An override opens once its entry is durable, and its pulse names that.
func TestAnOverrideOpens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	s.relays = map[string]*barrier.Barrier{"in": relaySaying(t, "")}
	s.start()
	out := s.scan("in", "110105195001010012")
	s.g.work.Wait()
	for _, e := range s.records() {
		if e.Kind == register.Opening {
			t.Fatalf("opened: %s", e.Raw)
		}
	}
	done, err := s.g.Override(out.Passage, Override{Reason: "approved-by-telephone", Approver: "物业张经理"})
	if err != nil || done.Verdict != policy.Admit {
		t.Fatalf("%+v, %v", done, err)
	}
	s.pulsed(1)
	all := s.records()
	if e := all[len(all)-1]; e.Kind != register.Opening || e.Reason != "pulse" || all[e.Ref-1].Kind != register.Correction {
		t.Errorf("%s", e.Raw)
	}
}
