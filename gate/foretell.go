package gate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gated/credential"
	"gated/gate/subject"
	"gated/policy"
	"gated/roster"
)

// Foretold is what the policy in force would decide about somebody of the roster who shows a valid pass, and which rules it tried.
type Foretold struct {
	Facts    policy.Facts
	Tried    []policy.Tried
	Decision policy.Decision
}

// Foretell asks the policy in force about a person or vehicle of the roster, as if they came in or went out at a time (zero: now) and at
// a level (empty: the one that counts for them). Nobody passes, and nothing is recorded.
func (g *Gate) Foretell(id, direction, level string, at time.Time) (f Foretold, err error) {
	m := g.moment()
	who, claim := g.withPass(id)
	switch {
	case !who.Known:
		return f, ErrUnknownPerson
	case direction != "in" && direction != "out":
		return f, invalid("direction %.20q: in or out", direction)
	case level != "" && !slices.Contains(m.rules.Policy.Levels(), level):
		return f, invalid("level %.40q%s: the policy in force has the levels %s", level, policy.Nearest(level, m.rules.Policy.Levels()),
			strings.Join(m.rules.Policy.Levels(), ", "))
	}
	own, _ := g.level(who, m.rules)
	f.Facts = g.facts(who, claim, direction, cmp.Or(level, own), m)
	if !at.IsZero() {
		at = at.In(g.opt.Ledger.Zone())
		f.Facts.Minute = policy.MinuteOfWeek(at)
		f.Facts.HouseholdTrips = g.trips(who.Household, at, m.rules.Policy.TripDays(f.Facts.Level))
	}
	f.Tried, f.Decision = m.rules.Policy.Explain(f.Facts)
	return f, nil
}

// withPass is somebody of the roster, and the claim of a pass of theirs that is good.
func (g *Gate) withPass(id string) (subject.Subject, credential.Claim) {
	people := g.opt.Roster.Snapshot()
	claim := credential.Claim{Kind: "gated-pass", SubjectKind: "resident", Subject: id, Proof: credential.Signed, Valid: true, Reason: "ok"}
	if _, is := people.Vehicle(id); is {
		claim.SubjectKind = "vehicle"
	}
	return subject.Find(people, claim), claim
}

// Overturned is for whom, or for how many, another level would decide otherwise than the one that counts now.
type Overturned struct {
	People    int    `json:"people"`
	Class     string `json:"class"`
	Direction string `json:"direction"`
	Was       string `json:"was"`
	Is        string `json:"is"`
	Reason    string `json:"reason"`
	ID        string `json:"id,omitempty"` // of one who is no resident: they are to be told
	Name      string `json:"name,omitempty"`
	Phone     string `json:"phone,omitempty"`
	Where     string `json:"whereabouts,omitempty"`
}

// Plan tells what a level would overturn in a place (empty: the compound), of those who have a valid pass: residents by number, others
// by name, so that they can be called.
func (g *Gate) Plan(level, place string) (list []Overturned, err error) {
	people := g.opt.Roster.Snapshot()
	counted := map[Overturned]int{}
	ask := func(id string, p roster.Person) error {
		for _, direction := range []string{"in", "out"} {
			now, err := g.Foretell(id, direction, "", time.Time{})
			if err != nil {
				return err
			}
			f := now.Facts
			if place != "" && !slices.Contains(append(strings.Fields(f.Building), strings.Fields(f.Unit)...), place) {
				return nil
			}
			then, err := g.Foretell(id, direction, level, time.Time{})
			if err != nil {
				return err
			}
			o := Overturned{Class: f.Class, Direction: direction, Was: now.Decision.Verdict, Is: then.Decision.Verdict,
				Reason: then.Decision.Reason}
			if o.Was == o.Is {
				continue
			}
			if f.Class != "resident" {
				o.ID, o.Name, o.Phone, o.Where = id, p.Name, p.Phone, cmp.Or(f.Whereabouts, "unknown")
			}
			counted[o]++
		}
		return nil
	}
	for _, p := range people.People() {
		if err := ask(p.ID, p); err != nil {
			return nil, err
		}
	}
	for _, v := range people.Vehicles() {
		if err := ask(v.ID, roster.Person{Name: v.Plate}); err != nil {
			return nil, err
		}
	}
	for o, n := range counted {
		o.People = n
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b Overturned) int {
		return cmp.Or(cmp.Compare(b.People, a.People), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Is, b.Is))
	})
	return list, nil
}
