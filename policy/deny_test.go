package policy

import (
	"fmt"
	"strings"
	"testing"
)

// Deny beats grant: whom a rule holds or refuses since they are watched, no rule above it admits. The fault names both rules.
func TestARuleThatAdmitsBeforeTheWatchedAreHeldIsAFault(t *testing.T) {
	t.Parallel()
	const watch = "  - {name: watch, when: {watched: true}, then: hold}\n"
	const staff = "  - {name: staff, when: {class: staff, known: true, valid: true, proof: signed}, then: admit}\n"
	const last = "  - {name: home, when: {class: [resident, staff], known: true, valid: true, proof: signed}, then: admit}\n  - {name: last, then: hold}\n"
	const fault = `line 3: rule "staff": admits before rule "watch" (line 4) holds whom somebody ordered to watch: move that one above it, or let it ask for ` + "`watched: false`"
	var units strings.Builder
	for i := range 200 {
		fmt.Fprintf(&units, "  - {name: u%d, when: {unit: 9-%d, direction: out}, then: hold}\n", i, i+1)
	}
	change := func(rule string, changes ...string) string { return strings.NewReplacer(changes...).Replace(rule) }
	for _, tt := range []struct{ name, rules, want string }{
		{"below", watch + staff, ""},
		{"above", staff + watch, fault},
		{"a refusal", staff + change(watch, "hold", "refuse, override: second-person"), `admits before rule "watch" (line 4) refuses whom`},
		{"not of the watched", change(staff, "known: true", "known: true, watched: false") + watch, ""},
		{"of the watched themselves", change(staff, "known: true", "known: true, watched: true") + watch, `rule "staff": admits before`},
		{"whoever is watched, or not", change(staff, "known: true", "known: true, watched: [true, false]") + watch, fault},
		{"the other way", change(staff, "known: true", "known: true, direction: in") + change(watch, "watched", "direction: out, watched"), ""},
		{"other hours", change(staff, "known: true", "known: true, time: 06:00-22:00") + change(watch, "true", "true, time: 22:00-06:00"), ""},
		{"some of the same hours", change(staff, "known: true", "known: true, time: 06:00-22:01") + change(watch, "true", "true, time: 22:00-06:00"), fault},
		{"nobody of the roster", change(staff, "known: true", "known: false") + watch, ""},
		{"the services", change(staff, "class: staff", "service: [fire, ambulance]") + watch, ""},
		{"the services, and others", change(staff, "class: staff", "service: [fire, none]") + watch, fault},
		{"all whom it may concern were held before", change(watch, "watch,", "first,", "watched", "class: staff, watched") + staff + watch, ""},
		{"but for one way", change(watch, "watch,", "first,", "watched", "class: staff, direction: in, watched") + staff + watch,
			`line 4: rule "staff": admits before rule "watch" (line 5) holds`},
		{"a unit behind hundreds", units.String() + change(staff, "class: staff", "unit: 9-150") + watch, `line 203: rule "staff": admits before rule "watch" (line 204)`},
		{"who may have both flats", units.String() + change(staff, "class: staff", "unit: 9-150") + change(watch, "watched", "unit: 9-151, watched"), `line 203: rule "staff": admits before`},
		{"the flat of whom was held before", change(watch, "watch,", "first,", "watched", "unit: 9-1, watched") + change(staff, "class: staff", "unit: 9-1") + change(watch, "watched", "unit: 9-2, watched"), ""},
		{"a rule that admits the watched", staff + change(watch, "hold", "admit", "true", "true, proof: signed"), ""},
		{"one that also asks for others", staff + change(watch, "true", "[true, false]", "watched", "class: courier, watched"), ""},
	} {
		_, err := Parse("own", []byte("name: own\nrules:\n"+tt.rules+last))
		if got := fmt.Sprint(err); err != nil && tt.want == "" || !strings.Contains(got, tt.want) && tt.want != "" {
			t.Errorf("%s: got %.600s; want %s", tt.name, got, tt.want)
		}
	}
}
