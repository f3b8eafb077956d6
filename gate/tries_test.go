package gate

import (
	"cmp"
	"strconv"
	"testing"
	"time"

	"gated/credential"
	"gated/gate/tries"
	"gated/policy"
	"gated/register"
)

// GB 50396-2007, 5.1.5: whoever tries one code after the other raises an alarm. Who holds up the code of a payment, a damaged
// pass or one of the neighbours tries nothing.
func TestWrongCodesInARowRaiseAnAlarm(t *testing.T) {
	t.Parallel()
	const forged, same, ownKey, revoked, good, other = "forged", "the same", "by a key of one's own", "revoked", "good", "of a neighbour"
	const foreign = "134567890123456789" // of a payment
	for _, c := range []struct {
		name   string
		tries  []string
		alarms int
	}{
		{"four", []string{forged, forged, forged, forged}, 0},
		{"five", []string{forged, revoked, forged, revoked, forged}, 1},
		{"nine", []string{forged, forged, forged, forged, forged, forged, forged, forged, forged}, 1},
		{"ten", []string{forged, forged, forged, forged, forged, forged, forged, forged, forged, forged}, 2},
		{"a resident between", []string{forged, forged, forged, forged, good, forged}, 0},
		{"payments between", []string{forged, forged, foreign, forged, forged, foreign, forged}, 1},
		{"payments", []string{foreign, foreign, foreign, foreign, foreign, foreign}, 0},
		{"neighbours", []string{other, other, other, other, other, other}, 0},
		{"the same one again", []string{same, same, same, same, same, same}, 0},
		{"by a key of one's own", []string{ownKey, ownKey, ownKey, ownKey, ownKey}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			first := ""
			code := func(what string) string {
				pass := s.pass("resident", s.subject("王小明"), month)
				switch what {
				case same:
					first = cmp.Or(first, spoilt(pass))
					return first
				case forged:
					return spoilt(pass)
				case revoked:
					if err := s.people.Revoke(t.Context(), s.trust.Check([]byte(pass), s.now()).Serial, "lost", true); err != nil {
						t.Fatal(err)
					}
				case other:
					return must(credential.Issue(credential.NewKey(), credential.Pass{Issuer: "neighbours", Subject: s.subject("王小明"),
						Kind: "resident", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(month)}))
				case ownKey:
					return must(credential.Issue(credential.NewKey(), credential.Pass{Issuer: "office", Subject: s.subject("王小明"),
						Kind: "resident", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(month)}))
				case foreign:
					return foreign
				}
				return pass
			}
			var answers []string
			for _, what := range c.tries {
				out := s.scan("in", code(what))
				answers = append(answers, out.Verdict+" "+out.Check)
			}
			alarms := 0
			for _, e := range s.records() {
				if e.Kind == register.Alarm && e.Reason == "wrong-tries" && e.Lane == "in" && e.Detail["codes"] == "5" && e.Passage == "" {
					alarms++
				}
			}
			if v := s.g.View().Lanes; alarms != c.alarms || v[0].WrongTries != (c.alarms > 0) || v[1].WrongTries {
				t.Errorf("%d alarms, want %d; the page says so: %t, of the other lane %t; answered %q", alarms, c.alarms, v[0].WrongTries,
					v[1].WrongTries, answers)
			}
		})
	}
}

// Five in two minutes are an alarm, five in the course of a day are not.
func TestWrongCodesOfADayRaiseNone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	l := s.g.lanes.Of("in")
	s.g.tries["in"] = tries.Row{time.Now().Add(-3 * time.Minute), time.Now().Add(-100 * time.Second), time.Now().Add(-time.Minute), time.Now()}
	wrong := &passage{lane: l, decision: policy.Decision{Verdict: policy.Refuse}, facts: policy.Facts{Reason: "bad-signature"}}
	row, alarm := s.g.tried(wrong)
	if alarm != nil || len(row) >= tries.Most {
		t.Errorf("an alarm: %v, %d are remembered", alarm, len(row))
	}
	s.g.tries["in"] = row
	if _, alarm = s.g.tried(wrong); alarm == nil { // the fifth since two minutes ago
		t.Error("no alarm about the fifth")
	}
}

// A code that could not be recorded is tried again.
func TestAWrongCodeInAFaultCountsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pass := s.pass("resident", s.subject("王小明"), month)
	try := func(i int) Outcome { return s.scan("in", pass[:len(pass)-3]+strconv.Itoa(100+i)) }
	for i := range tries.Most - 1 {
		try(i)
	}
	s.broken.Store(true)
	if out := try(tries.Most); out.Verdict != Fault || s.g.View().Lanes[0].WrongTries {
		t.Errorf("in a fault: %+v", out)
	}
	s.broken.Store(false)
	until(t, "the fault to end", func() bool { return !s.g.Fault() })
	if out := try(tries.Most); out.Verdict == Fault || !s.g.View().Lanes[0].WrongTries {
		t.Errorf("after it no alarm: %+v", out)
	}
}

// An admission ends the row, whoever decided it.
func TestAnAdmissionByTheGuardEndsTheRow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	forged := func() Outcome { return s.scan("in", spoilt(s.pass("staff", s.subject("赵六"), month))) }
	for range tries.Most - 2 {
		forged()
	}
	out := forged()
	var err error
	if out.Verdict == policy.Hold {
		_, err = s.g.Decide(out.Passage, Ruling{Verdict: policy.Admit, Reason: "known-by-sight"})
	} else {
		_, err = s.g.Override(out.Passage, Override{Reason: "sudden-illness"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if forged(); s.g.View().Lanes[0].WrongTries {
		t.Error("an alarm about a new row of one")
	}
}
