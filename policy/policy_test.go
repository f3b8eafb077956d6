package policy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	_ "time/tzdata" // a machine may have no zone files

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"gated/policy/week"
)

// everyFacts calls f with every combination of the words that facts can have; the words of plate and health, which would
// make it fifty times as many, take turns. In make test it is each fifth, in another place each time.
func everyFacts(p *Policy, f func(Facts)) {
	var facts Facts
	n, every := 0, 5
	if os.Getenv("FAULTS") == "all" {
		every = 1
	}
	first := rand.IntN(every)
	for _, facts.Direction = range vocabulary[direction].words {
		for _, facts.Class = range vocabulary[class].words {
			for _, facts.Credential = range vocabulary[credential].words {
				for _, facts.Reason = range vocabulary[credentialReason].words {
					for _, facts.Proof = range vocabulary[proof].words {
						for _, facts.Service = range vocabulary[service].words {
							for _, facts.Level = range p.Levels() {
								for i := range 24 {
									facts.Known, facts.Valid, facts.ClockTrusted = i&1 > 0, i&2 > 0, i&4 > 0
									facts.HouseholdTrips = i >> 3
									facts.Again, facts.Passed, facts.MinutesSince = n%4 == 1, n%8 < 6, n%5
									facts.Minute = n % week.Minutes
									facts.Trip, facts.Holder = vocabulary[trip].words[n%3], vocabulary[holder].words[n%4]
									facts.PlateClass = vocabulary[plateClass].words[n%len(vocabulary[plateClass].words)]
									facts.Health = vocabulary[health].words[n%len(vocabulary[health].words)]
									if n++; n%every == first {
										f(facts)
									}
								}
							}
						}
					}
				}
			}
		}
	}
}

// Some five million combinations of facts, of which make test takes a fifth, against what the project promises.
func TestShippedPolicyKeepsItsPromises(t *testing.T) {
	p := Shipped()
	person := []string{"resident", "staff", "volunteer", "courier", "visitor", "unknown"}
	faults := map[string]Facts{}
	everyFacts(p, func(f Facts) {
		d := p.Decide(f)
		if f.Reason == unknownCode { // and so known is nobody
			if d.Verdict != Refuse || d.Reason != unknownCode || d.Ask != nil || p.MayAdmit(f) {
				faults["a code of something else was more than that"] = f
			}
			return
		}
		never := func(what string, broken bool) { // five million times each: a map of them all took most of a minute
			if broken {
				faults[what] = f
			}
		}
		never("a merely stated proof was admitted", d.Verdict == Admit && f.Proof != "signed" && f.Proof != "sighted")
		never("an invalid credential was admitted", d.Verdict == Admit && !f.Valid)
		never("someone coming home was kept out", d.Verdict != Admit && f.Direction == "in" && f.Class == "resident" && f.Known && f.Valid && f.Reason == "ok" &&
			f.Proof == "signed" && f.Credential == "gated-pass" && !f.Again && f.Service == none && f.PlateClass != "police" && f.PlateClass != "emergency")
		never("a household's pass went out at controlled, and nobody asked", d.Verdict == Admit && f.Direction == "out" && f.Holder == HolderHousehold &&
			f.Level == "controlled" && f.Class == "resident" && f.Service == none && !f.Again)
		never("someone was refused the way out", d.Verdict == Refuse && f.Direction == "out")
		never("a person of the roster was refused", d.Verdict == Refuse && f.Known && slices.Contains(person, f.Class))
		never("a vehicle of the five services was refused", d.Verdict == Refuse && f.Service != none)
		never("an official plate was refused", d.Verdict == Refuse && (f.PlateClass == "police" || f.PlateClass == "emergency"))
		never("a valid health certificate was refused", d.Verdict == Refuse && f.Valid && (f.Credential == "eu-dcc" || f.Credential == "smart-health-card") && f.Class == "unknown")
		never("someone unknown was admitted", d.Verdict == Admit && !f.Known && f.Service == none)
		never("what only a guard saw was admitted alone", d.Verdict == Admit && f.Proof == "sighted")
		never("no verdict, reason or rule", d.Verdict == "" || d.Reason == "" || d.Rule == "")
	})
	for what, f := range faults {
		t.Errorf("%s: %+v: %+v", what, f, p.Decide(f))
	}
}

// Of whom MayAdmit says no, no time and no trips are in the way.
func TestWhomNeitherTimeNorTripsKeepOut(t *testing.T) {
	t.Parallel()
	p := Shipped()
	out := Facts{Direction: "out", Class: "resident", Known: true, Credential: "gated-pass", Valid: true, Reason: "ok", Proof: "signed",
		Level: "controlled", HouseholdTrips: 1, Minute: 23 * 60}
	for name, c := range map[string]struct {
		change func(f *Facts)
		want   bool
	}{
		"the second trip":   {func(*Facts) {}, true},
		"the household's":   {func(f *Facts) { f.Holder = "household" }, true},
		"expired":           {func(f *Facts) { f.Valid, f.Reason = false, "expired" }, false},
		"watched":           {func(f *Facts) { f.Watched = true }, false},
		"whoever is sealed": {func(f *Facts) { f.Level = "sealed" }, false},
		"at no such level":  {func(f *Facts) { f.Level = "lost" }, false},
	} {
		f := out
		if c.change(&f); p.MayAdmit(f) != c.want {
			t.Errorf("%s: may be admitted at another time: %t", name, !c.want)
		}
	}
	everyFacts(p, func(f Facts) {
		if rand.IntN(10) > 0 || p.MayAdmit(f) {
			return
		}
		was := f
		for _, f.Minute = range []int{was.Minute, rand.IntN(week.Minutes), 12 * 60} {
			for f.HouseholdTrips = range 2 {
				if d := p.Decide(f); d.Verdict == Admit {
					t.Fatalf("%+v is admitted by %s, and %+v was not to be", f, d.Rule, was)
				}
			}
		}
	})
}

func TestStatedNeverAdmitsWhateverTheRulesSay(t *testing.T) {
	p := parse(t, "name: open\nrules: [{name: everyone, then: admit}]")
	admitted := 0
	everyFacts(p, func(f Facts) {
		if f.Reason == unknownCode { // which never admits either
			return
		}
		got := p.Decide(f)
		want := Decision{Hold, StatedOnly, "everyone", nil, ""}
		if f.Proof == "signed" || f.Proof == "sighted" {
			admitted++
			want = Decision{Admit, f.Reason, "everyone", nil, ""}
			if f.Reason == "ok" || f.Reason == none {
				want.Reason = "everyone"
			}
		}
		if got != want {
			t.Fatalf("%+v: got %+v, want %+v", f, got, want)
		}
	})
	if admitted == 0 {
		t.Error("nothing was admitted: the test tests nothing")
	}
	for _, proof := range []string{"", "Signed", "signed ", "none", "\x00"} {
		if got := p.Decide(Facts{Direction: "in", Proof: proof}); got.Verdict != Hold {
			t.Errorf("proof %q: got %+v, want hold", proof, got)
		}
	}
}

func TestAResidentIsNeverRefusedWhateverTheRulesSay(t *testing.T) {
	t.Parallel()
	p := parse(t, "name: shut\nrules: [{name: nobody, then: refuse}]")
	for _, direction := range vocabulary[direction].words {
		for _, c := range vocabulary[class].words {
			for _, known := range []bool{false, true} {
				want := Decision{Refuse, "nobody", "nobody", nil, ""}
				if known && c == "resident" {
					want = Decision{Hold, "nobody", "nobody", agreement, OverrideSecond}
				}
				if got := p.Decide(Facts{Direction: direction, Class: c, Known: known}); got != want {
					t.Errorf("%s %s, known %t: got %+v, want %+v", c, direction, known, got, want)
				}
			}
		}
	}
}

func TestDecideHoldsWhatItDoesNotKnow(t *testing.T) {
	p := Shipped()
	pass := Facts{Direction: "in", Class: "resident", Known: true, Credential: "gated-pass", Valid: true, Reason: "ok", Proof: "signed"}
	if got, want := p.Decide(pass), (Decision{Admit, "valid-pass", "valid-pass", nil, ""}); got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for what, change := range map[string]func(*Facts){
		"misspelt level":     func(f *Facts) { f.Level = "seald" },
		"no direction":       func(f *Facts) { f.Direction = "" },
		"another direction":  func(f *Facts) { f.Direction = "up" },
		"direction upper":    func(f *Facts) { f.Direction = "IN" },
		"level with a space": func(f *Facts) { f.Level = " guarded" },
	} {
		f := pass
		change(&f)
		if got, want := p.Decide(f), (Decision{Hold, UnknownFacts, "", nil, ""}); got != want {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
		if tried, got := p.Explain(f); tried != nil || got.Verdict != Hold {
			t.Errorf("%s: Explain got %v, %+v", what, tried, got)
		}
	}
	if got := new(Policy).Decide(pass); got.Verdict != Hold {
		t.Errorf("a policy without rules: got %+v, want hold", got)
	}
}

func TestEmptyFactsCountAsNone(t *testing.T) {
	p := Shipped()
	got := p.Decide(Facts{Direction: "in", ClockTrusted: true})
	want := p.Decide(Facts{Direction: "in", Class: "unknown", Credential: none, Reason: none, Proof: none, Service: none, Level: "guarded", ClockTrusted: true})
	if got != want || got != (Decision{Refuse, "outsider", "outsider", nil, OverrideTelephone}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A policy whose examples do not notice a change to a rule would let a slip of
// the hand through: every single change to the shipped rules must be noticed.
func TestShippedExamplesNoticeEveryChangeOfARule(t *testing.T) {
	type m = map[string]any
	fresh := func() m {
		var file m
		if err := errors.Join(yaml.Unmarshal(shipped, &file), yaml.Unmarshal(shippedExamples, &file)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	rule := func(file m, i int) m { return file["rules"].([]any)[i].(m) }
	changes, every := 0, 12 // in make faults all of them, in make test some, each time others
	if os.Getenv("FAULTS") == "all" {
		every = 1
	}
	first := rand.IntN(every)
	try := func(what string, change func(file m)) {
		t.Helper()
		if changes++; changes%every != first {
			return
		}
		file := fresh()
		change(file)
		source, err := yaml.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse("changed", source); err == nil {
			t.Errorf("not noticed: %s", what)
		}
	}
	if source, _ := yaml.Marshal(fresh()); !loads(source) {
		t.Fatal("the unchanged file does not load: the test tests nothing")
	}
	for i, r := range Shipped().Rules() {
		if r.Ask != nil {
			try(r.Name+" asks nothing", func(file m) { delete(rule(file, i), "ask") })
		}
		try("removed "+r.Name, func(file m) { file["rules"] = slices.Delete(file["rules"].([]any), i, i+1) })
		for _, then := range []string{Admit, Refuse, Hold} {
			resident := slices.ContainsFunc(r.When, func(c Condition) bool {
				return slices.Equal(c.Is, []string{"resident"}) || slices.Equal(c.Is, []string{HolderHousehold})
			})
			if resident && r.Then == Hold && then == Refuse {
				continue // no resident is refused: it is the same rule
			}
			if then != r.Then {
				try(r.Name+" then "+then, func(file m) { rule(file, i)["then"] = then })
			}
		}
		try(r.Name+" with another reason", func(file m) { rule(file, i)["reason"] = "other" })
		for _, c := range r.When {
			try(fmt.Sprintf("%s without condition %s", r.Name, c), func(file m) {
				when := rule(file, i)["when"].(m)
				delete(when, c.Fact)
			})
			if c.fact == timeOfWeek {
				for _, slot := range []string{"06:01-20:00", "05:59-20:00", "06:00-20:01", "06:00-19:59", "20:01-06:00", "19:59-06:00", "20:00-06:01", "20:00-05:59"} {
					try(fmt.Sprintf("%s at %s", r.Name, slot), func(file m) { rule(file, i)["when"].(m)[c.Fact] = slot })
				}
				continue
			}
			if c.fact >= firstNumber {
				for _, below := range []int{c.Below - 1, c.Below + 1} {
					try(fmt.Sprintf("%s below %d", r.Name, below), func(file m) { rule(file, i)["when"].(m)[c.Fact] = below })
				}
				continue
			}
			for j := range c.Is {
				if len(c.Is) > 1 {
					try(fmt.Sprintf("%s without word %s", r.Name, c.Is[j]), func(file m) {
						rule(file, i)["when"].(m)[c.Fact] = slices.Delete(slices.Clone(c.Is), j, j+1)
					})
				}
			}
			all := vocabulary[c.fact].words
			if c.fact == level {
				all = Shipped().Levels()
			}
			for _, w := range all {
				if len(c.Is) == 1 && c.Is[0] != w {
					try(fmt.Sprintf("%s with %s %s", r.Name, c.Fact, w), func(file m) { rule(file, i)["when"].(m)[c.Fact] = w })
				}
			}
		}
	}
	if changes < 150 {
		t.Errorf("there are only %d changes to try", changes)
	}
}

func TestShippedExamplesUseEveryRule(t *testing.T) {
	p := &parser{policy: *Shipped()}
	p.listed(p.mapping(p.document(shippedExamples, ""), "", "examples")["examples"])
	for _, r := range p.policy.rules {
		if !slices.ContainsFunc(p.examples, func(e example) bool { return e.rule == r.Name }) {
			t.Errorf("no example for rule %s", r.Name)
		}
	}
}

func TestExplain(t *testing.T) {
	p := parse(t, `
name: small
rules:
  - name: pass
    when: {class: [resident, staff], valid: true}
    then: admit
  - name: first-trip
    when: {household_trips_below: 1}
    then: hold
  - name: outsider
    then: refuse
`)
	tried, d := p.Explain(Facts{Direction: "in", Class: "vehicle", HouseholdTrips: 2})
	want := []Tried{
		{"pass", "class is vehicle, not resident or staff; valid is false, not true"},
		{"first-trip", "household_trips is 2, not below 1"},
		{"outsider", ""},
	}
	if diff := cmp.Diff(want, tried); diff != "" {
		t.Error(diff)
	}
	if d != (Decision{Refuse, "outsider", "outsider", nil, ""}) {
		t.Errorf("got %+v", d)
	}
	if got := fmt.Sprint(p.Rules()[0].When, p.Rules()[1].When); got != "[class: resident or staff valid: true] [household_trips_below: 1]" {
		t.Errorf("conditions read %s", got)
	}
}

// A level of the operator's own can ask for a test of the last two days.
func TestAFreshTestCanAdmit(t *testing.T) {
	p := parse(t, `
name: tests
levels: [{name: guarded, basis: public-health-emergency}, {name: open, basis: public-health-emergency}]
rules:
  - {name: fresh-test, when: {level: open, test_hours_below: 48, proof: signed}, then: admit}
  - {name: others, then: hold}
examples:
  - {name: yesterday's test, given: {level: open, direction: in, credential: eu-dcc, credential_reason: ok, proof: signed, health: negative-test, test_hours: 30}, then: admit, rule: fresh-test}
`)
	fresh := Facts{Direction: "in", Level: "open", Credential: "eu-dcc", Valid: true, Reason: "ok", Proof: "signed", Health: "negative-test", TestHours: 47}
	if got := p.Decide(fresh); got.Verdict != Admit {
		t.Errorf("got %+v", got)
	}
	for want, change := range map[string]func(*Facts){
		"test_hours is 48, not below 48":           func(f *Facts) { f.TestHours = 48 },
		"health is vaccination, not negative-test": func(f *Facts) { f.Health, f.TestHours = "vaccination", 0 },
		"health is none, not negative-test":        func(f *Facts) { f.Health, f.TestHours = "", 0 },
		"proof is stated, not signed":              func(f *Facts) { f.Proof = "stated" },
	} {
		f := fresh
		change(&f)
		tried, got := p.Explain(f)
		if got.Verdict != Hold || tried[0].Why != want {
			t.Errorf("got %+v because %q, want hold because %q", got, tried[0].Why, want)
		}
	}
}

func TestExplainEndsWhereDecideDoes(t *testing.T) {
	p := Shipped()
	n := 0
	everyFacts(p, func(f Facts) {
		if n++; n%97 != 0 || p.Decide(f).Rule == unknownCode { // which is none of the file
			return
		}
		tried, d := p.Explain(f)
		if last := tried[len(tried)-1]; last.Rule != d.Rule || last.Why != "" || d != p.Decide(f) {
			t.Fatalf("%+v: last tried %+v, decided %+v", f, last, d)
		}
	})
}

func TestHashIsOfTheFilesBytes(t *testing.T) {
	// printf 'name: a\nrules: [{name: b, then: hold}]\n' | sha256sum | cut -c1-32
	source := "name: a\nrules: [{name: b, then: hold}]\n"
	p := parse(t, source)
	if got, want := p.Hash(), "f222d87d7963147508a7844acb3ba6cb"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if string(p.Source()) != source {
		t.Errorf("source got %q, want %q", p.Source(), source)
	}
	if parse(t, source+"# a comment\n").Hash() == p.Hash() {
		t.Error("another file, the same hash")
	}
}

func TestAPolicyCannotBeChangedFromOutside(t *testing.T) {
	p := Shipped()
	before := p.Decide(Facts{Direction: "in"})
	p.Rules()[len(p.Rules())-1].Then = Admit
	p.Rules()[0].When[0].Is[0] = "none"
	p.Levels()[0] = "x"
	p.Source()[0] = 'x'
	if diff := cmp.Diff(Shipped().Rules(), p.Rules(), cmp.AllowUnexported(Rule{}, Condition{})); diff != "" {
		t.Error(diff)
	}
	if got := p.Decide(Facts{Direction: "in"}); got != before || p.Levels()[0] != "guarded" || p.Source()[0] != '#' {
		t.Errorf("changed: %+v", got)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(path, shipped, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Load(path)
	if err != nil || p.Hash() != Shipped().Hash() || p.Name() != "checkpoint" {
		t.Errorf("got %v, %v", p, err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, MaxSize+1), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"): "no such file",
		dir:                           "not a regular file",
		fifo:                          "not a regular file",
		big:                           "larger than",
	} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	p := Shipped()
	if n := testing.AllocsPerRun(100, func() { p.Decide(Facts{Direction: "in", HouseholdTrips: 1}) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	p := Shipped()
	for name, f := range map[string]Facts{
		"resident": {Direction: "in", Class: "resident", Known: true, Credential: "gated-pass", Valid: true, Reason: "ok", Proof: "signed"},
		"outsider": {Direction: "in", Class: "unknown", Credential: none, Reason: none, Proof: none},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(f)
			}
		})
	}
}

// parse parses rules that try one thing, and need not admit those who come home.
func parse(t *testing.T, source string) *Policy {
	t.Helper()
	p, err := (&parser{nobody: true}).parse("test.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func loads(source []byte) bool {
	_, err := Parse("test.yaml", source)
	return err == nil
}

// Of a number of trips a rule takes those below it, or it and those above.
func TestRulesCountTrips(t *testing.T) {
	t.Parallel()
	p := parse(t, `
name: a
rules:
  - {name: many, when: {household_trips_from: 3}, then: hold}
  - {name: some, when: {household_trips_from: 1, household_trips_below: 2}, then: hold}
  - {name: others, then: refuse}
`)
	for n, want := range []string{"others", "some", "others", "many", "many"} {
		if d := p.Decide(Facts{Direction: "out", HouseholdTrips: n}); d.Rule != want {
			t.Errorf("%d trips: %+v, want rule %s", n, d, want)
		}
	}
	if tried, _ := p.Explain(Facts{Direction: "out", HouseholdTrips: 2}); tried[0].Why != "household_trips is 2, below 3" || tried[1].Why != "household_trips is 2, not below 2" {
		t.Errorf("tried %+v", tried)
	}
	if got := fmt.Sprint(p.Rules()[1].When); got != "[household_trips_below: 2 household_trips_from: 1]" {
		t.Errorf("conditions read %s", got)
	}
}

// Who has an exemption goes by it only where the rule that takes them asks for it, or would, once the guard has agreed.
func TestWhoGoesByAnExemption(t *testing.T) {
	t.Parallel()
	p := parse(t, `
name: a
levels: [{name: controlled, basis: contract}, {name: open, basis: contract}]
rules:
  - {name: watched, when: {watched: true}, then: hold}
  - {name: open, when: {level: open}, then: admit}
  - {name: dog, when: {exemption: dog-walk, weekday: mon, time: "06:00-07:00"}, then: admit}
  - {name: seen, when: {exemption: visit, proof: sighted}, then: hold}
  - {name: pass, when: {level: controlled, valid: true, proof: signed, household_trips_below: 9}, then: admit}
  - {name: last, when: {exemption: visit, direction: in}, then: hold}
  - {name: others, then: hold}
`)
	for _, c := range []struct {
		facts string
		want  bool
	}{
		{"exemption=dog-walk weekday=mon time=06:30 valid=true proof=signed", true},
		{"exemption=dog-walk weekday=mon time=06:30 valid=true proof=signed watched=true", true},
		{"exemption=dog-walk weekday=mon time=07:00 valid=true proof=signed", false},
		{"exemption=dog-walk weekday=mon time=07:00 valid=true proof=signed watched=true", false},
		{"exemption=dog-walk weekday=mon time=07:00 valid=true proof=sighted", false},
		{"exemption=visit valid=true proof=sighted", true},
		{"exemption=visit valid=true proof=signed", false},
		{"weekday=mon time=06:30 valid=true proof=signed", false},
		{"level=open exemption=dog-walk weekday=mon time=07:00 valid=true proof=signed", true}, // no trips are counted there
		{"level=open exemption=visit valid=true proof=signed watched=true", true},
		{"level=open weekday=mon time=06:30 valid=true proof=signed", false},
	} {
		f, err := p.ParseFacts(strings.Fields("direction=out " + c.facts))
		if got := p.Exempts(f); err != nil || got != c.want {
			t.Errorf("%s: goes by an exemption: %t, %v", c.facts, got, err)
		}
	}
	if p.Exempts(Facts{Direction: "out", Level: "open", Exemption: "jogging"}) {
		t.Error("by one that no rule asks for")
	}
}

// A code of something else, such as a payment, says nothing of whoever shows it: whatever the rules say it is refused, and takes nobody's
// place among those who wait.
func TestACodeOfSomethingElseIsRefusedWhateverTheRulesSay(t *testing.T) {
	t.Parallel()
	const own, phone, guard = unknownCode, OverrideTelephone, OverrideGuard
	open := parse(t, "name: a\nrules: [{name: strangers, when: {known: false, direction: in}, then: hold}, {name: last, then: admit}]\n")
	shut := parse(t, "name: a\nrules: [{name: strangers, when: {known: false}, then: refuse, reason: no, override: telephone}, {name: last, then: admit}]\n")
	for _, c := range []struct {
		p                                *Policy
		level, direction, rule, override string
	}{
		{open, "guarded", "in", own, ""}, {open, "normal", "out", own, guard}, {shut, "guarded", "in", "strangers", phone},
		{shut, "sealed", "out", "strangers", phone}, {Shipped(), "guarded", "in", "outsider", phone}, {Shipped(), "normal", "in", own, ""},
		{Shipped(), "normal", "out", own, guard}, {Shipped(), "sealed", "in", "outsider", phone}, {Shipped(), "sealed", "out", own, guard},
		{Shipped(), "lost", "in", own, ""}, {HoldEverybody(), PolicyFault, "in", own, ""}, {HoldEverybody(), PolicyFault, "out", own, guard},
	} {
		f := Facts{Direction: c.direction, Level: c.level, Credential: "unknown", Reason: unknownCode, Proof: "stated"}
		tried, d := c.p.Explain(f)
		if want := (Decision{Refuse, unknownCode, c.rule, nil, c.override}); d != want || c.p.MayAdmit(f) || c.rule == own && len(tried) > 0 {
			t.Errorf("%s, %s, %s: got %+v, want %+v; tried %+v", c.p.Name(), c.level, c.direction, d, want, tried)
		}
	}
}

// A slot over midnight is of the weekday on which it begins, and 24:00 ends a day.
func TestRulesKnowTheTimeOfTheWeek(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin") // where clocks change
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ when, yes, no string }{
		{"time: 06:00-09:30", "mon 06:00, wed 09:29", "mon 05:59, mon 09:30, sun 12:00"},
		{"time: 22:00-06:00", "mon 22:00, tue 05:59, mon 00:00, sun 23:59", "mon 21:59, tue 06:00"},
		{"time: 22:00-24:00", "sun 23:59", "mon 00:00"},
		{"time: [06:00-09:00, 17:00-20:00]", "fri 06:30, fri 19:59", "fri 09:00, fri 16:59"},
		{"weekday: [sat, sun]", "sat 00:00, sun 23:59", "fri 23:59, mon 00:00"},
		{"weekday: fri, time: 22:00-02:00", "fri 22:00, sat 01:59", "fri 01:00, sat 02:00, sat 22:00, thu 23:00"},
		{"weekday: sun, time: 22:00-02:00", "sun 23:00, mon 01:59", "sun 01:00, mon 02:00"},
		{"weekday: mon, time: 00:00-24:00", "mon 00:00, mon 23:59", "tue 00:00, sun 23:59"},
	} {
		p := parse(t, "name: a\nrules: [{name: now, when: {"+c.when+"}, then: hold}, {name: last, then: refuse}]\n")
		for want, times := range map[string]string{Hold: c.yes, Refuse: c.no} {
			for _, at := range strings.Split(times, ", ") {
				day, clock, _ := strings.Cut(at, " ")
				f, err := p.ParseFacts([]string{"direction=in", "weekday=" + day, "time=" + clock})
				if got := p.Decide(f); err != nil || got.Verdict != want {
					t.Errorf("%s: %s at %s, %v, want %s", c.when, got.Verdict, at, err, want)
				}
			}
		}
	}
	for at, want := range map[string]string{ // an hour twice, and one that is left out
		"2026-10-25T00:30:00Z": "sun 02:30", "2026-10-25T01:30:00Z": "sun 02:30",
		"2026-03-29T00:59:00Z": "sun 01:59", "2026-03-29T01:00:00Z": "sun 03:00", "2026-11-29T23:30:00Z": "mon 00:30",
	} {
		when, _ := time.Parse(time.RFC3339, at)
		if got := clockTime(MinuteOfWeek(when.In(zone))); got != want {
			t.Errorf("%s is %s, want %s", at, got, want)
		}
	}
}

// Rules may ask where somebody lives, and where the register says they are.
func TestRulesKnowThePlace(t *testing.T) {
	t.Parallel()
	p := parse(t, `
name: a
rules:
  - {name: closed-unit, when: {unit: [3-2, 甲-1], whereabouts: inside, direction: out}, then: hold}
  - {name: building, when: {building: [3, 5]}, then: hold}
  - {name: last, then: refuse}
examples:
  - {name: of the unit, given: {direction: out, building: 3, unit: 3-2, whereabouts: inside}, then: hold, rule: closed-unit}
  - {name: outside of it, given: {direction: out, building: 3, unit: 3-2}, then: hold, rule: building}
  - {name: of no flat, given: {direction: in}, then: refuse, rule: last}
`)
	tried, _ := p.Explain(Facts{Direction: "out", Unit: "3-1", Minute: 61})
	if got, want := tried[0].Why, "whereabouts is unknown, not inside; unit is 3-1, not 3-2 or 甲-1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	owner := Facts{Direction: "out", Building: "1 3", Unit: "1-1 3-2", Whereabouts: "inside", Known: true}
	if d := p.Decide(owner); d.Rule != "closed-unit" {
		t.Errorf("an owner of two flats, one of them in it: %+v", d)
	}
	owner.Building, owner.Unit = "1 2", "1-1 2-2"
	if d := p.Decide(owner); d.Rule != "last" {
		t.Errorf("an owner of two flats elsewhere: %+v", d)
	}
}

// A gate whose policy and its copy are faulty still answers, and a guard decides.
func TestEverybodyIsHeldWhereThereIsNoPolicy(t *testing.T) {
	t.Parallel()
	p := HoldEverybody()
	for _, f := range []Facts{{Direction: "in"}, {Direction: "out", Class: "resident", Known: true, Valid: true, Reason: "ok", Proof: "signed"},
		{Direction: "in", Class: "emergency-vehicle", Known: true, Service: "fire", Reason: "expired"}} {
		f.Level = p.Levels()[0]
		if d := p.Decide(f); d.Verdict != Hold || d.Rule != PolicyFault {
			t.Errorf("%+v: %+v", f, d)
		}
	}
	if p.AsksHealth(p.Levels()[0]) || p.TripDays(p.Levels()[0]) != MostTripDays {
		t.Error("it asks for somebody's health, or trips may be erased")
	}
}

// Only an emergency of public health is a ground on which somebody's health is asked for.
func TestHealthIsAskedAtSomeLevelsOnly(t *testing.T) {
	t.Parallel()
	p := Shipped()
	for level, want := range map[string]bool{"guarded": true, "sealed": true, "normal": false, "gone": false, "": false} {
		if got := p.AsksHealth(level); got != want {
			t.Errorf("level %q: health is asked for: %v, want %v", level, got, want)
		}
	}
}
