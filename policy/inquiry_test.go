package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asking is a policy with sets of questions, of which a rule asks one, at the level sealed.
func asking(sets, rule string) string {
	return "name: a\nquestions:\n" + sets + "rules:\n  - " + rule + "\n  - {name: last, then: refuse}\n"
}

const (
	asksV = "{name: r, when: {level: sealed}, then: hold, ask: v}"
	setV  = "  - {name: v, questions: [%s]}\n"
	whom  = "{name: whom, kind: text, zh: 找谁, en: whom}"
)

func TestFaultsInQuestions(t *testing.T) {
	t.Parallel()
	question := func(q string) string { return asking(fmt.Sprintf(setV, q), asksV) }
	for _, tt := range []struct{ name, source, want string }{
		{"unknown set", asking(fmt.Sprintf(setV, whom), "{name: r, then: hold, when: {known: true}, ask: w}"),
			"line 5: rule \"r\": ask: there is no set \"w\": write one under `questions`, or one of those there: v"},
		{"misspelt set", strings.ReplaceAll(asking(fmt.Sprintf(setV, whom), asksV), "ask: v", "ask: visitr"), "test.yaml:\nline 5: rule \"r\": ask: there is no set \"visitr\": write one under `questions`, or one of those there: v"},
		{"nearly that set", strings.NewReplacer("ask: v", "ask: visitr", "name: v,", "name: visitor,").Replace(question(whom)), `"visitr" (did you mean visitor?)`},
		{"no sets at all", "name: a\nrules: [{name: r, then: hold, ask: v}]\n", "there is no set \"v\": write one under `questions`, or one of those there: none"},
		{"asks and admits", asking(fmt.Sprintf(setV, whom), "{name: r, when: {proof: signed}, then: admit, ask: v}"),
			"line 5: rule \"r\": ask: nobody is asked where the verdict is admit: write `then: hold`, or remove the line"},
		{"asks and refuses", asking(fmt.Sprintf(setV, whom), "{name: r, when: {known: true}, then: refuse, ask: v}"), "nobody is asked where the verdict is refuse"},
		{"nobody asks", asking(fmt.Sprintf(setV, whom), "{name: r, when: {known: true}, then: hold}"), "line 3: questions \"v\": no rule asks it: write `ask: v` in a rule that holds, or remove the set"},
		{"set twice", asking(fmt.Sprintf(setV+setV, whom, whom), asksV), `line 4: questions "v": a set before has the same name`},
		{"question twice", question(whom + ", " + whom), `line 3: questions "v": two questions are called "whom"`},
		{"no questions", asking("  - {name: v}\n", asksV), `line 3: questions "v": questions is missing`},
		{"empty questions", question(""), `questions "v": questions: want a list of 1 to 9`},
		{"ten questions", question(strings.TrimSuffix(strings.Repeat(whom+", ", 10), ", ")), `want a list of 1 to 9`},
		{"empty list of sets", "name: a\nquestions: []\nrules: [{name: r, then: hold}]\n", "line 2: questions: want a list"},
		{"no kind", question("{name: whom, zh: 找谁, en: whom}"), `line 3: questions "v": question "whom": kind is missing: write choice or number or temperature or tick or text or second-person`},
		{"a second person, or none", strings.Replace(question("{name: s, kind: second-person, zh: 谁同意, en: who agrees}"), "- {name: v,", "- {name: v, by_sight: true,", 1),
			`line 3: questions "v": whoever is known by sight would pass without the second person: remove this line, or the question`},
		{"unknown kind", question("{name: whom, kind: choise, zh: 找谁, en: whom}"), `kind: unknown word "choise" (did you mean choice?)`},
		{"no Chinese", question("{name: whom, kind: text, en: whom}"), `question "whom": zh: write what the page shows in Chinese, one line of at most 40 characters`},
		{"English of two lines", question(`{name: whom, kind: text, zh: 找谁, en: "a\nb"}`), `en: write what the page shows in English`},
		{"long Chinese", question("{name: whom, kind: text, en: whom, zh: " + strings.Repeat("谁", 41) + "}"), `zh: write what`},
		{"required by a word", question("{name: whom, kind: text, zh: 找谁, en: whom, required: yes}"), `required: unknown word "yes"; the words are true, false`},
		{"unknown key", question("{name: whom, kind: text, zh: 找谁, en: whom, maximum: 3}"), `unknown key "maximum"; the keys are name, kind`},
		{"by sight perhaps", asking("  - {name: v, by_sight: perhaps, questions: ["+whom+"]}\n", asksV), `questions "v": by_sight: unknown word "perhaps"`},
		{"choice without choices", question("{name: p, kind: choice, zh: 事由, en: what for}"), `question "p": choices: want a list of 2 to 9, such as`},
		{"one choice", question("{name: p, kind: choice, zh: 事由, en: what for, choices: [{name: a, zh: 甲, en: a}]}"), `choices: want a list of 2 to 9`},
		{"choice twice", question("{name: p, kind: choice, zh: 事由, en: x, choices: [{name: a, zh: 甲, en: a}, {name: a, zh: 乙, en: b}]}"), `question "p": choice "a": two choices have this name`},
		{"choice of one language", question("{name: p, kind: choice, zh: 事由, en: x, choices: [{name: a, zh: 甲}, {name: b, zh: 乙, en: b}]}"), `question "p": choice "a": en: write what`},
		{"choices of a text", question("{name: p, kind: text, zh: 事由, en: x, choices: [{name: a, zh: 甲, en: a}, {name: b, zh: 乙, en: b}]}"), `choices is for the kind choice only: remove it`},
		{"range of a tick", question("{name: p, kind: tick, zh: 事由, en: x, min: 1}"), `min is for the kind number or temperature only`},
		{"number without a range", question("{name: n, kind: number, zh: 几个, en: n, min: 1}"), `question "n": max is missing: write the range of the numbers`},
		{"empty range", question("{name: n, kind: number, zh: 几个, en: n, min: 5, max: 5}"), `question "n": nothing is left between min and max: write a smaller min, or a larger max`},
		{"range the other way round", question("{name: n, kind: number, zh: 几个, en: n, min: 5, max: 1}"), `nothing is left between min and max`},
		{"range with a fraction", question("{name: n, kind: number, zh: 几个, en: n, min: 0.5, max: 1}"), `min: "0.5": write a whole number from -1000000 to 1000000`},
		{"temperature of nobody", question("{name: n, kind: temperature, zh: 体温, en: t, min: 20, max: 37}"), `min: "20": write degrees Celsius from 30.0 to 45.0, such as 37.3`},
		{"temperature above the usual ones", question("{name: n, kind: temperature, zh: 体温, en: t, min: 43}"), `nothing is left between min and max`},
		{"temperature at a level that may not ask", strings.Replace(question("{name: t, kind: temperature, zh: 体温, en: t}"), "level: sealed", "level: [sealed, normal]", 1),
			`line 5: rule "r": asks for a temperature at the level normal, whose basis is contract: write ` + "`level:` with those of basis public-health-emergency only"},
		{"temperature at every level", strings.Replace(question("{name: t, kind: temperature, zh: 体温, en: t}"), "level: sealed", "known: true", 1), `asks for a temperature at the level normal`},
		{"temperature without conditions", "name: a\nquestions:\n" + fmt.Sprintf(setV, "{name: t, kind: temperature, zh: 体温, en: t}") + "rules: [{name: r, then: hold, ask: v}]\n", `line 4: rule "r": asks for a temperature at the level normal`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("test.yaml", []byte(tt.source))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s\ngot %v, want …%s…", tt.source, err, tt.want)
			}
		})
	}
}

// everyKind asks one question of each kind, the first three of which are required.
const everyKind = `  - name: v
    questions:
      - {name: whom, kind: text, required: true, zh: 找谁, en: whom}
      - {name: what, kind: choice, required: true, zh: 事由, en: what, choices: [{name: one, zh: 甲, en: one}, {name: two, zh: 乙, en: two}]}
      - {name: seen, kind: tick, required: true, zh: 已看, en: seen}
      - {name: count, kind: number, min: -5, max: 20, zh: 几个, en: count}
      - {name: heat, kind: temperature, min: 35, max: 41.5, zh: 体温, en: heat}
`

func TestAnswersAreChecked(t *testing.T) {
	t.Parallel()
	p := parse(t, asking(everyKind, asksV))
	ask := p.Decide(Facts{Direction: "in", Level: "sealed"}).Ask
	if ask == nil || ask.Name != "v" || len(ask.Questions) != 5 {
		t.Fatalf("asks %+v", ask)
	}
	full := map[string]string{"whom": " 3-2-501\t", "what": "two", "seen": "yes", "count": "007", "heat": "36"}
	for _, tt := range []struct {
		name    string
		change  map[string]string
		refuses bool
		want    string // the answers, or the fault
	}{
		{"all", nil, false, "[{whom 3-2-501} {what two} {seen yes} {count 7} {heat 36.0}]"},
		{"only what is required", map[string]string{"count": "", "heat": " "}, false, "[{whom 3-2-501} {what two} {seen yes}]"},
		{"the ends of the ranges", map[string]string{"count": "-5", "heat": "41.5"}, false, "[{whom 3-2-501} {what two} {seen yes} {count -5} {heat 41.5}]"},
		{"the other ends", map[string]string{"count": "20", "heat": "35.0"}, false, "[{whom 3-2-501} {what two} {seen yes} {count 20} {heat 35.0}]"},
		{"no zero below zero", map[string]string{"count": "-0"}, false, "[{whom 3-2-501} {what two} {seen yes} {count 0} {heat 36.0}]"},
		{"a text missing", map[string]string{"whom": "  "}, false, "answers: whom is missing: answer it before you admit"},
		{"all missing", map[string]string{"whom": "", "what": "", "seen": ""}, false, "answers: whom is missing: answer it before you admit; what is missing: answer it before you admit; seen is missing: answer it before you admit"},
		{"all missing of a refusal", map[string]string{"whom": "", "what": "", "seen": ""}, true, "[{count 7} {heat 36.0}]"},
		{"a refusal with an answer out of range", map[string]string{"heat": "47.0"}, true, "answers: heat: write a number from 35.0 to 41.5"},
		{"too hot", map[string]string{"heat": "41.6"}, false, "answers: heat: write a number from 35.0 to 41.5"},
		{"too cold", map[string]string{"heat": "34.9"}, false, "answers: heat: write a number from 35.0 to 41.5"},
		{"two decimals", map[string]string{"heat": "36.55"}, false, "answers: heat: write a number"},
		{"not a number", map[string]string{"heat": "NaN"}, false, "answers: heat: write a number"},
		{"in hexadecimal", map[string]string{"count": "0x1"}, false, "answers: count: write a number from -5 to 20"},
		{"too many", map[string]string{"count": "21"}, false, "answers: count: write a number from -5 to 20"},
		{"too few", map[string]string{"count": "-6"}, false, "answers: count: write a number from -5 to 20"},
		{"a fraction", map[string]string{"count": "1.5"}, false, "answers: count: write a number"},
		{"no such choice", map[string]string{"what": "three"}, false, "answers: what: write one of one, two"},
		{"the text of a choice", map[string]string{"what": "甲"}, false, "answers: what: write one of one, two"},
		{"a tick of another word", map[string]string{"seen": "no"}, false, "answers: seen: write yes, or leave it out"},
		{"a long text", map[string]string{"whom": strings.Repeat("王", 67)}, false, "answers: whom: write one line of plain text, at most 200 bytes"},
		{"a text that fits", map[string]string{"whom": strings.Repeat("王", 66) + "ab"}, true, "[{whom " + strings.Repeat("王", 66) + "ab} {what two} {seen yes} {count 7} {heat 36.0}]"},
		{"a text of two lines", map[string]string{"whom": "a\nb"}, false, "answers: whom: write one line of plain text"},
		{"a text that is none", map[string]string{"whom": "\xff"}, false, "answers: whom: write one line of plain text"},
		{"what is not asked", map[string]string{"王小明": "x"}, false, "answers: an answer to what is not asked: this hold asks whom, what, seen, count, heat"},
	} {
		given := map[string]string{}
		for _, m := range []map[string]string{full, tt.change} {
			for k, v := range m {
				given[k] = v
			}
		}
		answers, err := ask.Answers(given, !tt.refuses, "老周")
		got := fmt.Sprint(answers)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tt.want) || err == nil && got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		for _, v := range tt.change {
			if err != nil && len(v) > 3 && v != "three" && strings.Contains(err.Error(), v) {
				t.Errorf("%s: %v repeats an answer", tt.name, err)
			}
		}
	}
	var nothing *Inquiry
	if answers, err := nothing.Answers(nil, true, ""); err != nil || answers != nil {
		t.Errorf("nothing asked: %v, %v", answers, err)
	}
	if _, err := nothing.Answers(map[string]string{"whom": "x"}, false, ""); err == nil || err.Error() != "answers: an answer to what is not asked: this hold asks nothing" {
		t.Errorf("nothing asked, and answered: %v", err)
	}
}

// Where a second person has to agree it is another one than the guard, who is somebody.
func TestASecondPersonAgrees(t *testing.T) {
	t.Parallel()
	p := parse(t, asking(fmt.Sprintf(setV, "{name: s, kind: second-person, zh: 谁同意, en: who agrees}"), asksV))
	ask := p.Decide(Facts{Direction: "in", Level: "sealed"}).Ask
	for _, tt := range []struct{ name, guard, want string }{
		{" Chen, command post", "Zhou  Jianguo", "[{s Chen, command post}]"},
		{"zhou jianguo ", "Zhou  Jianguo", "answers: s: that is the guard on duty: name somebody else"},
		{"周 建国\u200b", "周建国", "answers: s: that is the guard on duty: name somebody else"},
		{"周建国。", "周建国", "answers: s: that is the guard on duty: name somebody else"},
		{"ＺＨＯＵ·ｊｉａｎｇｕｏ", "Zhou Jianguo", "answers: s: that is the guard on duty: name somebody else"},
		{"周建军", "周建国", "[{s 周建军}]"},
		{"\u200b", "周建国", "answers: s: a name of 1 characters"},
		{"Chen", "", "answers: s: nobody is signed on for them to agree with"},
		{"", "Zhou", "answers: s is missing"},
		{strings.Repeat("陈", 41), "Zhou", "answers: s: a name of 41 characters: say in 1 to 40 who else agrees"},
		{"Chen\x00", "Zhou", "answers: s: "},
	} {
		answers, err := ask.Answers(map[string]string{"s": tt.name}, true, tt.guard)
		got := fmt.Sprint(answers)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%q with %q: %s, want %s", tt.name, tt.guard, got, tt.want)
		}
	}
	if answers, err := ask.Answers(nil, false, ""); err != nil || answers != nil {
		t.Errorf("nobody has to agree to a refusal: %v, %v", answers, err)
	}
}

// A set is the same as that of another file if it asks the same; a guard who has answered begins anew where it does not.
func TestTheSameIsAsked(t *testing.T) {
	t.Parallel()
	of := func(sets string) *Inquiry {
		return parse(t, asking(sets, asksV)).Decide(Facts{Direction: "in", Level: "sealed"}).Ask
	}
	first := of(everyKind)
	if !first.Same(of("  # the same\n"+everyKind)) || first.Same(nil) || !(*Inquiry)(nil).Same(nil) {
		t.Error("the same set differs")
	}
	for was, is := range map[string]string{"max: 20": "max: 21", "required: true": "required: false", "zh: 甲": "zh: 丙", "name: seen": "name: shown", "- name: v\n": "- name: v\n    by_sight: true\n"} {
		if first.Same(of(strings.Replace(everyKind, was, is, 1))) {
			t.Errorf("%s in place of %s: said to be the same", is, was)
		}
	}
}

// Whatever becomes of a hold that asks nothing by its rule, nothing is asked; nor where no rule holds.
func TestOnlyARuleThatHoldsAsks(t *testing.T) {
	t.Parallel()
	p := parse(t, strings.Replace(asking(everyKind, asksV), "refuse", "admit", 1))
	for _, f := range []Facts{{Direction: "in"}, {Direction: "in", Proof: "signed"}, {Direction: "in", Level: "gone"}} {
		if d := p.Decide(f); d.Ask != nil {
			t.Errorf("%+v: %+v asks", f, d)
		}
	}
}

// The shipped sets ask strangers who come in, and who goes out with the pass of a household; everybody else is decided about with one key.
func TestTheShippedPolicyAsksOnlyStrangers(t *testing.T) {
	t.Parallel()
	p, asked := Shipped(), map[string]int{}
	everyFacts(p, func(f Facts) {
		if d := p.Decide(f); d.Ask != nil {
			asked[d.Ask.Name]++
			stranger := !f.Known && f.Direction == "in" && f.Level == "normal"
			traveller := f.Holder == HolderHousehold && f.Direction == "out" && f.Level == "controlled"
			if !(d.Ask.Name == "visitor" && stranger || d.Ask.Name == "traveller" && traveller) {
				t.Errorf("%+v: asks %s", f, d.Ask.Name)
			}
		}
	})
	if asked["visitor"] == 0 || asked["traveller"] == 0 {
		t.Errorf("nobody is ever asked: %v", asked)
	}
}

// The page knows the questions by these names.
func TestQuestionsAsThePageGetsThem(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(Inquiry{"v", true, []Question{{Name: "n", Kind: "number", Text: Text{"几个", "How many?"}, Required: true, Min: -1, Max: 2},
		{Name: "c", Kind: "choice", Text: Text{"事由", "What?"}, Choices: []Choice{{"a", Text{"甲", "A"}}}}}})
	want := `{"name":"v","by_sight":true,"questions":[{"name":"n","kind":"number","zh":"几个","en":"How many?","required":true,"min":-1,"max":2},` +
		`{"name":"c","kind":"choice","zh":"事由","en":"What?","choices":[{"name":"a","zh":"甲","en":"A"}]}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
