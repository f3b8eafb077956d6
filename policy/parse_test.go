package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFaultsSayWhereWhatAndWhatToDo(t *testing.T) {
	const last = "\n  - {name: last, then: refuse}\n"
	for _, tt := range []struct{ name, source, want string }{
		{"typo in a class", "name: a\nrules:\n  - name: r\n    when: {class: residnet}\n    then: admit" + last,
			`line 4: rule "r": class: unknown word "residnet" (did you mean resident?); the words are resident, staff`},
		{"typo in a key", "name: a\nrules:\n  - name: r\n    when:\n      clas: resident\n    then: admit" + last,
			`line 5: rule "r": when: unknown key "clas" (did you mean class?); the keys are direction, class`},
		{"typo in a rule's key", "name: a\nrules:\n  - name: r\n    wen: {class: resident}\n    then: admit" + last,
			`line 4: rule "r": unknown key "wen" (did you mean when?)`},
		{"typo in a verdict", "name: a\nrules:\n  - name: r\n    then: admitt\n", `line 4: rule "r": then: unknown word "admitt" (did you mean admit?); the words are admit, refuse, hold`},
		{"an override of a hold", "name: a\nrules:\n  - {name: r, when: {class: courier}, then: hold, override: guard}" + last, `line 3: rule "r": override: only what is refused can be admitted all the same`},
		{"an override by anybody", "name: a\nrules:\n  - {name: r, when: {class: courier}, then: refuse, override: anybody}" + last, `override: unknown word "anybody"; the words are guard, telephone`},
		{"unknown top key", "name: a\nrule: []\nrules:" + last, `line 2: unknown key "rule" (did you mean rules?)`},
		{"verdict missing", "name: a\nrules:\n  - name: r\n", `line 3: rule "r": then is missing: write admit or refuse or hold`},
		{"rule without a name", "name: a\nrules:\n  - then: hold\n", `line 3: rule: name is missing: write lower-case letters`},
		{"bad rule name", "name: a\nrules:\n  - name: R 1\n    then: hold\n", `line 3: rule "R 1": name: "R 1": write lower-case letters`},
		{"bad reason", "name: a\nrules:\n  - name: r\n    then: hold\n    reason: Why not\n", `line 5: rule "r": reason: "Why not": write lower-case letters`},
		{"long reason", "name: a\nrules:\n  - {name: r, then: hold, reason: " + strings.Repeat("a", 41) + "}\n", `at most 40`},
		{"same name twice", "name: a\nrules:\n  - {name: r, when: {known: true}, then: hold}\n  - {name: r, then: hold}\n",
			`line 4: rule "r": a rule before has the same name`},
		{"no policy name", "rules:" + last, `line 1: policy: name is missing`},
		{"no rules", "name: a\n", `line 1: rules is missing`},
		{"empty rules", "name: a\nrules: []\n", `line 2: rules: want a list`},
		{"final rule has conditions", "name: a\nrules:\n  - {name: r, when: {known: true}, then: hold}\n", `the final rule must have no ` + "`when`"},
		{"rule after the final one", "name: a\nrules:\n  - {name: all, then: hold}" + last,
			`line 4: rule "last": is never reached: rule "all" (line 3) before it takes all it could match`},
		{"rule covered by a wider one", "name: a\nrules:\n  - {name: wide, when: {class: [staff, resident]}, then: hold}\n  - {name: narrow, when: {class: staff, known: true}, then: admit}" + last,
			`line 4: rule "narrow": is never reached: rule "wide" (line 3) before it takes`},
		{"again, and elsewhere", "name: a\nrules:\n  - {name: r, when: {again: true, direction: in, whereabouts: [outside, unknown]}, then: hold}" + last, `rule "r": can never match: its conditions contradict each other`},
		{"minutes of nobody", "name: a\nrules:\n  - {name: r, when: {minutes_since_below: 0}, then: hold}" + last, `minutes_since_below: "0": write a whole number from 1 to 1000`},
		{"fewer minutes after more", "name: a\nrules:\n  - {name: two, when: {again: true, minutes_since_below: 3}, then: hold}\n  - {name: one, when: {direction: in, again: true, minutes_since_below: 2}, then: admit}" + last, `rule "one": is never reached`},
		{"fewer trips after more", "name: a\nrules:\n  - {name: two, when: {household_trips_below: 2}, then: hold}\n  - {name: one, when: {household_trips_below: 1}, then: admit}" + last,
			`rule "one": is never reached`},
		{"rule covered by two", "name: a\nrules:\n  - {name: in, when: {direction: in}, then: hold}\n  - {name: staff, when: {class: staff}, then: hold}\n  - {name: out, when: {direction: out}, then: hold}\n  - {name: known, when: {known: true}, then: admit}" + last,
			`line 6: rule "known": is never reached: the rules "in" (line 3), "out" (line 5) before it take all it could match`},
		{"fewer trips, or as many", "name: a\nrules:\n  - {name: few, when: {household_trips_below: 2}, then: hold}\n  - {name: many, when: {household_trips_from: 2}, then: hold}\n  - {name: in, when: {direction: in}, then: refuse}" + last,
			`line 5: rule "in": is never reached: the rules "few" (line 3), "many" (line 4) before it take all it could match`},
		{"trips that nobody can have", "name: a\nrules:\n  - {name: none, when: {household_trips_below: 2, household_trips_from: 2}, then: hold}" + last, `rule "none": can never match: its conditions contradict each other`},
		{"units of a building and the others", "name: a\nrules:\n  - {name: u, when: {unit: 3-2}, then: hold}\n  - {name: few, when: {household_trips_below: 2}, then: hold}\n  - {name: both, when: {unit: 3-2, household_trips_below: 3}, then: refuse}" + last,
			`rule "both": is never reached: rule "u" (line 3) before it`},
		{"day and night", "name: a\nrules:\n  - {name: day, when: {time: 06:00-22:00}, then: hold}\n  - {name: night, when: {time: 22:00-06:00}, then: hold}\n  - {name: noon, when: {known: true}, then: hold}" + last, `the rules "day" (line 3), "night" (line 4) before it`},
		{"valid and expired", "name: a\nrules:\n  - {name: r, when: {valid: true, credential_reason: expired}, then: hold}" + last,
			`rule "r": can never match: its conditions contradict each other`},
		{"health of what is not valid", "name: a\nrules:\n  - {name: r, when: {level: sealed, valid: false, health: recovery}, then: hold}" + last, `can never match`},
		{"reason and validity", "name: a\nrules:\n  - {name: r, when: {credential_reason: ok}, then: hold}\n  - {name: s, when: {valid: true}, then: hold}" + last, `rule "s": is never reached: rule "r"`},
		{"admits the stated", "name: a\nrules:\n  - {name: r, when: {proof: [stated]}, then: admit}" + last,
			`line 3: rule "r": admits with proof stated: what is merely stated never admits`},
		{"admits no proof", "name: a\nrules:\n  - {name: r, when: {proof: none}, then: admit}" + last, `admits with proof none`},
		{"admits signed or stated", "name: a\nrules:\n  - {name: r, when: {proof: [signed, stated]}, then: admit}" + last, `admits with proof signed or stated`},
		{"empty when", "name: a\nrules:\n  - {name: r, when: {}, then: hold}" + last, `line 3: rule "r": ` + "`when` has no conditions"},
		{"when without a value", "name: a\nrules:\n  - name: r\n    when:\n    then: hold" + last, `rule "r": when: want lines of the form`},
		{"empty list", "name: a\nrules:\n  - {name: r, when: {class: []}, then: hold}" + last, `rule "r": class: want a word, or a list`},
		{"word twice", "name: a\nrules:\n  - {name: r, when: {class: [staff, staff]}, then: hold}" + last, `"staff" is written twice`},
		{"yes for true", "name: a\nrules:\n  - {name: r, when: {known: yes}, then: hold}" + last, `known: unknown word "yes"; the words are true, false`},
		{"number in words", "name: a\nrules:\n  - {name: r, when: {household_trips_below: one}, then: hold}" + last, `household_trips_below: "one": write a whole number from 1 to 1000`},
		{"trips below zero", "name: a\nrules:\n  - {name: r, when: {household_trips_below: 0}, then: hold}" + last, `household_trips_below: "0"`},
		{"trips in octal", "name: a\nrules:\n  - {name: r, when: {household_trips_below: 010}, then: hold}" + last, `household_trips_below: "010"`},
		{"level that is not listed", "name: a\nlevels: [{name: open, basis: contract}, {name: shut, basis: contract}]\nrules:\n  - {name: r, when: {level: shutt}, then: hold}" + last,
			`level: unknown word "shutt" (did you mean shut?); the words are open, shut`},
		{"levels after the rules count", "name: a\nrules:\n  - {name: r, when: {level: sealed}, then: hold}" + last + "levels: [{name: open, basis: contract}]\n", `level: unknown word "sealed"; the words are open`},
		{"bad level name", "name: a\nlevels: [{name: Very Open, basis: contract}]\nrules:" + last, `line 2: level "Very Open": name: "Very Open": write lower-case`},
		{"level without a basis", "name: a\nlevels: [open]\nrules:" + last,
			`line 2: level "open": say on what ground personal data is handled at it: write ` + "`{name: open, basis: contract}`"},
		{"level with a basis missing", "name: a\nlevels: [{name: open}]\nrules:" + last, `level "open": basis is missing: write public-health-emergency or contract or consent`},
		{"unknown basis", "name: a\nlevels: [{name: open, basis: contrat}]\nrules:" + last, `basis: unknown word "contrat" (did you mean contract?)`},
		{"level twice", "name: a\nlevels: [{name: open, basis: contract}, {name: open, basis: consent}]\nrules:" + last, `level "open": a level before has the same name`},
		{"trips of no day", "name: a\nlevels: [{name: open, basis: contract, trip_days: 0}]\nrules:" + last, `line 2: level "open": trip_days: "0": write a whole number from 1`},
		{"trips of no hour", "name: a\nlevels: [{name: open, basis: contract, trip_hours: 0}]\nrules:" + last, `line 2: level "open": trip_hours: "0": write a whole number from 1 to 72`},
		{"trips of four days", "name: a\nlevels: [{name: open, basis: contract, trip_hours: 73}]\nrules:" + last, `level "open": trip_hours: "73": write a whole number from 1 to 72`},
		{"a trip of another word", "name: a\nrules:\n  - {name: r, when: {trip: overdu}, then: hold}" + last, `rule "r": trip: unknown word "overdu" (did you mean overdue?); the words are open, overdue, none`},
		{"a holder of another word", "name: a\nrules:\n  - {name: r, when: {holder: family}, then: hold}" + last, `rule "r": holder: unknown word "family"`},
		{"trips of a year", "name: a\nlevels: [{name: open, basis: contract, trip_days: 365}]\nrules:" + last, `level "open": trip_days: "365": write a whole number from 1 to 31`},
		{"no levels", "name: a\nlevels: []\nrules:" + last, `levels: want a list`},
		{"health at a level that may not ask", "name: a\nrules:\n  - {name: r, when: {health: recovery}, then: hold}" + last,
			`line 3: rule "r": asks for health at the level normal, whose basis is contract: write ` + "`level:` with those of basis public-health-emergency only"},
		{"age of a test at such a level", "name: a\nrules:\n  - {name: r, when: {level: [sealed, normal], test_hours_below: 48}, then: hold}" + last,
			`asks for test_hours_below at the level normal`},
		{"no such weekday", "name: a\nrules:\n  - {name: r, when: {weekday: friday}, then: hold}" + last, `weekday: unknown word "friday"; the words are mon, tue`},
		{"slot that ends when it begins", "name: a\nrules:\n  - {name: r, when: {time: 08:00-08:00}, then: hold}" + last,
			`line 3: rule "r": time: "08:00-08:00": it ends when it begins: for the whole day leave it out`},
		{"slot beyond the day", "name: a\nrules:\n  - {name: r, when: {time: 08:00-24:30}, then: hold}" + last, `time: "08:00-24:30": write a slot such as 06:00-09:30`},
		{"slot from 24:00", "name: a\nrules:\n  - {name: r, when: {time: 24:00-06:00}, then: hold}" + last, `time: "24:00-06:00": write a slot`},
		{"slot without minutes", "name: a\nrules:\n  - {name: r, when: {time: 8-10}, then: hold}" + last, `time: "8-10": write a slot`},
		{"narrow slot after a wide one", "name: a\nrules:\n  - {name: wide, when: {time: 22:00-06:00}, then: hold}\n  - {name: narrow, when: {weekday: sat, time: [01:00-02:00, 23:00-24:00]}, then: refuse}" + last,
			`rule "narrow": is never reached: rule "wide" (line 3) before it`},
		{"unit without its building", "name: a\nrules:\n  - {name: r, when: {unit: 2}, then: hold}" + last, `unit: "2": write it as the roster does, a building such as 3 or B, a unit with its building such as 3-2`},
		{"building with a unit", "name: a\nrules:\n  - {name: r, when: {building: 3-2}, then: hold}" + last, `building: "3-2": write it as the roster does`},
		{"key twice", "name: a\nname: b\nrules:" + last, `line 2: name is written twice`},
		{"condition twice", "name: a\nrules:\n  - name: r\n    when:\n      known: true\n      known: false\n    then: hold" + last, `line 6: rule "r": when: known is written twice`},
		{"alias", "name: a\nrules:\n  - {name: r, when: &w {known: true}, then: hold}\n  - {name: s, when: *w, then: hold}" + last, `rule "s": when: & and * are not used`},
		{"merge key", "name: a\nrules:\n  - &r {name: r, when: {known: true}, then: hold}\n  - {<<: *r, name: s}" + last, `want lines of the form`},
		{"two documents", "name: a\nrules:" + last + "---\nname: b\n", `more than one document`},
		{"nothing", "", `the file is empty`},
		{"only comments", "# nothing\n", `the file is empty`},
		{"a list", "- a\n", `line 1: want lines of the form`},
		{"a word", "a", `line 1: want lines of the form`},
		{"not YAML", "name: a\n\trules: b\n", `check indentation`},
		{"not UTF-8", "name: a # \xb9\xe6\n", `save the file with the encoding UTF-8`},
		{"too large", strings.Repeat("#", MaxSize+1), `larger than 131072 bytes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("test.yaml", []byte(tt.source))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

// A rule for a building that the roster writes otherwise would never hold, and nobody would know.
func TestPlacesAreWrittenAsTheRosterDoes(t *testing.T) {
	t.Parallel()
	for fact, words := range map[string]map[bool]string{
		"building": {true: "3 B 甲 12A A1 10", false: "3栋 03 ３ b 3号楼 0 none true null ~ 3-2 BUILDING3 3单元 3.0"},
		"unit":     {true: "3-2 B-1 甲-2 3-0 12A-1", false: "2 3栋2单元 03-02 3-02 b-2 3－2 3-2-501 3- -2 3-UNIT2 3-2室 0-1 3--2"},
	} {
		for good, list := range words {
			for _, w := range strings.Fields(list) {
				_, err := Parse("test.yaml", []byte("name: a\nrules:\n  - {name: r, when: {class: staff, "+fact+": '"+w+"'}, then: hold}\n  - {name: last, then: admit}\n"))
				if (err == nil) != good || err != nil && !strings.Contains(err.Error(), `"`+w+`": write it as the roster does, a building such as 3`) {
					t.Errorf("%s %s: %v", fact, w, err)
				}
			}
		}
	}
}

// What follows from a faulty list of levels is no fault of its own.
func TestFaultyLevelsAreSaidOnce(t *testing.T) {
	t.Parallel()
	for _, levels := range []string{"[guarded, sealed]", "[{name: guarded, basis: contract}, {name: Sealed, basis: contract}, sealed]", "guarded", "[]"} {
		_, err := Parse("test.yaml", []byte("name: a\nlevels: "+levels+"\nrules:\n  - {name: r, when: {level: sealed}, then: hold}\n"+
			"  - {name: s, when: {level: [guarded, sealed], health: recovery}, then: hold}\n  - {name: last, then: hold}\n"))
		if err == nil || strings.Contains(err.Error(), "unknown word") || strings.Contains(err.Error(), "never") || strings.Contains(err.Error(), "line 4") {
			t.Errorf("levels: %s: %v", levels, err)
		}
	}
}

func TestFaultsInExamples(t *testing.T) {
	const rules = `name: a
rules:
  - {name: pass, when: {class: resident, valid: true}, then: admit}
  - {name: outsider, then: refuse}
examples:
  - name: resident
`
	for _, tt := range []struct{ example, want string }{
		{"given: {direction: in, class: resident}, then: admit, rule: pass",
			`line 6: example "resident": got refuse, reason outsider, by rule outsider; want admit, by rule pass; rule pass does not match: valid is false, not true`},
		{"given: {direction: in, class: resident, valid: true, proof: stated}, then: admit",
			`got hold, reason stated-only, by rule pass; want admit; what is merely stated never admits`},
		{"given: {direction: in}, then: refuse, reason: expired", `got refuse, reason outsider, by rule outsider; want refuse, reason expired`},
		{"given: {direction: in}, then: refuse, ask: visitor", `got refuse, reason outsider, by rule outsider; want refuse, and the questions visitor asked`},
		{"given: {direction: in}, then: refuse, rule: outsidre", `rule: unknown word "outsidre" (did you mean outsider?); the words are pass, outsider`},
		{"given: {class: resident}, then: refuse", `direction is missing: write in or out`},
		{"given: {direction: in, valid: true, credential_reason: expired}, then: refuse", `contradict each other`},
		{"given: {direction: in, valid: false, credential_reason: ok}, then: refuse", `contradict each other`},
		{"given: {direction: [in, out]}, then: refuse", `direction takes one word here, not a list`},
		{"given: {direction: in, class: resident, known: true}, then: refuse", `got hold, reason outsider, by rule outsider; want refuse; a resident of the roster is never refused: expect hold`},
		{"given: {direction: in, household_trips: -1}, then: refuse", `household_trips: "-1": write a whole number from 0`},
		{"given: {direction: in, household_trips_below: 1}, then: refuse", `unknown key "household_trips_below"`},
		{"given: {direction: in, test_hours: 3}, then: refuse", "test_hours without a negative test: write `health: negative-test` as well"},
		{"given: {direction: in, credential_reason: ok, health: negative-test}, then: refuse", "a negative test needs its age: write `test_hours`, such as 12"},
		{"given: {direction: in, credential_reason: expired, health: recovery}, then: refuse", "health is only known from a certificate that is valid"},
		{"given: {direction: in, again: true, whereabouts: outside}, then: refuse", `again and whereabouts contradict each other: who comes in again is inside`},
		{"given: {direction: in, minutes_since: soon}, then: refuse", `minutes_since: "soon": write a whole number from 0 to 1000`},
		{"given: {direction: in, minutes_since_below: 2}, then: refuse", `unknown key "minutes_since_below"`},
		{"given: {direction: in, weekday: someday}, then: refuse", `weekday: unknown word "someday"`},
		{"given: {direction: in, time: 8:30}, then: refuse", `time: "8:30": write hours and minutes such as 08:30`},
		{"given: {direction: in, time: 24:00}, then: refuse", `time: "24:00": write hours and minutes`},
		{"given: {direction: in, plate_class: polise}, then: refuse", `plate_class: unknown word "polise" (did you mean police?)`},
		{"then: refuse", `given is missing`},
		{"given: {direction: in}", `then is missing`},
	} {
		_, err := Parse("test.yaml", []byte(rules+"    "+strings.NewReplacer(", then", "\n    then", ", rule", "\n    rule", ", reason", "\n    reason", ", ask", "\n    ask").Replace(tt.example)+"\n"))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\ngot %v\nwant …%s…", tt.example, err, tt.want)
		}
	}
}

// Examples may stand beside a policy, and then they are checked with it, by whatever name it has.
func TestExamplesBesideThePolicy(t *testing.T) {
	t.Parallel()
	const good = "examples:\n  - {name: in, given: {direction: in}, then: hold}\n"
	for _, tt := range []struct{ name, beside, examples, want string }{
		{"policy.yaml", "", "", ""},
		{"policy.yaml", "policy.examples.yaml", good, ""},
		{"policy.yml", "policy.examples.yml", good, ""},
		{"south.gate.yaml", "south.gate.examples.yaml", good, ""},
		{"policy", "policy.examples", good, ""},
		{"policy.yaml", "policy.examples.yml", "of another file", ""},
		{"policy.yaml", "policy.examples.yaml", "# more\n" + good + "  - {name: out, given: {direction: out}, then: admit}\n",
			"policy policy.examples.yaml:\nline 4: example \"out\": got hold, reason all, by rule all; want admit"},
		{"policy.yml", "policy.examples.yml", strings.Replace(good, "in}", "inn}", 1), `policy policy.examples.yml:` + "\n" + `line 2: example "in": direction: unknown word "inn"`},
		{"policy.yaml", "policy.examples.yaml", "", "the file is empty: write `examples:` and a list below it, or remove the file"},
		{"policy.yaml", "policy.examples.yaml", "{}", "line 1: examples is missing: write `examples:`"},
		{"policy.yaml", "policy.examples.yaml", "examples:\n", "line 1: examples: want a list"},
		{"policy.yaml", "policy.examples.yaml", good + "rules: []\n", `line 3: unknown key "rules"; the keys are examples`},
		{"policy.yaml", "policy.examples.yaml", "- {name: in, given: {direction: in}, then: hold}\n", "line 1: want lines of the form `key: value` with the keys examples"},
		{"policy.yaml", "policy.examples.yaml", strings.Repeat("#", MaxSize+1), "policy policy.examples.yaml:\nlarger than"},
		{"policy.yaml", "policy.examples.yaml", "/", "read the policy's examples: "},
	} {
		t.Run(tt.name+" "+tt.want, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), tt.name)
			err := os.WriteFile(path, []byte("name: a\nrules: [{name: residents, when: {class: resident}, then: admit}, {name: all, then: hold}]\n"), 0o600)
			if beside := filepath.Join(filepath.Dir(path), tt.beside); tt.examples == "/" {
				err = errors.Join(err, os.Mkdir(beside, 0o700))
			} else if tt.beside != "" {
				err = errors.Join(err, os.WriteFile(beside, []byte(tt.examples), 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			switch p, err := Load(path); {
			case tt.want != "" && (p != nil || err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want …%s…", err, tt.want)
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "" && tt.examples == good && string(p.Examples()) != good:
				t.Errorf("its examples are %q", p.Examples())
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, err := Parse("gate.yaml", []byte(`name: A B
rules:
  - name: one
    when: {class: residnet, known: maybe}
    then: admit
  - name: two
    then: hld
  - name: three
    when: {direction: in}
    then: hold
examples:
  - name: x
    given: {direction: inn}
    then: hold
`))
	want := `policy gate.yaml:
line 1: policy: name: "A B": write lower-case letters, digits and hyphens, such as resident-with-pass, at most 40
line 4: rule "one": class: unknown word "residnet" (did you mean resident?); the words are resident, staff, volunteer, courier, visitor, helper, contractor, taxi, emergency-vehicle, vehicle, unknown
line 4: rule "one": known: unknown word "maybe"; the words are true, false
line 7: rule "two": then: unknown word "hld" (did you mean hold?); the words are admit, refuse, hold
line 3: the final rule must have no ` + "`when`" + `, so that everyone gets a verdict: add one, such as ` + "`name: outsider`, `then: refuse`" + `
line 13: example "x": direction: unknown word "inn" (did you mean in?); the words are in, out`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestParseAcceptsOfficeFiles(t *testing.T) {
	for name, source := range map[string]string{
		"Windows line ends":         "name: a\r\nrules:\r\n  - name: all\r\n    then: hold\r\n",
		"byte order mark":           "\ufeffname: a\nrules: [{name: all, then: hold}]\n",
		"document start":            "---\nname: a\nrules: [{name: all, then: hold}]\n",
		"Chinese comments":          "name: a # 规则\nrules: [{name: all, then: hold}] # 全部\n",
		"one word or a list":        "name: a\nrules: [{name: in, when: {direction: in}, then: hold}, {name: out, when: {direction: [out]}, then: hold}, {name: all, then: hold}]\n",
		"own levels":                "name: a\nlevels: [{name: quiet, basis: consent}]\nrules: [{name: q, when: {level: quiet}, then: hold}, {name: all, then: hold}]\n",
		"signed or sighted":         "name: a\nrules: [{name: q, when: {proof: [signed, sighted]}, then: admit}, {name: all, then: hold}]\n",
		"few trips, then more":      "name: a\nrules: [{name: q, when: {household_trips_below: 1}, then: hold}, {name: w, when: {household_trips_below: 2}, then: refuse}, {name: all, then: hold}]\n",
		"all but one hour":          "name: a\nrules: [{name: day, when: {time: 06:00-22:00}, then: hold}, {name: night, when: {time: 23:00-06:00}, then: hold}, {name: all, then: hold}]\n",
		"a hundred units":           "name: a\nrules: [" + hundredUnits() + "{name: all, then: hold}]\n",
		"all units that are named":  "name: a\nrules: [{name: a, when: {unit: [3-1, 3-2]}, then: hold}, {name: b, when: {unit: 3-3}, then: hold}, {name: all, then: hold}]\n",
		"a test that is older":      "name: a\nrules: [{name: a, when: {level: sealed, test_hours_below: 24}, then: hold}, {name: b, when: {level: sealed, health: negative-test}, then: hold}, {name: all, then: hold}]\n",
		"slots one after the other": "name: a\nrules: [{name: q, when: {weekday: fri, time: 22:00-02:00}, then: hold}, {name: w, when: {weekday: sat, time: 00:00-02:01}, then: refuse}, {name: all, then: hold}]\n",
		"health where it may be":    "name: a\nrules: [{name: q, when: {level: sealed, health: recovery}, then: hold}, {name: n, when: {health: none}, then: hold}, {name: all, then: hold}]\n",
		"narrow before a wide":      "name: a\nrules: [{name: q, when: {class: staff}, then: hold}, {name: w, when: {class: [staff, resident]}, then: hold}, {name: all, then: hold}]\n",
	} {
		if _, err := (&parser{nobody: true}).parse("test.yaml", []byte(source)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReasonOfARule(t *testing.T) {
	p := parse(t, `
name: a
rules:
  - {name: by-word, when: {class: staff}, then: hold, reason: ask-staff}
  - {name: by-name, then: hold}
`)
	for _, tt := range []struct {
		facts Facts
		want  string
	}{
		{Facts{Class: "staff", Reason: "expired"}, "ask-staff"},
		{Facts{Reason: "expired"}, "expired"},
		{Facts{Reason: "ok"}, "by-name"},
		{Facts{}, "by-name"},
	} {
		tt.facts.Direction = "in"
		if got := p.Decide(tt.facts).Reason; got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.facts, got, tt.want)
		}
	}
}

// What docs/policy.md shows loads, and decides as its example says.
func TestThePolicyOfTheDocsLoads(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "```yaml\n")
	text, _, found := strings.Cut(text, "```")
	if p, err := Parse("docs/policy.md", []byte(text)); err != nil || !found || len(p.Rules()) < 5 {
		t.Errorf("%v", err)
	}
	for i, v := range vocabulary {
		if !strings.Contains(string(doc), "`"+v.key+"`") {
			t.Errorf("docs/policy.md has no word of %s (%d)", v.key, i)
		}
	}
}

func TestParseFacts(t *testing.T) {
	p := Shipped()
	got, err := p.ParseFacts([]string{"direction=out", "class=resident", "known=true", "credential_reason=ok", "proof=signed", "level=sealed", "household_trips=1", "again=true", "minutes_since=7", "trip=overdue", "holder=household"})
	want := Facts{Direction: "out", Class: "resident", Known: true, Valid: true, Reason: "ok", Proof: "signed", Level: "sealed", ClockTrusted: true, Whereabouts: "outside", Again: true, Passed: true, MinutesSince: 7, Minute: 12 * 60, HouseholdTrips: 1, Trip: TripOverdue, Holder: HolderHousehold}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for pair, want := range map[string]string{
		"class":          "write key=value",
		"class=residnet": `facts: class: unknown word "residnet" (did you mean resident?)`,
		"clas=resident":  `unknown key "clas" (did you mean class?)`,
		"class=staff":    "direction is missing",
	} {
		if _, err := p.ParseFacts([]string{pair}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", pair, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(shipped)
	f.Add([]byte("name: a\nrules: [{name: all, then: admit}]\nexamples: [{name: x, given: {direction: in}, then: hold}]"))
	f.Add([]byte("a: &a [*a]\n---\n"))
	f.Add([]byte(asking(everyKind, asksV)))
	f.Add([]byte("name: a\nquestions: [{name: v, by_sight: true, questions: [{name: t, kind: temperature, zh: 体, en: t, min: 36.1, max: 44}]}]\nrules: [{name: r, then: hold, ask: v}]"))
	f.Add([]byte("name: a\nrules: &r\n - *r\n"))
	f.Add([]byte("{{{{[[[[? ? ? - - -"))
	f.Fuzz(func(t *testing.T, source []byte) {
		p, err := Parse("fuzz", source)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x00\x1b") {
				t.Errorf("control characters in %q", err)
			}
			return
		}
		for _, direction := range []string{"in", "out"} {
			for _, proof := range []string{"signed", "stated"} {
				d := p.Decide(Facts{Direction: direction, Class: "resident", Known: true, Valid: true, Reason: "ok", Proof: proof})
				if d.Rule == "" || d.Reason == "" || proof == "stated" && d.Verdict == Admit || d.Ask != nil && d.Verdict != Hold {
					t.Errorf("%s %s: %+v", direction, proof, d)
				}
				if _, err := d.Ask.Answers(map[string]string{"v": "36.5"}, true, ""); d.Ask != nil && (len(d.Ask.Questions) == 0 || err == nil && d.Ask.Questions[0].Name != "v") {
					t.Errorf("asks %+v: %v", d.Ask, err)
				}
			}
		}
	})
}

func hundredUnits() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "{name: u%d, when: {unit: 9-%d}, then: hold}, ", i, i)
	}
	return b.String()
}

// What the shipped file says in its comments is so: the rule that it tells to add can be added, and it names every word.
func TestTheCommentsOfTheShippedFile(t *testing.T) {
	t.Parallel()
	text := string(Shipped().Source())
	_, rule, _ := strings.Cut(text, "\n  #   - {name: fresh-test")
	rule, _, _ = strings.Cut(rule, "\n")
	with := strings.Replace(text, "\n  - name: health-certificate\n", "\n  - {name: fresh-test"+rule+"\n  - name: health-certificate\n", 1)
	if _, err := Parse("checkpoint.yaml", []byte(with)); rule == "" || with == text || err != nil {
		t.Errorf("with the rule that it tells to add: %v", err)
	}
	comments, _, _ := strings.Cut(text, "\nname: checkpoint\n")
	for _, v := range vocabulary {
		for _, word := range append([]string{v.key}, v.words...) {
			if !regexp.MustCompile(`(?:^|[^a-z_-])` + word + `(?:[^a-z_-]|$)`).MatchString(comments) {
				t.Errorf("the comments do not name %s, a word of %s", word, v.key)
			}
		}
	}
}
