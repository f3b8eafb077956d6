package policy

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// deny sees to it that deny beats grant: no rule admits somebody whom somebody ordered to watch before a rule that would hold or refuse
// them for it. Rules are tried in order, so that such a rule below would never be asked about them. The services are apart: no order
// keeps a vehicle of theirs waiting.
func (p *parser) deny() {
	rules, u := p.policy.rules, p.policy.universe()
	for j := range rules {
		if rules[j].Then == Admit || !asksOnly(&rules[j], watched, "true") {
			continue
		}
		for i := range j {
			if rules[i].Then != Admit || forServices(&rules[i]) || !u.before(rules, i, j) {
				continue
			}
			does := map[string]string{Hold: "holds", Refuse: "refuses"}[rules[j].Then]
			p.fault(&yaml.Node{Line: rules[i].line}, "rule "+quote(rules[i].Name), "admits before rule %s (line %d) %s whom somebody "+
				"ordered to watch: move that one above it, or let it ask for `watched: false`", quote(rules[j].Name), rules[j].line, does)
		}
	}
}

// before tells whether rule i takes somebody of the roster of whom rule j would decide, and no rule above i did.
func (u *universe) before(rules []Rule, i, j int) bool {
	roster := Rule{When: []Condition{{fact: known, Is: []string{"true"}}}}
	for part := range u.parts() {
		of, one, other := part.of(&roster), part.of(&rules[i]), part.of(&rules[j])
		for _, f := range [...]fact{building, unit, exemption} { // of which somebody may have several
			if one.words[f]&other.words[f] == 0 {
				other.words[f] = one.words[f]
			}
		}
		var left []box
		for _, b := range part.all() {
			some := true
			for _, o := range []*box{&of, &one, &other} {
				if some {
					b, some = b.and(o)
				}
			}
			if some {
				left = append(left, b)
			}
		}
		for k := 0; k < i && len(left) > 0 && u.work < mostWork; k++ { // where that is too much work it is said of all who may be left
			taken := part.of(&rules[k])
			u.work += len(left)
			left = without(left, &taken)
		}
		if len(left) > 0 {
			return true
		}
	}
	return false
}

// forServices tells whether a rule is for vehicles of the services alone.
func forServices(r *Rule) bool {
	services := slices.DeleteFunc(Words("service"), func(w string) bool { return w == none })
	return asksOnly(r, service, services...) || asksOnly(r, plateClass, "police", "emergency") || asksOnly(r, class, "emergency-vehicle")
}

// asksOnly tells whether a rule asks for a fact, and for none but some words of it.
func asksOnly(r *Rule, f fact, words ...string) bool {
	return slices.ContainsFunc(r.When, func(c Condition) bool {
		return c.fact == f && !slices.ContainsFunc(c.Is, func(w string) bool { return !slices.Contains(words, w) })
	})
}
