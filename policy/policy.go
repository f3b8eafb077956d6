// Package policy decides whether this person or vehicle may pass now.
//
// It is a pure function from facts to a verdict: no clock, no database, no log.
// The rules are data, see checkpoint.yaml.
package policy

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/policy/week"
)

// The verdicts.
const (
	Admit  = "admit"
	Refuse = "refuse"
	Hold   = "hold" // a guard must ask or confirm

	Undecided = "undecided" // a hold that ended and nobody had decided: no rule says it, and it is no refusal
)

// Reasons that Decide gives by itself, whatever the file says.
const (
	StatedOnly   = "stated-only"   // a rule admits, but nothing was signed or sighted
	UnknownFacts = "unknown-facts" // a direction or level that the policy does not have
)

// unknownCode is the reason of a code of something else, such as a payment, an order or a chat, and of the verdict about it; and the rule
// where no rule of the file refuses it. It says nothing of whoever shows it: they are asked for their pass, everywhere.
const unknownCode = "unknown-code"

// RosterFault is why the gate puts everybody on hold, whatever the policy says: the roster is not the one that the ledger knows.
const RosterFault = "roster-fault"

// Level is a set of rules under one name: those that ask for it, and those that ask for none.
type Level struct {
	Name string
	// Basis is the ground in law on which personal data is handled at this level. Only PublicHealth is one for facts about
	// somebody's health (Personal Information Protection Law of the PRC, articles 13 and 28): at any other level they are
	// neither asked, shown nor kept, and a rule that needs them is a fault.
	Basis string
	// TripDays is over how many days the trips of a household are counted: the day itself, and those before it.
	TripDays int
	// TripHours is how long a trip may take: who was admitted out at this level and is out longer is overdue. 0: as long as it takes.
	TripHours int
}

// MostTripDays is the longest time over which a level may count trips.
const MostTripDays = 31

// mostTripHours is the longest time for which a level may let somebody go.
const mostTripHours = 72

// Bases of a level.
const (
	PublicHealth = "public-health-emergency"
	Contract     = "contract" // of the household with the property management
	Consent      = "consent"
)

func names(levels []Level) (names []string) {
	for _, l := range levels {
		names = append(names, l.Name)
	}
	return names
}

// Facts is what is known at the moment of decision. An empty word counts as
// "none" (Class as "unknown", Level as the policy's first level).
type Facts struct {
	Direction      string // in, out
	Class          string // resident, staff …; this and the others: a word of the vocabulary
	Known          bool   // of the roster
	Credential     string // gated-pass, plate … none
	Valid          bool   // the credential is genuine, in date and not revoked
	Reason         string // of the credential: ok, expired, revoked, bad-signature …
	Proof          string // signed, sighted, stated, none
	Service        string // of a vehicle: ambulance, fire … none
	PlateClass     string // of a plate that was read: ordinary, new-energy … none
	Health         string // what a valid health certificate states: vaccination, negative-test … none
	TestHours      int    // whole hours since the sample of the negative test; of other Health it says nothing
	Level          string // in force at the gate
	ClockTrusted   bool
	Whereabouts    string // by the register: inside, outside; "" counts as unknown
	Again          bool   // this way once more, without the way back between: they are where they are going
	Passed         bool   // when they passed last is known:
	MinutesSince   int    // so many whole minutes ago
	Building       string // of the household, such as 3; of several flats all, with spaces between
	Unit           string // likewise, such as 3-2
	Exemption      string // words of those that are in force for them, with spaces between
	Watched        bool   // somebody ordered that guards look closely
	Minute         int    // of the week in the gate's zone, see MinuteOfWeek
	HouseholdTrips int    // admitted out-passages of the household in the days that the level counts
	Trip           string // of the person, or of the household whose pass it is: open (they are out), overdue; none
	Holder         string // whose pass it is: person, household, vehicle; none
	Visit          string // what the visit of an outsider says of now: open, early, late, off-hours, used-up, over; none
	Consent        string // how the host of that agreed: in-person, gate-called …; none
	Host           string // what that host has said once for all: call-first, always-admit (whoever comes), no-visitors; none
}

// String tells of somebody who shows a valid pass, in words.
func (f Facts) String() string {
	of := ""
	if f.Unit != "" {
		of = " of " + f.Unit
	}
	where := f.Whereabouts
	if where == "" {
		where = unknown
	}
	trip := ""
	if f.Trip != "" {
		trip = "; their trip is " + f.Trip
	}
	return fmt.Sprintf("%s%s, %s, at level %s, %s; whereabouts %s, trips of the household that count: %d%s", f.Class, of, f.Direction,
		f.Level, clockTime(f.Minute), where, f.HouseholdTrips, trip)
}

// Who may admit against a refusal.
const (
	OverrideGuard     = "guard"
	OverrideTelephone = "telephone"  // the guard, where somebody else approves by telephone, whom they name
	OverrideSecond    = secondPerson // the guard, where somebody else at the gate agrees, whom they name
)

// Overrides are those words.
func Overrides() []string { return []string{OverrideGuard, OverrideTelephone, OverrideSecond} }

// Serves tells whether it is a vehicle of the services, or has a plate of theirs.
func (f Facts) Serves() bool {
	return f.Service != "" && f.Service != none || f.PlateClass == "police" || f.PlateClass == "emergency"
}

// Stated is what a valid health certificate states, with the age of a test.
func (f Facts) Stated() string {
	if f.Health == negativeTest {
		return fmt.Sprintf("%s %d h", negativeTest, f.TestHours)
	}
	return f.Health
}

// Decision is the verdict, why (a stable lower-case word) and by which rule.
type Decision struct {
	Verdict, Reason, Rule string
	Ask                   *Inquiry // of a hold: what the guard asks; nil: nothing but who it is
	Override              string   // who may admit all the same whom the rule refuses: one of Overrides; "": nobody
}

// agreement is asked about somebody whom a rule refuses who waits all the same, where it takes somebody else to admit against it.
var agreement = &Inquiry{Name: "agreement", Questions: []Question{{Name: "agrees", Kind: secondPerson, Required: true,
	Text: Text{Chinese: "还有谁同意放行", English: "who else agrees"}}}}

// Held is a decision about somebody who waits for a guard, whatever it was: it takes no less than a refusal would to admit them.
func (d Decision) Held() Decision {
	if d.Verdict == Refuse && (d.Override == OverrideTelephone || d.Override == OverrideSecond) {
		d.Ask = agreement
	}
	d.Verdict = Hold
	return d
}

// Rule is one rule of the file.
type Rule struct {
	Name   string
	When   []Condition // all must hold; none: the rule always holds
	Then   string      // Admit, Refuse or Hold
	Reason string      // empty: the credential's reason if it has a fault, else Name
	Ask    *Inquiry    // of a rule that holds; nil: nothing
	// Override says who may admit all the same whom the rule refuses: one of Overrides; "": nobody.
	Override string

	line  int  // in the file
	sound bool // it has no fault
}

// Condition is one line under `when`: the fact is one of the words Is, or, for
// household_trips_below, the trips are fewer than Below, for household_trips_from, as many or more, or, for test_hours_below, a
// negative test was taken less than Below hours ago, or, for minutes_since_below, they passed
// less than Below minutes ago. The lines weekday and time are one.
type Condition struct {
	Fact  string // key as written in the file
	Is    []string
	Below int
	fact  fact
	at    []string  // time slots
	week  *week.Set // of weekday and time: the minutes that they name
}

// Tried is a rule that Explain tried and why it did not match; Why is empty for
// the rule that did.
type Tried struct{ Rule, Why string }

// Policy is an immutable, checked policy file.
type Policy struct {
	name   string
	levels []Level
	rules  []Rule
	source []byte
	hash   string

	examples []byte // the file of them
}

//go:embed checkpoint.yaml
var shipped []byte

//go:embed checkpoint.examples.yaml
var shippedExamples []byte

// Shipped returns the checkpoint's own policy, which is part of the program.
func Shipped() *Policy {
	p, err := Parse("checkpoint.yaml", shipped)
	if err == nil {
		err = p.check(ExamplesFile("checkpoint.yaml"), shippedExamples)
	}
	if err != nil {
		panic(err) // the tests load it: cannot happen in a program that was built
	}
	return p
}

// PolicyFault is the reason of HoldEverybody.
const PolicyFault = "policy-fault"

// HoldEverybody returns the policy of a gate that has none: a guard decides about everybody.
func HoldEverybody() *Policy {
	const file = "name: %s\nlevels: [{name: %[1]s, basis: %s, trip_days: %d}]\nrules: [{name: %[1]s, then: hold}]\n"
	// No trip may be erased that counts once there is a policy again.
	q := parser{nobody: true}
	p, err := q.parse("", fmt.Appendf(nil, file, PolicyFault, Contract, MostTripDays))
	if err != nil {
		panic(err) // the tests call it
	}
	return p
}

// Name returns the policy's own name.
func (p *Policy) Name() string { return p.name }

// Hash names the policy in ledger records: the first 16 bytes of the SHA-256 of
// the file, in hexadecimal.
func (p *Policy) Hash() string { return p.hash }

// Source returns the file as it was read.
func (p *Policy) Source() []byte { return slices.Clone(p.source) }

// Examples is the file of examples as it was read; empty where there is none.
func (p *Policy) Examples() []byte { return slices.Clone(p.examples) }

// Levels are the names of the levels that the policy has; the first is the default.
func (p *Policy) Levels() []string { return names(p.levels) }

// TripDays is that of a level; 1 where the policy does not have it.
func (p *Policy) TripDays(level string) int { return max(p.level(level).TripDays, 1) }

// LongestTripDays is the longest of all levels: a notice may bring any of them.
func (p *Policy) LongestTripDays() (days int) {
	for _, l := range p.levels {
		days = max(days, l.TripDays)
	}
	return days
}

// TripTime is how long a trip that begins at a level may take; 0: as long as it takes, also where the policy does not have the level.
func (p *Policy) TripTime(level string) time.Duration {
	return time.Duration(p.level(level).TripHours) * time.Hour
}

func (p *Policy) level(name string) (l Level) {
	if i := slices.IndexFunc(p.levels, func(l Level) bool { return l.Name == name }); i >= 0 {
		l = p.levels[i]
	}
	return l
}

// Basis is the ground in law on which personal data is handled at a level.
func (p *Policy) Basis(level string) string { return p.level(level).Basis }

// AsksHealth tells whether facts about health may be asked, shown and kept at a level: see Level.
func (p *Policy) AsksHealth(level string) bool {
	return p.level(level).Basis == PublicHealth
}

// Asks are the words of a fact, such as exemption, that rules ask for.
func (p *Policy) Asks(fact string) (words []string) {
	for _, r := range p.rules {
		for _, c := range r.When {
			if c.Fact == fact {
				words = append(words, c.Is...)
			}
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// Classes are those of subjects; the settings name them, too.
func Classes() []string { return slices.Clone(vocabulary[class].words) }

// Rules returns the rules in the order in which they are tried.
func (p *Policy) Rules() []Rule {
	rules := slices.Clone(p.rules)
	for i := range rules {
		rules[i].When = slices.Clone(rules[i].When)
		for j, c := range rules[i].When {
			rules[i].When[j].Is = slices.Clone(c.Is)
		}
	}
	return rules
}

// Decide returns what the first matching rule says. Whatever the rules say,
// nobody is admitted whose proof is not signed or sighted: that is held,
// reason StatedOnly. Nor is a resident of the roster refused, who is at home
// here: that is held, too, and takes a second person where the rule lets nobody
// admit all the same. A code of something else is always refused; on the
// way out, where no rule refuses, a guard may admit all the same.
func (p *Policy) Decide(f Facts) Decision {
	v := p.words(f)
	d := Decision{Verdict: Hold, Reason: UnknownFacts}
	if p.has(&v) {
		for i := range p.rules {
			if r := &p.rules[i]; r.matches(&v, &f) {
				d = r.decision(&v)
				break
			}
		}
	}
	if v[credentialReason] != unknownCode {
		return d
	}
	if d.Verdict != Refuse {
		d = Decision{Verdict: Refuse, Rule: unknownCode}
		if v[direction] == "out" {
			d.Override = OverrideGuard
		}
	}
	d.Reason = unknownCode
	return d
}

// MayAdmit tells whether there may be a time of the week, and a number of trips of their household, at which somebody is admitted, or goes
// once they have answered what is asked of whoever has a trip left.
func (p *Policy) MayAdmit(f Facts) bool {
	v := p.words(f)
	if v[credentialReason] == unknownCode {
		return false
	}
	for i := range p.rules {
		r, may, always, trips := &p.rules[i], true, true, false
		for j := range r.When {
			if c := &r.When[j]; c.fact == timeOfWeek || c.fact == householdTripsBelow || c.fact == householdTripsFrom {
				always, trips = false, trips || c.fact == householdTripsBelow
			} else if may = c.holds(&v, &f); !may {
				break
			}
		}
		if may && (r.decision(&v).Verdict == Admit || trips && r.Ask != nil) {
			return p.has(&v)
		} else if may && always {
			return false
		}
	}
	return false
}

// Explain returns the rules that Decide tries for these facts, the matching one
// last, and what it decides.
func (p *Policy) Explain(f Facts) ([]Tried, Decision) {
	v := p.words(f)
	d := p.Decide(f)
	if !p.has(&v) || d.Rule == unknownCode {
		return nil, d
	}
	var tried []Tried
	for _, r := range p.rules {
		var why []string
		for _, c := range r.When {
			if !c.holds(&v, &f) {
				why = append(why, c.not(&v, &f))
			}
		}
		tried = append(tried, Tried{r.Name, strings.Join(why, "; ")})
		if why == nil {
			break
		}
	}
	return tried, d
}

// has tells whether direction and level are ones that rules can speak about: a
// misspelt level must not fall through the conditions that should have caught it.
func (p *Policy) has(v *words) bool {
	return slices.Contains(vocabulary[direction].words, v[direction]) &&
		slices.ContainsFunc(p.levels, func(l Level) bool { return l.Name == v[level] })
}

func (r *Rule) matches(v *words, f *Facts) bool {
	for i := range r.When {
		if !r.When[i].holds(v, f) {
			return false
		}
	}
	return true
}

func (r *Rule) decision(v *words) Decision {
	d := Decision{r.Then, r.Reason, r.Name, r.Ask, r.Override}
	if d.Reason == "" {
		d.Reason = r.Name
		if why := v[credentialReason]; why != "ok" && why != none {
			d.Reason = why
		}
	}
	if d.Verdict == Admit && v[proof] != "signed" && v[proof] != "sighted" {
		d.Verdict, d.Reason = Hold, StatedOnly
	}
	if d.Verdict == Refuse && v[known] == "true" && v[class] == "resident" {
		d.Override = cmp.Or(d.Override, OverrideSecond) // whom it lets nobody admit is admitted by no guard alone
		return d.Held()
	}
	return d
}

func (c *Condition) holds(v *words, f *Facts) bool {
	switch c.fact {
	case householdTripsBelow:
		return f.HouseholdTrips < c.Below
	case householdTripsFrom:
		return f.HouseholdTrips >= c.Below
	case testHoursBelow:
		return v[health] == negativeTest && f.TestHours < c.Below
	case minutesSinceBelow:
		return f.Passed && f.MinutesSince < c.Below
	case timeOfWeek:
		return f.Minute >= 0 && f.Minute < week.Minutes && c.week.Has(f.Minute)
	case building, unit, exemption: // of somebody's flats, or exemptions, one is enough
		for w := range strings.FieldsSeq(v[c.fact]) {
			if slices.Contains(c.Is, w) {
				return true
			}
		}
		return false
	}
	return slices.Contains(c.Is, v[c.fact])
}

// String reads as the file does: `class: resident or staff`.
func (c Condition) String() string {
	if c.fact >= firstNumber && c.fact < factCount {
		return c.Fact + ": " + strconv.Itoa(c.Below)
	}
	return c.Fact + ": " + c.wording()
}

func (c Condition) not(v *words, f *Facts) string {
	switch {
	case c.fact == householdTripsBelow:
		return "household_trips is " + strconv.Itoa(f.HouseholdTrips) + ", not below " + strconv.Itoa(c.Below)
	case c.fact == householdTripsFrom:
		return "household_trips is " + strconv.Itoa(f.HouseholdTrips) + ", below " + strconv.Itoa(c.Below)
	case c.fact == testHoursBelow && v[health] != negativeTest:
		return "health is " + v[health] + ", not " + negativeTest
	case c.fact == testHoursBelow:
		return "test_hours is " + strconv.Itoa(f.TestHours) + ", not below " + strconv.Itoa(c.Below)
	case c.fact == minutesSinceBelow && !f.Passed:
		return "minutes_since is unknown, not below " + strconv.Itoa(c.Below)
	case c.fact == minutesSinceBelow:
		return "minutes_since is " + strconv.Itoa(f.MinutesSince) + ", not below " + strconv.Itoa(c.Below)
	case c.fact == timeOfWeek:
		return "it is " + clockTime(f.Minute) + ", not " + c.wording()
	}
	return c.Fact + " is " + v[c.fact] + ", not " + strings.Join(c.Is, " or ")
}
