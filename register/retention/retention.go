// Package retention says for how many days the personal data of an entry is kept.
package retention

import "slices"

// Rule says how many days the personal data of some entries is kept after their day.
type Rule struct {
	Class string `mapstructure:"class"` // required, unique: such as resident, or one of Words
	Days  int    `mapstructure:"days"`  // required: whole days after that of the entry, 1 to 36500
}

// What a rule is for that is for no single class. Of several the narrowest counts: that of the class, then these in this order.
const (
	Visit   = "visit"   // entries of visits, and of their passages
	Passage = "passage" // those of all passages
	All     = "*"       // what else there is, such as sign-ons
)

// Words are those words.
var Words = []string{Visit, Passage, All}

// outsiders are the classes of those who come by a visit.
var outsiders = []string{"visitor", "courier", "helper", "contractor", "taxi", "vehicle"}

// Of is what an entry is of.
type Of struct {
	Class   string // "": nobody passed, or it is not known who
	Visit   bool
	Passage bool
}

// For is the place of the rule that counts for entries; -1: none does.
func For(rules []Rule, of Of) int {
	words := []string{of.Class, All}
	if of.Passage || of.Class != "" {
		words = []string{of.Class, Passage, All}
	}
	if of.Visit {
		words = []string{of.Class, Visit, Passage, All}
	}
	for _, word := range words {
		if i := slices.IndexFunc(rules, func(r Rule) bool { return r.Class == word }); i >= 0 && word != "" {
			return i
		}
	}
	return -1
}

// Conflicts are the rules that erase entries earlier than another list says to keep them, among those of some classes: the place of each,
// and that of what it is shorter than.
func Conflicts(rules, keep []Rule, classes []string) map[int]int {
	entries := []Of{{}, {Passage: true}}
	for _, class := range classes {
		entries = append(entries, Of{Class: class, Passage: true})
		if slices.Contains(outsiders, class) {
			entries = append(entries, Of{Class: class, Visit: true})
		}
	}
	short := map[int]int{}
	for _, of := range entries {
		rule, kept := For(rules, of), For(keep, of)
		if rule < 0 || kept < 0 || rules[rule].Days >= keep[kept].Days {
			continue
		}
		if other, is := short[rule]; !is || keep[other].Days < keep[kept].Days {
			short[rule] = kept
		}
	}
	return short
}
