package policy

import (
	"iter"
	"math"
	"slices"

	"gated/policy/week"
)

// box is a set of facts: of each fact so many of its words, of each number a range, and minutes of the week.
type box struct {
	words   [firstNumber]uint64 // by their place in the universe
	numbers [numbers]span       // trips; nothing; hours of a negative test, of other health these say nothing; minutes, the most if unknown
	week    week.Set
}

const numbers = factCount - firstNumber

type span struct{ from, to int } // without to

func (s span) and(o span) span { return span{max(s.from, o.from), min(s.to, o.to)} }
func (s span) empty() bool     { return s.from >= s.to }

// universe are the words of each fact that rules can tell apart: those of the vocabulary, and of what has words of its own all
// that the file names, and one for all others.
type universe struct {
	words [firstNumber][]string
	work  int // done so far
}

func (p *Policy) universe() (u universe) {
	for i := range firstNumber {
		switch u.words[i] = slices.Clone(vocabulary[i].words); i {
		case level:
			u.words[i] = names(p.levels)
		case building, unit, exemption:
			for _, r := range p.rules {
				for _, c := range r.When {
					if c.fact == i {
						u.words[i] = append(u.words[i], c.Is...)
					}
				}
			}
			slices.Sort(u.words[i])
			u.words[i] = append(slices.Compact(u.words[i]), "") // none, or another one
		}
	}
	return u
}

// set is words of a fact.
func (u *universe) set(i fact, words ...string) (s uint64) {
	for _, w := range words {
		if at := slices.Index(u.words[i], w); at >= 0 {
			s |= 1 << at
		}
	}
	return s
}

// fits tells whether sets have a place for each word; a file that names more buildings, units or exemptions is not looked through.
func (u *universe) fits() bool {
	return !slices.ContainsFunc(u.words[:], func(words []string) bool { return len(words) > 64 })
}

// parts are universes of so few buildings, units and exemptions each that sets have a place for all of their words; together they are the
// whole of it. Whoever counts the work of all of them hands it on in u.
func (u *universe) parts() iter.Seq[*universe] {
	return func(yield func(*universe) bool) {
		for buildings := range slices.Chunk(u.words[building], 64) {
			for units := range slices.Chunk(u.words[unit], 64) {
				for exemptions := range slices.Chunk(u.words[exemption], 64) {
					part := *u
					part.words[building], part.words[unit], part.words[exemption] = buildings, units, exemptions
					if !yield(&part) {
						return
					}
				}
			}
		}
	}
}

func full() box {
	var b box
	for i := range b.numbers {
		b.numbers[i] = span{0, math.MaxInt}
	}
	for i := range b.words {
		b.words[i] = math.MaxUint64
	}
	b.week.Add(0, week.Minutes)
	return b
}

// all are the facts that can be: a credential is valid if its reason is ok, and only a valid one tells of health; who goes the same
// way again is where they are going.
func (u *universe) all() []box {
	b := full()
	for i := range b.words {
		b.words[i] = u.set(fact(i), u.words[i]...)
	}
	good, bad := b, b
	good.words[valid], good.words[credentialReason] = u.set(valid, "true"), u.set(credentialReason, "ok")
	bad.words[valid] = u.set(valid, "false")
	bad.words[credentialReason] &^= u.set(credentialReason, "ok")
	bad.words[health] = u.set(health, none)
	var all []box
	for _, b := range []box{good, bad} {
		b.words[again] = u.set(again, "false")
		all = append(all, b)
		b.words[again] = u.set(again, "true")
		for _, is := range [][2]string{{"in", "inside"}, {"out", "outside"}} {
			b.words[direction], b.words[whereabouts] = u.set(direction, is[0]), u.set(whereabouts, is[1])
			all = append(all, b)
		}
	}
	return all
}

// of is all that the conditions of a rule hold for.
func (u *universe) of(r *Rule) box {
	b := full()
	for _, c := range r.When {
		switch c.fact {
		case testHoursBelow:
			b.words[health] &= u.set(health, negativeTest)
			fallthrough
		case householdTripsBelow, minutesSinceBelow:
			at := &b.numbers[c.fact-firstNumber]
			*at = at.and(span{0, c.Below})
		case householdTripsFrom:
			at := &b.numbers[householdTripsBelow-firstNumber]
			*at = at.and(span{c.Below, math.MaxInt})
		case timeOfWeek:
			b.week = *c.week
		default:
			b.words[c.fact] &= u.set(c.fact, c.Is...)
		}
	}
	return b
}

// and is what both have; false if that is nothing.
func (b box) and(o *box) (box, bool) {
	for i := range b.words {
		if b.words[i] &= o.words[i]; b.words[i] == 0 {
			return b, false
		}
	}
	for i := range b.numbers {
		if b.numbers[i] = b.numbers[i].and(o.numbers[i]); b.numbers[i].empty() {
			return b, false
		}
	}
	some := false
	for i := range b.week {
		b.week[i] &= o.week[i]
		some = some || b.week[i] != 0
	}
	return b, some
}

// without is what b has and o has not, in parts that have nothing in common.
func (b box) without(o *box) (parts []box) {
	both, some := b.and(o)
	if !some {
		return []box{b}
	}
	for i := range b.words {
		if rest := b.words[i] &^ both.words[i]; rest != 0 {
			part := b
			part.words[i] = rest
			parts = append(parts, part)
		}
		b.words[i] = both.words[i]
	}
	for i, is := range both.numbers {
		for _, rest := range []span{{b.numbers[i].from, is.from}, {is.to, b.numbers[i].to}} {
			if !rest.empty() {
				part := b
				part.numbers[i] = rest
				parts = append(parts, part)
			}
		}
		b.numbers[i] = is
	}
	rest := b
	for i := range rest.week {
		rest.week[i] &^= both.week[i]
	}
	if rest.week != (week.Set{}) {
		parts = append(parts, rest)
	}
	return parts
}

// mostWork bounds the work, in parts looked at, for a file of hundreds of rules that overlap in every way; beyond it nothing is
// said of its last rules.
const mostWork = 20_000

// unreachable tells whether a rule can never match, and which rules before it take all that it could: the one, if one alone does;
// none, if its conditions contradict each other.
func (u *universe) unreachable(rules []Rule, j int) (by []int, is bool) {
	own := u.of(&rules[j])
	var left []box
	for _, b := range u.all() {
		if both, some := b.and(&own); some {
			left = append(left, both)
		}
	}
	whole := left
	for i := 0; i < j && len(left) > 0; i++ {
		if !rules[i].sound {
			continue
		}
		taken := u.of(&rules[i])
		if rest := without(whole, &taken); len(rest) == 0 {
			return []int{i}, true
		}
		if u.work += len(left); u.work > mostWork {
			return nil, false
		}
		rest := without(left, &taken)
		if !slices.Equal(rest, left) {
			by = append(by, i)
		}
		left = rest
	}
	if len(left) > 0 {
		return nil, false
	}
	for k := len(by) - 1; k >= 0; k-- { // those without which it would be taken as well
		if others := slices.Delete(slices.Clone(by), k, k+1); u.work < mostWork && u.taken(whole, rules, others) {
			by = others
		}
	}
	return by, true
}

// taken tells whether rules take all of some boxes.
func (u *universe) taken(left []box, rules []Rule, by []int) bool {
	for _, i := range by {
		u.work += len(left)
		of := u.of(&rules[i])
		left = without(left, &of)
	}
	return len(left) == 0
}

func without(boxes []box, o *box) (rest []box) {
	for _, b := range boxes {
		rest = append(rest, b.without(o)...)
	}
	return rest
}
