package policy

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"gated/policy/week"
)

// randomPolicy writes rules at random, of few words, so that they often shadow each other.
func randomPolicy(r *rand.Rand) string {
	conditions := []func() string{
		func() string { return "direction: " + []string{"in", "out"}[r.IntN(2)] },
		func() string { return "known: " + fmt.Sprint(r.IntN(2) == 0) },
		func() string { return "valid: " + fmt.Sprint(r.IntN(2) == 0) },
		func() string { return "credential_reason: " + []string{"ok", "expired", "[ok, revoked]"}[r.IntN(3)] },
		func() string { return "health: " + []string{"none", "negative-test", "[none, recovery]"}[r.IntN(3)] },
		func() string { return fmt.Sprintf("test_hours_below: %d", 1+r.IntN(3)) },
		func() string { return fmt.Sprintf("household_trips_below: %d", 1+r.IntN(3)) },
		func() string { return fmt.Sprintf("household_trips_from: %d", 1+r.IntN(3)) },
		func() string { return "level: " + []string{"a", "b", "[a, b]"}[r.IntN(3)] },
		func() string { return "unit: " + []string{"3-1", "3-2", "[3-1, 3-2]"}[r.IntN(3)] },
		func() string { return "trip: " + []string{"open", "overdue", "[none, open]"}[r.IntN(3)] },
		func() string { return "holder: " + []string{"household", "[person, none]"}[r.IntN(2)] },
		func() string { return "again: " + fmt.Sprint(r.IntN(2) == 0) },
		func() string { return "whereabouts: " + []string{"inside", "outside", "unknown"}[r.IntN(3)] },
		func() string { return fmt.Sprintf("minutes_since_below: %d", 1+r.IntN(3)) },
		func() string { return "weekday: " + []string{"mon", "[tue, wed, thu, fri, sat, sun]"}[r.IntN(2)] },
		func() string { return "time: " + []string{"06:00-22:00", "22:00-06:00", "23:00-24:00"}[r.IntN(3)] },
	}
	var b strings.Builder
	b.WriteString("name: x\nlevels: [{name: a, basis: public-health-emergency}, {name: b, basis: public-health-emergency}]\nrules:\n")
	for i := range 2 + r.IntN(7) {
		var when []string
		for _, c := range r.Perm(len(conditions))[:1+r.IntN(2)] {
			when = append(when, conditions[c]())
		}
		fmt.Fprintf(&b, "  - {name: r%d, when: {%s}, then: hold}\n", i, strings.Join(when, ", "))
	}
	b.WriteString("  - {name: last, then: refuse}\n")
	return b.String()
}

// factsOf are facts that a box has: the first word of each, or one at random.
func factsOf(u *universe, b *box, r *rand.Rand) Facts {
	word := func(i fact) string {
		n := r.IntN(bits.OnesCount64(b.words[i]))
		for at := range u.words[i] {
			if b.words[i]>>at&1 == 1 {
				if n == 0 {
					return u.words[i][at]
				}
				n--
			}
		}
		return ""
	}
	minute := r.IntN(week.Minutes)
	for !b.week.Has(minute) {
		minute = (minute + 1) % week.Minutes
	}
	reason := word(credentialReason)
	if reason == unknownCode { // about which no rule decides
		reason = "malformed"
	}
	number := func(s span) int { return s.from + r.IntN(min(s.to-s.from, 5)) }
	return Facts{Direction: word(direction), Class: word(class), Known: word(known) == "true", Credential: word(credential), Valid: word(valid) == "true",
		Reason: reason, Proof: word(proof), Service: word(service), PlateClass: word(plateClass), Health: word(health), Level: word(level),
		ClockTrusted: word(clockTrusted) == "true", Whereabouts: word(whereabouts), Building: word(building), Unit: word(unit), Minute: minute,
		Again: word(again) == "true", Trip: word(trip), Holder: word(holder),
		HouseholdTrips: number(b.numbers[0]), TestHours: number(b.numbers[2]), Passed: b.numbers[3].from < math.MaxInt/2, MinutesSince: number(b.numbers[3])}
}

// A rule that is said to be unreachable never decides, and of one that is not there are facts by which it does.
func TestARuleIsUnreachableOrDecidesSomething(t *testing.T) {
	t.Parallel()
	reached, not := 0, 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 14))
		p := &parser{}
		p.file([]byte(randomPolicy(r)))
		rules, u := p.policy.rules, p.policy.universe()
		for i := range rules {
			rules[i].sound = true
		}
		dead := map[string]bool{}
		for j := range rules {
			own := u.of(&rules[j])
			var left []box
			for _, b := range u.all() {
				if both, some := b.and(&own); some {
					left = append(left, both)
				}
			}
			for i := range j {
				taken := u.of(&rules[i])
				left = without(left, &taken)
			}
			by, is := u.unreachable(rules, j)
			if dead[rules[j].Name] = is; is != (len(left) == 0) {
				t.Fatalf("seed %d, rule %s: unreachable %t, by %v, and %d boxes are left", seed, rules[j].Name, is, by, len(left))
			}
			for i := range left {
				reached++
				if f := factsOf(&u, &left[i], r); p.policy.Decide(f).Rule != rules[j].Name {
					t.Fatalf("seed %d: %+v is decided by %s, not %s\n%s", seed, f, p.policy.Decide(f).Rule, rules[j].Name, randomPolicy(rand.New(rand.NewPCG(seed, 14))))
				}
			}
		}
		for range 300 {
			all := u.all()
			f := factsOf(&u, &all[r.IntN(len(all))], r)
			if rule := p.policy.Decide(f).Rule; dead[rule] {
				t.Fatalf("seed %d: %+v is decided by %s, which is said to be unreachable", seed, f, rule)
			}
		}
		for _, is := range dead {
			if is {
				not++
			}
		}
	}
	if reached < 300 || not < 50 {
		t.Errorf("%d parts of rules were reached, %d rules were not: the test tests too little", reached, not)
	}
}

// Hundreds of rules that overlap in every way are read in a moment all the same.
func TestAPolicyOfManyRulesIsRead(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	b.WriteString("name: x\nrules:\n")
	for i := range 500 {
		var when []string
		for _, f := range r.Perm(int(level))[:3] {
			words := vocabulary[f].words
			when = append(when, fmt.Sprintf("%s: %s", vocabulary[f].key, words[r.IntN(len(words))]))
		}
		fmt.Fprintf(&b, " - {name: r%d, when: {%s}, then: hold}\n", i, strings.Join(when, ", "))
	}
	b.WriteString(" - {name: last, then: refuse}\n")
	p := &parser{}
	p.file([]byte(b.String()))
	if u := p.policy.universe(); len(p.policy.rules) != 501 {
		t.Errorf("%d rules: %v", len(p.policy.rules), p.faults)
	} else {
		for j := range p.policy.rules {
			u.unreachable(p.policy.rules, j)
		}
		if u.work > 2*mostWork {
			t.Errorf("it looked at %d parts", u.work)
		}
	}
}
