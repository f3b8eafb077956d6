package gate

import (
	"strings"
	"testing"
	"time"

	"gated/gate/ruling"
	"gated/policy"
	"gated/register"
)

// Whoever has to pass for their safety or a sudden illness passes at every level, whatever is asked. Why stands sealed.
func TestAnUrgentNeedAdmitsAtEveryLevel(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, level := range s.policy.Levels() {
		for _, reason := range []string{"personal-safety", "sudden-illness"} {
			s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level, r.Repeat = level, 0 }))
			held := s.scan("out", s.pass("resident", s.subject("王小明"), -time.Minute))
			if held.Verdict != policy.Hold {
				t.Fatalf("%s: %+v", level, held)
			}
			out, err := s.g.Decide(held.Passage, Ruling{Verdict: policy.Admit, Reason: reason})
			if err != nil || out.Verdict != policy.Admit || out.Reason != ruling.UrgentNeed {
				t.Errorf("%s, %s: %+v, %v", level, reason, out, err)
			}
			for _, e := range s.records() {
				if e.Passage == held.Passage && e.Kind == register.Decided && (e.Reason != ruling.UrgentNeed || e.Personally("need") != reason) ||
					strings.Contains(says(&e), reason) {
					t.Errorf("entry %d: %s, %q", e.Seq, e.Raw, e.Personally("need"))
				}
			}
		}
	}
}
