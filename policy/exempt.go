package policy

import (
	"slices"
	"strings"
)

// Exempts tells whether somebody goes by an exemption: the rule that takes them asks for it, or, where they wait for a guard, the one that
// would take them once the guard has agreed. That they have one does not count, as rules may narrow what it is good for; but at a level
// that counts no trips it does, where some rule of another asks for it, since that may come with the next notice.
func (p *Policy) Exempts(f Facts) bool {
	if f.Exemption == "" {
		return false
	}
	v := p.words(f)
	if !p.countsTrips(v[level]) {
		asked := p.Asks(vocabulary[exemption].key)
		return slices.ContainsFunc(strings.Fields(f.Exemption), func(w string) bool { return slices.Contains(asked, w) })
	}
	for i := range p.rules {
		r := &p.rules[i]
		if !r.matches(&v, &f) {
			continue
		}
		if slices.ContainsFunc(r.When, func(c Condition) bool { return c.fact == exemption }) {
			return true
		}
		if r.Then == Admit {
			return false
		}
	}
	return false
}

// countsTrips tells whether a rule asks for the trips of households at a level.
func (p *Policy) countsTrips(at string) bool {
	return slices.ContainsFunc(p.rules, func(r Rule) bool {
		elsewhere := func(c Condition) bool { return c.fact == level && !slices.Contains(c.Is, at) }
		trips := func(c Condition) bool { return c.fact == householdTripsBelow || c.fact == householdTripsFrom }
		return slices.ContainsFunc(r.When, trips) && !slices.ContainsFunc(r.When, elsewhere)
	})
}
