package gate

import (
	"testing"
	"time"

	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/marks"
)

// mark records one, as the box does.
func (s *site) mark(what, word string, ref int64, until time.Duration, who ...ledger.Field) int64 {
	s.t.Helper()
	ev := ledger.Event{Reason: what, Ref: ref, By: unauthenticated, Personal: who}
	if ref == 0 {
		ev.Detail = map[string]string{"word": word, "from": s.now().Format(time.RFC3339), "until": s.now().Add(until).Format(time.RFC3339)}
	}
	seq, err := s.g.Mark(ev)
	if err != nil {
		s.t.Fatal(err)
	}
	return seq
}

// Rules ask for exemptions and for the watch list. Both count in their time, over restarts, and until their entry is erased.
func TestRulesAskWhoIsExemptOrWatched(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, err := policy.Parse("test.yaml", []byte(`name: test
levels: [{name: guarded, basis: contract}]
rules:
  - {name: watched, when: {watched: true}, then: hold}
  - {name: exempt, when: {exemption: [dialysis, supply], direction: out, proof: signed}, then: admit}
  - {name: home, when: {direction: in, known: true, valid: true, proof: signed}, then: admit}
  - {name: nobody-leaves, then: hold}
`))
	if err != nil {
		t.Fatal(err)
	}
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Repeat = p, 0 }))
	out := func(person, want string) {
		t.Helper()
		if o := s.scan("out", s.pass("resident", s.subject(person), month)); o.Verdict+" "+o.Rule != want {
			t.Errorf("%s: %s %s, want %s", person, o.Verdict, o.Rule, want)
		}
	}
	field := func(name, value string) ledger.Field { return ledger.Field{Name: name, Value: value} }
	out("王小明", "hold nobody-leaves")
	s.mark(marks.Exempt, "dialysis", 0, time.Hour, field("subject", s.subject("王小明")))
	s.g.review() // who waits is judged again, and goes through
	if h, last := s.g.View().Holds, s.last("out"); len(h) != 0 || last.Verdict+" "+last.Reason != "admit exempt" {
		t.Errorf("on hold are %+v, and the lane shows %+v", h, last)
	}
	out("王小明", "admit exempt")
	out("李芳", "hold nobody-leaves")
	home := s.mark(marks.Exempt, "supply", 0, 2*time.Hour, field("household", "3-2-501"))
	out("李芳", "admit exempt")
	s.end()
	s.start()
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Repeat = p, 0 }))
	out("王小明", "admit exempt")
	watched := s.mark(marks.Watch, "complaint", 0, time.Hour, field("subject", s.subject("李芳")))
	out("李芳", "hold watched")
	s.mark(marks.Ended, "", watched, 0)
	s.mark(marks.Ended, "", home, 0)
	out("李芳", "hold nobody-leaves")
	s.mu.Lock()
	s.shift += 61 * time.Minute
	s.mu.Unlock()
	out("王小明", "hold nobody-leaves")
	for _, e := range s.records() {
		if e.Kind == register.Query && (e.Detail["exemption"] != "" || e.Detail["watched"] != "") {
			t.Errorf("entry %d says in the clear who is marked", e.Seq)
		}
	}
	if _, equal, err := s.register.Rebuild(); err != nil || !equal {
		t.Errorf("made anew from the entries it is the same: %t, %v", equal, err)
	}
}
