package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A rule by which a resident with a valid pass would not be let in is named, with the levels and what to do.
func TestARuleThatKeepsResidentsFromComingHomeIsAFault(t *testing.T) {
	t.Parallel()
	const admit = "  - {name: pass, when: {class: [resident, staff], known: true, valid: true, proof: [signed, sighted]}, then: admit}\n"
	const fault = "it holds a resident who comes home with a valid pass, which is admitted at every level: let it ask for `direction: out` or another class, or put above it a rule such as `{name: home, "
	var units, others strings.Builder
	for i := range 200 {
		fmt.Fprintf(&units, "  - {name: u%d, when: {unit: 9-%d}, then: admit}\n", i, i+1)
		fmt.Fprintf(&others, "  - {name: o%d, when: {unit: 9-%d, direction: out}, then: hold}\n", i, i+1)
	}
	for _, tt := range []struct{ name, rules, want string }{
		{"admitted", admit, ""},
		{"held on the way out", "  - {name: r, when: {direction: out}, then: hold}\n" + admit, ""},
		{"refused without a pass", "  - {name: r, when: {valid: false}, then: refuse}\n" + admit, ""},
		{"others are held", "  - {name: r, when: {class: [visitor, staff], time: 22:00-06:00}, then: hold}\n" + admit, ""},
		{"a vehicle of the services", "  - {name: r, when: {service: fire}, then: hold}\n" + admit, ""},
		{"health", "  - {name: r, when: {level: sealed, health: positive-test}, then: hold}\n" + admit, ""},
		{"two rules for all units", "  - {name: here, when: {unit: 3-1}, then: admit}\n" + admit, ""},
		{"a unit that is held on the way out, behind hundreds", others.String() + admit, ""},
		{"who is watched", "  - {name: r, when: {watched: true}, then: hold}\n" + admit, ""},
		{"who has an exemption", "  - {name: r, when: {exemption: dialysis}, then: hold}\n" + admit, fault},
		{"who comes in again", "  - {name: r, when: {again: true}, then: hold}\n" + admit, ""},
		{"who comes in again at once", "  - {name: r, when: {direction: in, again: true, minutes_since_below: 2}, then: hold}\n" + admit, ""},
		{"who comes back at once", "  - {name: r, when: {direction: in, minutes_since_below: 2}, then: hold}\n" + admit, fault},
		{"whatever the class", "  - {name: r, when: {direction: in}, then: hold}\n" + admit, `line 3: rule "r": at any level ` + fault},
		{"at one level", "  - {name: r, when: {level: sealed}, then: hold}\n" + admit, `line 3: rule "r": at the level sealed ` + fault},
		{"at two levels", "  - {name: r, when: {level: [sealed, normal]}, then: hold}\n" + admit, `rule "r": at the levels sealed, normal ` + fault},
		{"refused", "  - {name: r, when: {class: resident}, then: refuse}\n" + admit, `rule "r": at any level it refuses a resident`},
		{"trips", "  - {name: r, when: {household_trips_below: 3}, then: hold}\n" + admit, fault},
		{"more trips", "  - {name: r, when: {class: resident, household_trips_below: 3, valid: true, proof: signed}, then: admit}\n", `rule "last": at any level it refuses a resident who comes home with a valid pass, which is admitted at every level: put above it`},
		{"who is overdue", "  - {name: r, when: {trip: overdue}, then: hold}\n" + admit, fault},
		{"who is out on a trip", "  - {name: r, when: {direction: in, trip: [open, overdue]}, then: hold}\n" + admit, fault},
		{"who is out on none", "  - {name: r, when: {direction: in, trip: none}, then: hold}\n" + admit, fault},
		{"who goes out once more", "  - {name: r, when: {direction: out, trip: overdue}, then: hold}\n" + admit, ""},
		{"the pass of a household", "  - {name: r, when: {holder: household}, then: hold}\n" + admit, fault},
		{"the pass of a person", "  - {name: r, when: {holder: person, level: sealed}, then: hold}\n" + admit, "at the level sealed " + fault},
		{"the pass of a vehicle", "  - {name: r, when: {holder: [vehicle, none]}, then: hold}\n" + admit, ""},
		{"night", "  - {name: r, when: {time: 23:59-00:00}, then: hold}\n" + admit, fault},
		{"a Sunday", "  - {name: r, when: {weekday: sun, known: true}, then: hold}\n" + admit, fault},
		{"a unit", "  - {name: r, when: {unit: 3-1}, then: hold}\n" + admit, fault},
		{"another unit than one of two hundred", units.String(), `rule "last": at any level`},
		{"one of two hundred units", others.String() + "  - {name: r, when: {unit: 9-77, direction: in}, then: hold}\n" + admit, `line 203: rule "r"`},
		{"a building", "  - {name: r, when: {building: 3}, then: hold}\n" + admit, fault},
		{"who is inside by the register", "  - {name: r, when: {whereabouts: inside}, then: hold}\n" + admit, fault},
		{"nobody knows where they are", "  - {name: r, when: {whereabouts: unknown}, then: hold}\n" + admit, fault},
		{"a clock that is not trusted", "  - {name: r, when: {clock_trusted: false}, then: hold}\n" + admit, fault},
		{"at none, as those before admit all but the night", "  - {name: day, when: {class: resident, known: true, valid: true, proof: signed, time: 06:00-22:00}, then: admit}\n  - {name: r, when: {class: resident, time: 22:00-06:00, weekday: [mon, tue]}, then: hold}\n" + admit, `line 4: rule "r": ` + "at any level " + fault},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("test.yaml", []byte("name: a\nrules:\n"+tt.rules+"  - {name: last, then: refuse}\n"))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

// Of random rules those are faulty by which somebody with a valid pass is not admitted, and no others.
func TestWhoComesHomeIsAdmittedUnlessItIsAFault(t *testing.T) {
	t.Parallel()
	good, faulty := 0, 0
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 15))
		p := &parser{}
		p.file([]byte(strings.Replace(randomPolicy(r), "rules:\n", "rules:\n  - {name: some, when: {"+
			[]string{"direction: in", "household_trips_below: 2", "unit: 3-1", "time: 06:00-22:00"}[seed%4]+
			", class: resident, proof: signed}, then: admit}\n", 1)))
		p.faults = nil
		for i := range p.policy.rules {
			if r := &p.policy.rules[i]; r.Name != "last" && seed%3 > 0 && i%2 == 0 {
				r.Then = Admit
			}
		}
		p.home()
		u := p.policy.universe()
		home := u.home()
		kept := map[string]bool{}
		for range 1000 {
			f := factsOf(&u, &home, r)
			if d := p.policy.Decide(f); d.Verdict != Admit {
				kept[d.Rule] = true
			}
		}
		named := map[string]bool{}
		for _, f := range p.faults {
			_, name, _ := strings.Cut(f.Error(), `rule "`)
			name, _, _ = strings.Cut(name, `"`)
			named[name] = true
		}
		for name := range kept {
			if !named[name] {
				t.Fatalf("seed %d: rule %s keeps somebody from coming home, and that is no fault: %v", seed, name, p.faults)
			}
		}
		for name := range named { // of a rule that takes few facts none may have been among those tried
			i := len(p.policy.rules) - 1
			for i >= 0 && p.policy.rules[i].Name != name {
				i--
			}
			if r := p.policy.rules[i]; r.Then == Admit || r.Name == "some" {
				t.Fatalf("seed %d: rule %s admits, and is a fault", seed, name)
			}
		}
		if good++; len(named) > 0 {
			good--
			faulty++
			if len(kept) == 0 {
				t.Fatalf("seed %d: nobody was kept from coming home in 1000 tries: %v", seed, p.faults)
			}
		}
	}
	if good < 20 || faulty < 20 {
		t.Errorf("%d policies were good and %d faulty: the test tests too little", good, faulty)
	}
}

// Hundreds of rules that overlap in every way are no reason to wait, nor to let one of them pass unseen.
func TestWhetherResidentsComeHomeIsKnownSoon(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("name: a\nrules:\n")
	r := rand.New(rand.NewPCG(1, 15))
	for i := range 600 {
		fmt.Fprintf(&b, " - {name: r%d, when: {unit: %d-1, household_trips_below: %d, time: %02d:00-24:00}, then: admit}\n", i, 1+r.IntN(70), 1+r.IntN(900), r.IntN(24))
	}
	b.WriteString(" - {name: last, then: refuse}\n")
	if b.Len() > MaxSize {
		t.Fatal("no file is that large")
	}
	p, began := &parser{}, time.Now()
	p.file([]byte(b.String()))
	if took := time.Since(began); took > 20*time.Second || !strings.Contains(fmt.Sprint(p.faults), "so many rules overlap") {
		t.Errorf("it took %v: %v", took, p.faults)
	}
}
