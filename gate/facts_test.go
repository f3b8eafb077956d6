package gate

import (
	"testing"
	"time"

	"gated/credential"
	"gated/policy"
	"gated/register"
	"gated/register/trips"
)

// Where there is no ground in law to ask for somebody's health, a certificate that is shown all the same names its holder: what it
// says of their body is neither on the page nor in the ledger, also of who waits when the level changes.
func TestHealthIsNeitherShownNorKeptWithoutAGround(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	level := func(name string) { s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = name })) }
	shot := s.dcc(credential.Health{Kind: credential.Vaccination, Date: "2026-01-01", Dose: 2, Doses: 2})
	waits := s.scan("in", shot)
	if v := s.g.View(); len(v.Holds) != 1 || v.Holds[0].Health != "vaccination" {
		t.Fatalf("at %s: %+v", s.g.Rules().Level, v.Holds)
	}
	level("normal")
	s.g.review()
	at := s.records()[len(s.records())-1].Seq
	if v := s.g.View(); len(v.Holds) != 1 || v.Holds[0].Health != "" || v.Holds[0].Passage == waits.Passage || v.Holds[0].Reason != "health-certificate" {
		t.Errorf("who waited: %+v", v.Holds)
	}
	if out := s.scan("out", shot); out.Verdict != policy.Hold || out.Credential != "eu-dcc" || s.last("out").Health != "" {
		t.Errorf("at normal: %+v, the page shows %+v", out, s.last("out"))
	}
	kept := 0
	for _, e := range s.records() {
		if e.Kind == register.Query && e.Personally("health") != "" {
			kept++
			if e.Seq > at {
				t.Errorf("kept: %s %v", e.Raw, e.Personal)
			}
		}
	}
	if kept != 1 {
		t.Errorf("%d entries tell of health, want that of the first scan", kept)
	}
}

// Rules may ask where somebody lives and is, and what time it is at the gate.
func TestRulesAskForPlaceAndTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	slot := func(from, to time.Duration) string {
		now := s.now().In(s.l.Zone())
		return now.Add(from).Format("15:04") + "-" + now.Add(to).Format("15:04")
	}
	rules := func(first string) {
		s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) {
			r.Repeat = 0
			r.Policy = must(policy.Parse("test", []byte("name: test\nlevels: [{name: guarded, basis: contract}]\nrules:\n"+first+`
  - {name: out-twice, when: {direction: out, whereabouts: outside}, then: hold}
  - {name: unit, when: {unit: 3-2, whereabouts: unknown, valid: true, proof: signed}, then: admit}
  - {name: building, when: {building: 3, valid: true, proof: signed}, then: admit}
  - {name: home, when: {direction: in, class: resident, known: true, valid: true, proof: signed}, then: admit}
  - {name: others, then: hold}
`)))
		}))
	}
	rules("  - {name: later, when: {direction: out, time: " + slot(2*time.Hour, 3*time.Hour) + "}, then: hold}")
	here := s.pass("resident", s.subject("王小明"), month)
	for _, step := range []struct{ lane, want string }{{"in", "unit"}, {"in", "building"}, {"out", "building"}, {"out", "out-twice"}, {"in", "building"}} {
		if out := s.scan(step.lane, here); out.Rule != step.want {
			t.Errorf("%s: %+v, want rule %s", step.lane, out, step.want)
		}
	}
	if out := s.scan("in", s.pass("staff", s.subject("赵六"), month)); out.Rule != "others" {
		t.Errorf("who lives nowhere here: %+v", out)
	}
	rules("  - {name: now, when: {direction: out, time: " + slot(-time.Hour, time.Hour) + "}, then: hold}")
	if out := s.scan("out", here); out.Rule != "now" {
		t.Errorf("within the slot: %+v", out)
	}
}

// At a level that counts the trips of two days, that of yesterday counts, also after a restart; the day after it does not.
func TestTripsOfTwoDaysCount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if policy.MostTripDays > trips.Days {
		t.Errorf("a policy counts trips over %d days, and %d are remembered", policy.MostTripDays, trips.Days)
	}
	level := func(name string) { s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level, r.Repeat = name, 0 })) }
	pass := s.pass("resident", s.subject("王小明"), month)
	neighbour := s.pass("resident", s.subject("李芳"), month) // of the same household
	s.policy = must(policy.Parse("own", []byte(`
name: own
levels: [{name: guarded, basis: contract}, {name: controlled, basis: contract, trip_days: 2}, {name: daily, basis: contract}]
rules:
  - {name: trip, when: {level: [controlled, daily], direction: out, valid: true, proof: signed, household_trips_below: 1}, then: admit}
  - {name: household-limit, when: {level: [controlled, daily], direction: out}, then: hold}
  - {name: pass, when: {known: true, valid: true, proof: signed}, then: admit}
  - {name: others, then: hold}
`)))
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = s.policy }))
	level("guarded")
	if out := s.scan("out", pass); out.Verdict != policy.Admit {
		t.Fatalf("%+v", out)
	}
	for _, step := range []struct {
		days        int
		level, want string
		next        int // in so many days they may go out again
	}{{0, "controlled", "household-limit", 2}, {1, "controlled", "household-limit", 1}, {1, "daily", "trip", 0},
		{1, "daily", "household-limit", 1}, {1, "controlled", "household-limit", 2}, {2, "controlled", "household-limit", 1},
		{3, "controlled", "trip", 0}} {
		s.wall(true, time.Duration(step.days)*(24*time.Hour-time.Second)) // a jump of more than a day is not believed
		s.end()
		s.start()
		level(step.level)
		if out := s.scan("out", neighbour); out.Rule != step.want {
			t.Errorf("%d days later at %s: %+v, want rule %s", step.days, step.level, out, step.want)
		}
		next := ""
		if step.next > 0 {
			next = s.now().In(s.l.Zone()).AddDate(0, 0, step.next).Format(time.DateOnly)
		}
		if got := s.last("out").Next; got != next {
			t.Errorf("%d days later at %s: they may go out again on %q, want %q", step.days, step.level, got, next)
		}
		s.scan("in", neighbour)
	}
}
