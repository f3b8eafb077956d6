package policy

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// home sees to it that coming home is admitted at every level: a resident of the roster with a valid signed pass, their own or their
// household's, who comes in, whatever trips, also one that is overdue, time, flat, exemption and whereabouts. Each rule that takes part
// of these facts and does not admit is a fault.
// Where that is more work than mostWork it is a fault as well, since nobody knows. Rules may ask on purpose for whom guards are
// ordered to look closely at, and for who comes in once more without having gone out: that may be somebody else, with a pass that was
// handed back.
//
// One flat and one exemption are enough to look at. Whoever has several is decided about by the first rule that asks for one of
// them, and of the rules before it none would have taken somebody who has that one alone.
func (p *parser) home() {
	takes := make([][]string, len(p.policy.rules)) // levels at which a rule keeps somebody from coming home
	all := p.policy.universe()
	for _, l := range p.policy.levels {
		all.words[level] = []string{l.Name}
		keeps := func(rule int) {
			if !slices.Contains(takes[rule], l.Name) {
				takes[rule] = append(takes[rule], l.Name)
			}
		}
		for u := range all.parts() {
			if !u.comesHome(p.policy.rules, keeps) {
				p.fault(nil, "", "so many rules overlap that it cannot be told whether residents come home at the level %s: "+
					"put a rule that admits them before the others, such as `%s`", l.Name, homeRule)
				return
			}
			all.work = u.work
		}
	}
	for i, levels := range takes {
		r := &p.policy.rules[i]
		if len(levels) == 0 {
			continue
		}
		at := "the level" + strings.Repeat("s", min(1, len(levels)-1)) + " " + strings.Join(levels, ", ")
		if len(levels) == len(p.policy.levels) {
			at = "any level"
		}
		todo := "let it ask for `direction: out` or another class, or put above it"
		if len(r.When) == 0 {
			todo = "put above it"
		}
		p.fault(&yaml.Node{Line: r.line}, "rule "+quote(r.Name), "at %s it %ss a resident who comes home with a valid pass, which is "+
			"admitted at every level: %s a rule such as `%s`", at, r.Then, todo, homeRule)
	}
}

const homeRule = "{name: home, when: {direction: in, class: resident, known: true, valid: true, proof: signed}, then: admit}"

// comesHome tells which rules keep somebody from coming home; false where that is too much work.
func (u *universe) comesHome(rules []Rule, keeps func(rule int)) bool {
	left := []box{u.home()}
	for i := range rules {
		of := u.of(&rules[i])
		if u.work += len(left); u.work > mostWork {
			return false
		}
		rest := without(left, &of)
		if rules[i].Then != Admit && !slices.Equal(rest, left) {
			keeps(i)
		}
		if left = rest; len(left) == 0 {
			break
		}
	}
	return true
}

// home are the facts of a resident of the roster who comes in with a valid signed pass.
func (u *universe) home() box {
	b := full()
	for i := range b.words {
		b.words[i] = u.set(fact(i), u.words[i]...)
	}
	for i, word := range map[fact]string{direction: "in", class: "resident", known: "true", credential: "gated-pass", valid: "true",
		credentialReason: "ok", proof: "signed", service: none, plateClass: none, health: none, watched: "false",
		again: "false", visit: none, consent: none} {
		b.words[i] = u.set(i, word)
	}
	b.words[holder] = u.set(holder, HolderPerson, HolderHousehold)
	return b
}
