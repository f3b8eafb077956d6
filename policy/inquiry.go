package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"go.yaml.in/yaml/v3"
)

// Inquiry is a set of questions that a guard asks whoever a rule holds. Nobody changes it once the policy is read.
type Inquiry struct {
	Name string `json:"name"`
	// BySight: somebody whom the guard knows by sight, and whose name nobody knows, may be admitted without answers.
	BySight   bool       `json:"by_sight,omitempty"`
	Questions []Question `json:"questions"`
}

// Question is one of them.
type Question struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // choice, number, temperature, tick, text or second-person
	Text
	Required bool     `json:"required,omitempty"` // it is answered before anybody is admitted; of a tick: it is set
	Choices  []Choice `json:"choices,omitempty"`
	Min      float64  `json:"min,omitempty"` // of a number or temperature, both included
	Max      float64  `json:"max,omitempty"`
}

// Text is what people read.
type Text struct {
	Chinese string `json:"zh"`
	English string `json:"en"`
}

// Choice is one of the answers to a question of the kind choice; its name is what is kept.
type Choice struct {
	Name string `json:"name"`
	Text
}

// Answer is what was answered to the question of that name.
type Answer struct{ Question, Value string }

// KnownUnnamed is the reason of a guard who knows somebody by sight and not by name, where the questions may be left out for that.
const KnownUnnamed = "known-unnamed"

const (
	choice      = "choice"
	number      = "number"
	temperature = "temperature"
	tick        = "tick"
	text        = "text"
	// secondPerson asks who else agrees, at the gate or by telephone, by the name that they give: never the guard who asks.
	secondPerson = "second-person"

	ticked = "yes" // the answer to a tick

	mostAnswer    = 200 // bytes of a text: it stays as long as the entry
	mostQuestions = 9
	mostChoices   = 9 // each has a digit on the page
	mostLabel     = 40
	mostNumber    = 1_000_000
)

// Degrees Celsius: what somebody who comes to a gate may have, a fever included, and within what a set may name a range.
var (
	usualDegrees = [2]float64{34, 42}
	mostDegrees  = [2]float64{30, 45}
)

// String is its name, and what is asked.
func (i *Inquiry) String() string { return i.Name + ": " + strings.Join(i.names(), ", ") }

func (i *Inquiry) names() (names []string) {
	for _, q := range i.Questions {
		names = append(names, q.Name)
	}
	return names
}

// Same tells whether both ask the same. Nil asks nothing.
func (i *Inquiry) Same(o *Inquiry) bool { return reflect.DeepEqual(i, o) }

// Answers are those that were given, checked and as they are kept, in the order of the questions; an empty one counts as none.
// Where they admit all that are required must be there. guard is who is on duty. The error says of each question what is wrong, and
// repeats no answer.
func (i *Inquiry) Answers(given map[string]string, admits bool, guard string) (answers []Answer, err error) {
	var faults []string
	asked := map[string]bool{}
	if i == nil {
		i = &Inquiry{}
	}
	for _, q := range i.Questions {
		asked[q.Name] = true
		value, fault := q.check(strings.TrimSpace(given[q.Name]))
		if q.Kind == secondPerson && value != "" && fault == "" {
			fault = SecondPerson(value, guard, true)
		}
		switch {
		case fault != "":
			faults = append(faults, q.Name+": "+fault)
		case value != "":
			answers = append(answers, Answer{q.Name, value})
		case q.Required && admits:
			faults = append(faults, q.Name+" is missing: answer it before you admit")
		}
	}
	for name := range given {
		if !asked[name] {
			faults = append(faults, "an answer to what is not asked: this hold asks "+cmp.Or(strings.Join(i.names(), ", "), "nothing"))
			break
		}
	}
	if faults != nil {
		return nil, errors.New("answers: " + strings.Join(faults, "; "))
	}
	return answers, nil
}

// SecondPerson says why a name is not that of somebody else than the guard on duty, who agrees with them; "": it is. Where both are to
// be named somebody is on duty.
func SecondPerson(name, guard string, both bool) string {
	plain := func(s string) string { // spaces, dots, wide letters and what nobody sees make nobody another one
		return strings.Map(func(r rune) rune {
			if !unicode.In(r, unicode.L, unicode.M, unicode.N) {
				return -1
			}
			return r
		}, norm.NFKC.String(s))
	}
	switch n := utf8.RuneCountInString(name); {
	case n > 40, !utf8.ValidString(name), !strings.ContainsFunc(name, unicode.IsLetter), strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Sprintf("a name of %d characters: say in 1 to 40 who else agrees", n)
	case both && guard == "":
		return "nobody is signed on for them to agree with: sign on first, with your own name"
	case strings.EqualFold(plain(name), plain(guard)):
		return "that is the guard on duty: name somebody else, who agrees, here or by telephone"
	}
	return ""
}

var (
	wholeNumber = regexp.MustCompile(`^-?[0-9]{1,7}$`)
	degrees     = regexp.MustCompile(`^[0-9]{2}(\.[0-9])?$`)
)

// check returns an answer as it is kept, or what is wrong with it.
func (q *Question) check(s string) (value, fault string) {
	if s == "" {
		return "", ""
	}
	switch q.Kind {
	case choice:
		if !slices.ContainsFunc(q.Choices, func(c Choice) bool { return c.Name == s }) {
			var names []string
			for _, c := range q.Choices {
				names = append(names, c.Name)
			}
			return "", "write one of " + strings.Join(names, ", ")
		}
	case number, temperature:
		form, decimals := wholeNumber, 0
		if q.Kind == temperature {
			form, decimals = degrees, 1
		}
		n, err := strconv.ParseFloat(s, 64)
		if !form.MatchString(s) || err != nil || n < q.Min || n > q.Max {
			return "", fmt.Sprintf("write a number from %.*f to %.*f", decimals, q.Min, decimals, q.Max)
		}
		return strconv.FormatFloat(n+0, 'f', decimals, 64), "" // +0: -0 is 0
	case tick:
		if s != ticked {
			return "", "write " + ticked + ", or leave it out"
		}
	default:
		if len(s) > mostAnswer || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			return "", fmt.Sprintf("write one line of plain text, at most %d bytes", mostAnswer)
		}
	}
	return s, ""
}

// inquiry reads a set. One with faults counts as well: what follows from it is no fault of its own.
func (p *parser) inquiry(n *yaml.Node) {
	where := label("questions", n)
	m := p.mapping(n, where, "name", "by_sight", "questions")
	if m == nil {
		return
	}
	i := &Inquiry{Name: p.word(m["name"], n, where, "name"), BySight: p.yes(m["by_sight"], where, "by_sight")}
	if p.inquiries[i.Name] != nil {
		p.fault(m["name"], where, "a set before has the same name: give each its own")
		return
	}
	p.inquiries[i.Name], p.unasked[i.Name] = i, n
	switch list := m["questions"]; {
	case list == nil:
		p.fault(n, where, "questions is missing: write a list of questions, such as "+
			"`- {name: whom, kind: text, zh: 找哪一户, en: whom they visit}`")
	case list.Kind != yaml.SequenceNode || len(list.Content) == 0 || len(list.Content) > mostQuestions:
		p.fault(list, where, "questions: want a list of 1 to %d, each item beginning with `- name:`", mostQuestions)
	default:
		for _, item := range list.Content {
			q := p.question(item, where)
			if q.Name != "" && slices.Contains(i.names(), q.Name) {
				p.fault(item, where, "two questions are called %s: give each its own name", quote(q.Name))
			}
			if q.Kind == secondPerson && i.BySight {
				p.fault(m["by_sight"], where, "whoever is known by sight would pass without the second person: remove this line, or "+
					"the question")
			}
			i.Questions = append(i.Questions, q)
		}
	}
}

func (p *parser) question(n *yaml.Node, where string) (q Question) {
	where += ": " + label("question", n)
	m := p.mapping(n, where, "name", "kind", "zh", "en", "required", "choices", "min", "max")
	if m == nil {
		return q
	}
	q = Question{Name: p.word(m["name"], n, where, "name"), Text: p.text(m, n, where), Required: p.yes(m["required"], where, "required"),
		Kind: p.oneOf(m["kind"], n, where, "kind", []string{choice, number, temperature, tick, text, secondPerson})}
	q.Required = q.Required || q.Kind == secondPerson
	for key, kinds := range map[string][]string{"choices": {choice}, "min": {number, temperature}, "max": {number, temperature}} {
		if m[key] != nil && !slices.Contains(kinds, q.Kind) {
			p.fault(m[key], where, "%s is for the kind %s only: remove it, or write another kind", key, strings.Join(kinds, " or "))
		}
	}
	before := len(p.faults)
	switch q.Kind {
	case choice:
		q.Choices = p.choices(m["choices"], n, where)
	case number:
		for _, key := range []string{"min", "max"} {
			if m[key] == nil {
				p.fault(n, where, "%s is missing: write the range of the numbers, such as `min: 1, max: 20`", key)
				return q
			}
		}
		q.Min = float64(p.number(m["min"], where, "min", -mostNumber, mostNumber))
		q.Max = float64(p.number(m["max"], where, "max", -mostNumber, mostNumber))
	case temperature:
		q.Min, q.Max = p.degrees(m["min"], where, "min", usualDegrees[0]), p.degrees(m["max"], where, "max", usualDegrees[1])
	}
	if q.Min >= q.Max && (q.Kind == number || q.Kind == temperature) && len(p.faults) == before {
		p.fault(cmp.Or(m["min"], m["max"], n), where, "nothing is left between min and max: write a smaller min, or a larger max")
	}
	return q
}

func (p *parser) choices(n, parent *yaml.Node, where string) (choices []Choice) {
	if n == nil || n.Kind != yaml.SequenceNode || len(n.Content) < 2 || len(n.Content) > mostChoices {
		p.fault(cmp.Or(n, parent), where, "choices: want a list of 2 to %d, such as `- {name: family, zh: 探亲访友, en: family or friends}`",
			mostChoices)
		return nil
	}
	for _, item := range n.Content {
		at := where + ": " + label("choice", item)
		m := p.mapping(item, at, "name", "zh", "en")
		if m == nil {
			continue
		}
		c := Choice{p.word(m["name"], item, at, "name"), p.text(m, item, at)}
		if slices.ContainsFunc(choices, func(o Choice) bool { return o.Name == c.Name }) {
			p.fault(item, at, "two choices have this name: give each its own")
		}
		choices = append(choices, c)
	}
	return choices
}

// text reads what people are shown, in both languages.
func (p *parser) text(m map[string]*yaml.Node, parent *yaml.Node, where string) Text {
	var t [2]string
	for i, key := range []string{"zh", "en"} {
		v := m[key]
		if v == nil || v.Kind != yaml.ScalarNode || strings.TrimSpace(v.Value) != v.Value || v.Value == "" ||
			utf8.RuneCountInString(v.Value) > mostLabel || strings.ContainsFunc(v.Value, func(r rune) bool { return !strconv.IsPrint(r) }) {
			p.fault(cmp.Or(v, parent), where, "%s: write what the page shows in %s, one line of at most %d characters", key,
				[]string{"Chinese", "English"}[i], mostLabel)
			continue
		}
		t[i] = v.Value
	}
	return Text{t[0], t[1]}
}

func (p *parser) degrees(n *yaml.Node, where, key string, usual float64) float64 {
	if n == nil {
		return usual
	}
	d, err := strconv.ParseFloat(n.Value, 64)
	if !degrees.MatchString(n.Value) || err != nil || d < mostDegrees[0] || d > mostDegrees[1] {
		p.fault(n, where, "%s: %s: write degrees Celsius from %.1f to %.1f, such as 37.3", key, quote(n.Value),
			mostDegrees[0], mostDegrees[1])
	}
	return d
}

// yes reads true or false; left out it is false.
func (p *parser) yes(n *yaml.Node, where, key string) bool {
	if n != nil {
		p.among(n, where, key, []string{"true", "false"})
	}
	return n != nil && n.Value == "true"
}

// asks reads which set a rule that holds asks.
func (p *parser) asks(n *yaml.Node, where string, r *Rule) {
	i := p.inquiries[n.Value]
	switch {
	case i == nil:
		clear(p.unasked) // it may be one of those
		names := slices.Sorted(maps.Keys(p.inquiries))
		p.fault(n, where, "ask: there is no set %s%s: write one under `questions`, or one of those there: %s", quote(n.Value),
			Nearest(n.Value, names), cmp.Or(strings.Join(names, ", "), none))
		return
	case r.Then == Admit || r.Then == Refuse:
		p.fault(n, where, "ask: nobody is asked where the verdict is %s: write `then: hold`, or remove the line", r.Then)
	}
	delete(p.unasked, i.Name)
	r.Ask = i
}

// allAsked refuses sets that no rule asks.
func (p *parser) allAsked() {
	for _, name := range slices.Sorted(maps.Keys(p.unasked)) {
		n := p.unasked[name]
		p.fault(n, label("questions", n), "no rule asks it: write `ask: %s` in a rule that holds, or remove the set", name)
	}
}

// asksTemperature tells whether somebody's temperature is among the questions.
func (i *Inquiry) asksTemperature() bool {
	return i != nil && slices.ContainsFunc(i.Questions, func(q Question) bool { return q.Kind == temperature })
}
