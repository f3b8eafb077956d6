package gate

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/credential"
	"gated/evidence/replay"
	"gated/gate/ruling"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/register/marks"
	"gated/roster"
)

// What the gate has decided is decided the same by the same policy, from its entries alone: over days, restarts and levels, with trips,
// health and who is inside. Another policy decides otherwise where it says so.
func TestAReplayOfTheSamePolicyChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Repeat = 0 }))
	asksWhere, err := policy.Parse("own", []byte(`
name: own
levels: [{name: guarded, basis: public-health-emergency}, {name: sealed, basis: contract, trip_days: 3, trip_hours: 1}]
rules:
  - {name: late, when: {direction: out, trip: overdue, valid: true, proof: signed}, then: admit}
  - {name: still-out, when: {level: sealed, direction: out, trip: open, holder: household, valid: true}, then: hold}
  - {name: with-it, when: {level: sealed, direction: out, holder: household, valid: true}, then: admit}
  - {name: ambulance, when: {service: ambulance, valid: true, proof: signed}, then: admit}
  - {name: back, when: {again: true, minutes_since_below: 2}, then: hold}
  - {name: twice, when: {direction: in, again: true, weekday: [mon, tue, wed, thu, fri]}, then: hold}
  - {name: shot, when: {level: guarded, health: vaccination}, then: hold}
  - {name: night, when: {time: 22:00-06:00, weekday: [sat, sun], class: staff}, then: hold}
  - {name: trips, when: {level: sealed, direction: out, unit: 3-2, household_trips_below: 2, valid: true, proof: signed}, then: admit}
  - {name: known, when: {level: guarded, known: true, valid: true, proof: signed}, then: admit}
  - {name: home, when: {known: true, direction: in, valid: true, proof: signed}, then: admit}
  - {name: others, then: hold}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(14, 14))
	codes := []func() string{
		func() string { return s.pass("resident", s.subject("王小明"), month) },
		func() string { return s.pass("resident", s.subject("李芳"), month) },
		func() string { return s.pass("resident", s.subject("李芳"), -time.Minute) },
		func() string { return s.pass("household", "3-2-501", month) },
		func() string { return s.pass("household", "3-2-501", month) },
		func() string { return s.pass("staff", s.subject("赵六"), month) },
		func() string { return s.pass("vehicle", s.subject("粤B12345"), month) },
		func() string { return s.pass("vehicle", s.subject("粤B54321"), month) },
		func() string {
			return s.dcc(credential.Health{Kind: credential.Vaccination, Date: "2026-01-01", Dose: 2, Doses: 2})
		},
		func() string { return "11010519491231002X" }, func() string { return "https://example.com" },
	}
	passages := 0
	policies := []*policy.Policy{policy.Shipped(), asksWhere}
	for day := range 6 {
		s.wall(day != 4, time.Duration(day)*23*time.Hour) // one day nobody trusts the clock
		s.end()
		s.start()
		if day == 5 {
			if err := s.g.ConfirmClock(""); err != nil {
				t.Fatal(err)
			}
		}
		s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Repeat = policies[1], 0 }))
		lane := []string{"in", "out"}[day/3] // nobody decides, and the guard says afterwards what became of them
		left := s.nobodyDecides(lane, codes[2]())
		if err := s.g.Afterwards(left.Passage, []string{"went-through", "turned-away", "unseen"}[day%3]); err != nil {
			t.Fatal(err)
		}
		passages += 2
		s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Hold = time.Minute }))
		s.scan(lane, codes[1]()) // the same way once more
		for range 40 {
			if r.IntN(6) == 0 {
				s.g.SetRules(ruled(s.g.Rules(), func(rules *Rules) { rules.Level = []string{"guarded", "sealed"}[r.IntN(2)] }))
			}
			if r.IntN(4) == 0 {
				s.later(40 * time.Minute)
			}
			out := s.scan([]string{"in", "out"}[r.IntN(2)], codes[r.IntN(len(codes))]())
			if out.Repeat {
				continue
			}
			passages++
			switch {
			case out.Verdict == policy.Hold && r.IntN(2) == 0:
				verdict := []string{"admit", "refuse"}[r.IntN(2)]
				s.g.Decide(out.Passage, Ruling{Verdict: verdict, Reason: ruling.Reasons[verdict][0]})
			case out.Verdict == policy.Admit && r.IntN(3) == 0: // they did not go through, or somebody else did
				if err := s.g.Annul(out.Passage, ""); err != nil {
					t.Fatal(err)
				}
			case out.Verdict == policy.Admit && r.IntN(4) == 0:
				s.g.Correct(out.Passage, Right{Lane: []string{"in", "out"}[r.IntN(2)], Person: s.subject("李芳")}, "")
			}
		}
	}
	for day := 6; day < 10; day++ { // until no trip counts any more
		s.wall(true, time.Duration(day)*23*time.Hour)
		s.end()
		s.start()
	}
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Repeat, r.Level = policies[1], 0, "sealed" }))
	s.scan("in", codes[1]()) // else the way out may be one more
	passages++
	for range 3 {
		if out := s.scan("out", codes[1]()); out.Verdict != policy.Admit || s.g.Annul(out.Passage, "") != nil {
			t.Fatalf("they have their trip back, and got %+v", out)
		}
		passages++
	}
	s.g.work.Wait()
	in, err := file.OpenReader(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	same, err := replay.Run(in, replay.Options{Policy: asksWhere})
	if err != nil || len(same.Changed) > 0 || same.Passages < passages*9/10 || same.Erased > 0 {
		t.Errorf("of %d passages the same policy changes %+v, %v", passages, same, err)
	}
	shut, err := policy.Parse("shut", []byte("name: shut\nlevels: [{name: guarded, basis: contract}, {name: sealed, basis: contract}]\nrules:\n  - {name: home, when: {direction: in, class: resident, known: true, valid: true, proof: signed}, then: admit}\n  - {name: nobody, then: refuse}\n"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := replay.Run(in, replay.Options{Policy: shut, Level: "sealed", From: s.now().AddDate(0, 0, -6).In(s.l.Zone()).Format(time.DateOnly)})
	changed := map[string]int{}
	for c, n := range other.Changed {
		changed[c.Class+" "+c.Was+" "+c.Is] += n
	}
	if err != nil || other.Passages == 0 || other.Passages >= same.Passages || changed["resident admit hold"] == 0 || changed["emergency-vehicle admit refuse"] == 0 {
		t.Errorf("a shut gate changes %+v, %v", other, err)
	}
	var text strings.Builder
	if err := other.Print(&text); err != nil || !regexp.MustCompile(`(?m)^emergency-vehicle +(in|out) +admit +refuse +\d+$`).MatchString(text.String()) {
		t.Errorf("%v\n%s", err, text.String())
	}
}

// Of somebody who has several flats each counts, in a replay as at the gate: their buildings, and what a household is exempt from.
func TestAReplayKnowsAllFlatsOfSomebody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	second := office[1]
	second.Number, second.Building, second.Unit, second.Room = 9, "5", "1", "101"
	if _, err := s.people.Import(t.Context(), append(slices.Clone(office), second), roster.ImportOptions{CheckResidentID: func(n string) (string, error) {
		id, err := credential.ResidentID(n)
		return id.BirthDate, err
	}}); err != nil {
		t.Fatal(err)
	}
	own, err := policy.Parse("own", []byte(`
name: own
levels: [{name: guarded, basis: contract}]
rules:
  - {name: supplied, when: {exemption: supply, direction: out, valid: true, proof: signed}, then: admit}
  - {name: there, when: {unit: 5-1, class: resident, valid: true, proof: signed}, then: admit}
  - {name: home, when: {known: true, direction: in, valid: true, proof: signed}, then: admit}
  - {name: others, then: hold}
`))
	if err != nil {
		t.Fatal(err)
	}
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy, r.Repeat, r.Level = own, 0, "guarded" }))
	show := func(name, reason string) {
		t.Helper()
		if out := s.scan("out", s.pass("resident", s.subject(name), month)); out.Reason != reason {
			t.Errorf("%s: got %s, want %s", name, out.Reason, reason)
		}
	}
	show("李芳", "there")
	show("王小明", "others")
	s.mark(marks.Exempt, "supply", 0, time.Hour, ledger.Field{Name: "household", Value: "5-1-101"})
	show("李芳", "supplied")
	s.g.work.Wait()
	in, err := file.OpenReader(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	same, err := replay.Run(in, replay.Options{Policy: own})
	if err != nil || len(same.Changed) > 0 || same.Passages != 3 {
		t.Errorf("the same policy changes %+v, %v", same, err)
	}
}

// Who came by a visit is judged again by what that said then.
func TestVisitsAreReplayedAsTheyStood(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, p := s.made(announced)
	hold := s.scan("in", p.Digits)
	if _, err := s.g.Decide(hold.Passage, Ruling{Verdict: policy.Admit, Reason: "visitor-confirmed"}); err != nil {
		t.Fatal(err)
	}
	s.takeAway()
	s.scan("in", p.Digits) // used up
	s.scan("out", p.Pass)
	r, err := file.OpenReader(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := replay.Run(r, replay.Options{Policy: policy.Shipped()})
	if err != nil || len(got.Changed) > 0 || got.Passages < 3 {
		t.Errorf("%+v, %v", got, err)
	}
}
