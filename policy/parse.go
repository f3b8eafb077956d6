package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the largest file that is read, in bytes. The shipped examples have almost half of it.
const MaxSize = 128 << 10

// Load reads and checks a policy file, and the file of examples beside it, if there is one; see Parse and ExamplesFile.
func Load(path string) (*Policy, error) {
	source, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	p, err := Parse(filepath.Base(path), source)
	if err != nil {
		return nil, err
	}
	switch source, err = read(ExamplesFile(path)); {
	case errors.Is(err, fs.ErrNotExist):
		return p, nil
	case err != nil:
		return nil, fmt.Errorf("read the policy's examples: %w", err)
	}
	if err := p.check(filepath.Base(ExamplesFile(path)), source); err != nil {
		return nil, err
	}
	return p, nil
}

// ExamplesFile is where the examples of a policy file stand: beside policy.yaml in policy.examples.yaml.
func ExamplesFile(path string) string {
	if path == "" {
		return ""
	}
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + ".examples" + ext
}

func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not block
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return io.ReadAll(io.LimitReader(f, MaxSize+1))
}

// Parse checks a policy file and runs the examples that it has itself. The error joins every fault, each with its line, the rule or
// example, and what to do. Name is what error texts call the file.
func Parse(name string, source []byte) (*Policy, error) { return new(parser).parse(name, source) }

func (p *parser) parse(name string, source []byte) (*Policy, error) {
	p.file(source)
	p.runAll()
	if len(p.faults) > 0 {
		return nil, fmt.Errorf("policy %s:\n%w", name, errors.Join(p.faults...))
	}
	p.policy.source = slices.Clone(source)
	sum := sha256.Sum256(source)
	p.policy.hash = hex.EncodeToString(sum[:16])
	return &p.policy, nil
}

type parser struct {
	policy   Policy
	noLevels bool // they have faults: which words are levels is not known
	nobody   bool // comes home by its rules: see HoldEverybody
	examples []example
	faults   []error

	inquiries map[string]*Inquiry   // by name
	unasked   map[string]*yaml.Node // likewise, where they stand: those that no rule has asked yet
}

// fault records what is wrong at a node. Where says in which rule or example.
func (p *parser) fault(n *yaml.Node, where, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if where != "" {
		text = where + ": " + text
	}
	if n != nil && n.Line > 0 {
		text = fmt.Sprintf("line %d: %s", n.Line, text)
	}
	p.faults = append(p.faults, errors.New(text))
}

// The file is read as a tree and checked node by node, stricter than decoding into
// structs with KnownFields: every fault has its line and its rule, all are found
// in one run, and the texts are for someone who does not program.
func (p *parser) file(source []byte) {
	root := p.document(source, "start from the shipped policy, which `gated policy show` prints")
	if root == nil {
		return
	}
	top := p.mapping(root, "", "name", "levels", "questions", "rules", "examples")
	if top == nil {
		return
	}
	p.policy.levels = []Level{{"guarded", PublicHealth, 1, 0}, {"controlled", PublicHealth, 1, 0}, {"sealed", PublicHealth, 1, 0},
		{"normal", Contract, 1, 0}}
	if n := top["levels"]; n != nil {
		p.policy.levels = nil
		before := len(p.faults)
		items, _ := p.items(n, "levels")
		for _, item := range items {
			p.level(item)
		}
		p.noLevels = len(p.faults) > before
	}
	p.policy.name = p.word(top["name"], root, "policy", "name")
	p.inquiries, p.unasked = map[string]*Inquiry{}, map[string]*yaml.Node{}
	if n := top["questions"]; n != nil {
		items, _ := p.items(n, "questions")
		for _, item := range items {
			p.inquiry(item)
		}
	}

	if n := top["rules"]; n == nil {
		p.fault(root, "", "rules is missing: write `rules:` with a list of rules")
	} else if items, ok := p.items(n, "rules"); ok {
		for _, item := range items {
			p.rule(item)
		}
		p.allAsked()
		p.order(n)
		if !p.noLevels && !p.nobody && !slices.ContainsFunc(p.policy.rules, func(r Rule) bool { return !r.sound }) {
			p.deny()
			p.home()
		}
	}
	p.listed(top["examples"])
}

// document reads the tree of a file; nil where it has none. start says where to begin with an empty one.
func (p *parser) document(source []byte, start string) *yaml.Node {
	if len(source) > MaxSize {
		p.fault(nil, "", "larger than %d bytes: a policy is a page or two", MaxSize)
		return nil
	}
	if !utf8.Valid(source) {
		p.fault(nil, "", "not UTF-8 text: save the file with the encoding UTF-8")
		return nil
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(source))
	if err := dec.Decode(&doc); err == io.EOF {
		p.fault(nil, "", "the file is empty: %s", start)
		return nil
	} else if err != nil {
		p.fault(nil, "", "%s: check indentation, colons and quotes there", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		p.fault(nil, "", "more than one document: remove what follows the line `---`")
		return nil
	}
	return doc.Content[0]
}

func (p *parser) rule(n *yaml.Node) {
	where := label("rule", n)
	m := p.mapping(n, where, "name", "when", "then", "reason", "ask", "override")
	if m == nil {
		return
	}
	before := len(p.faults)
	r := Rule{Name: p.word(m["name"], n, where, "name")}
	if r.Name != "" && slices.ContainsFunc(p.policy.rules, func(o Rule) bool { return o.Name == r.Name }) {
		p.fault(m["name"], where, "a rule before has the same name: give each its own")
	}
	r.Then = p.oneOf(m["then"], n, where, "then", []string{Admit, Refuse, Hold})
	if m["reason"] != nil {
		r.Reason = p.word(m["reason"], n, where, "reason")
	}
	if m["ask"] != nil {
		p.asks(m["ask"], where, &r)
	}
	if w := m["when"]; w != nil {
		r.When = p.when(w, where)
		if r.Then == Admit {
			p.admits(w, where, r)
		}
	}
	if o := m["override"]; o != nil {
		r.Override = p.oneOf(o, n, where, "override", Overrides())
		if r.Then != Refuse {
			p.fault(o, where, "override: only what is refused can be admitted all the same; write `then: refuse`, or remove the line")
		}
	}
	p.healthBasis(cmp.Or(m["when"], n), where, &r)
	r.line, r.sound = n.Line, len(p.faults) == before
	p.policy.rules = append(p.policy.rules, r)
}

func (p *parser) level(n *yaml.Node) {
	where := label("level", n)
	if n.Kind == yaml.ScalarNode {
		p.fault(n, "level "+quote(n.Value), "say on what ground personal data is handled at it: write `{name: %s, basis: %s}`",
			strings.Trim(quote(n.Value), `"`), Contract)
		return
	}
	m := p.mapping(n, where, "name", "basis", "trip_days", "trip_hours")
	if m == nil {
		return
	}
	l := Level{p.word(m["name"], n, where, "name"), p.oneOf(m["basis"], n, where, "basis", []string{PublicHealth, Contract, Consent}), 1, 0}
	if v := m["trip_days"]; v != nil {
		l.TripDays = p.number(v, where, "trip_days", 1, MostTripDays)
	}
	if v := m["trip_hours"]; v != nil {
		l.TripHours = p.number(v, where, "trip_hours", 1, mostTripHours)
	}
	if l.Name != "" && slices.Contains(names(p.policy.levels), l.Name) {
		p.fault(m["name"], where, "a level before has the same name: keep one")
	}
	p.policy.levels = append(p.policy.levels, l)
}

func (p *parser) when(n *yaml.Node, where string) []Condition {
	keys := factNames()
	m := p.mapping(n, where+": when", append(keys, "weekday", "time")...)
	if len(n.Content) == 0 && m != nil {
		p.fault(n, where, "`when` has no conditions: write some, or, in the final rule only, remove the line")
	}
	var conditions []Condition
	for i := fact(0); i < factCount; i++ {
		v := m[keys[i]]
		if v == nil {
			continue
		}
		c := Condition{Fact: keys[i], fact: i}
		if i >= firstNumber {
			c.Below = p.number(v, where, keys[i], 1, mostCount)
		} else {
			c.Is = p.list(v, where+": "+keys[i], func(w *yaml.Node) { p.known(w, where, i) })
		}
		conditions = append(conditions, c)
	}
	if m["weekday"] != nil || m["time"] != nil {
		conditions = append(conditions, p.week(m["weekday"], m["time"], where))
	}
	return conditions
}

// healthBasis refuses a rule that asks for somebody's health, or has a guard ask for it, at a level whose basis is none for that.
func (p *parser) healthBasis(n *yaml.Node, where string, r *Rule) {
	asks, at := "", names(p.policy.levels)
	if r.Ask.asksTemperature() {
		asks = "a temperature"
	}
	for _, c := range r.When {
		switch {
		case c.fact == testHoursBelow || c.fact == health && !slices.Contains(c.Is, none):
			asks = c.Fact
		case c.fact == level:
			at = c.Is
		}
	}
	for _, l := range p.policy.levels {
		if asks != "" && l.Basis != PublicHealth && slices.Contains(at, l.Name) {
			p.fault(n, where, "asks for %s at the level %s, whose basis is %s: write `level:` with those of basis %s only",
				asks, l.Name, l.Basis, PublicHealth)
		}
	}
}

// admits refuses a rule that promises to admit on what was merely stated: Decide
// would hold it, and its writer would never know why.
func (p *parser) admits(n *yaml.Node, where string, r Rule) {
	for _, c := range r.When {
		if c.fact == proof && (slices.Contains(c.Is, "stated") || slices.Contains(c.Is, none)) {
			p.fault(n, where, "admits with proof %s: what is merely stated never admits; write `proof: [signed, sighted]`, or `then: hold`",
				strings.Join(c.Is, " or "))
		}
	}
}

// order checks that every rule can be reached and that the last one always matches.
func (p *parser) order(n *yaml.Node) {
	rules, u := p.policy.rules, p.policy.universe()
	for j := range rules {
		if !u.fits() || p.noLevels || !rules[j].sound {
			continue
		}
		by, is := u.unreachable(rules, j)
		if !is {
			continue
		}
		// The final rule must be there, whether or not anything is left for it.
		if j == len(rules)-1 && len(rules[j].When) == 0 && (len(by) != 1 || len(rules[by[0]].When) > 0) {
			continue
		}
		var names []string
		for _, i := range by {
			names = append(names, fmt.Sprintf("%s (line %d)", quote(rules[i].Name), rules[i].line))
		}
		at, where := &yaml.Node{Line: rules[j].line}, "rule "+quote(rules[j].Name)
		switch len(names) {
		case 0:
			p.fault(at, where, "can never match: its conditions contradict each other; a credential is valid if its reason is ok, "+
				"only a valid one tells of health, and who comes in again is inside, who goes out again outside")
		case 1:
			p.fault(at, where, "is never reached: rule %s before it takes all it could match; move it up, or remove one of them", names[0])
		default:
			p.fault(at, where, "is never reached: the rules %s before it take all it could match; move it up, or remove it",
				strings.Join(names, ", "))
		}
	}
	if len(rules) == 0 || len(rules[len(rules)-1].When) > 0 {
		p.fault(n, "", "the final rule must have no `when`, so that everyone gets a verdict: "+
			"add one, such as `name: outsider`, `then: refuse`")
	}
}

// mapping returns the values of a block of `key: value` lines by key; nil if it
// is none.
func (p *parser) mapping(n *yaml.Node, where string, keys ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode || n.Anchor != "" {
		p.fault(n, where, "want lines of the form `key: value` with the keys %s", strings.Join(keys, ", "))
		return nil
	}
	m := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode || !slices.Contains(keys, k.Value):
			p.fault(k, where, "unknown key %s%s; the keys are %s", quote(k.Value), Nearest(k.Value, keys), strings.Join(keys, ", "))
		case m[k.Value] != nil:
			p.fault(k, where, "%s is written twice: keep one", k.Value)
		// Aliases are what lets a small file unfold without bound; policies need none.
		case v.Kind == yaml.AliasNode || v.Anchor != "":
			p.fault(v, where, "%s: & and * are not used in policies: write the value out", k.Value)
		default:
			m[k.Value] = v
		}
	}
	return m
}

func (p *parser) items(n *yaml.Node, where string) ([]*yaml.Node, bool) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.fault(n, "", "%s: want a list, each item beginning with `- name:`", where)
		return nil, false
	}
	return n.Content, true
}

// list reads one word or a list of them.
func (p *parser) list(n *yaml.Node, where string, check func(*yaml.Node)) []string {
	nodes := n.Content
	if n.Kind == yaml.ScalarNode {
		nodes = []*yaml.Node{n}
	} else if n.Kind != yaml.SequenceNode || len(nodes) == 0 {
		p.fault(n, where, "want a word, or a list such as [one, two]")
		return nil
	}
	var list []string
	for _, w := range nodes {
		switch {
		case w.Kind != yaml.ScalarNode || w.Anchor != "":
			p.fault(w, where, "want plain words in the list")
		case slices.Contains(list, w.Value):
			p.fault(w, where, "%s is written twice: keep one", quote(w.Value))
		default:
			check(w)
			list = append(list, w.Value)
		}
	}
	return list
}

// placeForm is the name of a building, or of a building and its unit, as the roster writes them whatever the office's list has: digits
// without zeros in front, capitals, and none of placeWords. A house without units has the unit 0.
var (
	placeForm  = regexp.MustCompile(`^([1-9][0-9]*|` + placeName + `)(-([1-9][0-9]*|0|` + placeName + `))?$`)
	placeWords = regexp.MustCompile(`[栋幢座楼室号房]|单元|BUILDING|UNIT|ROOM`)
)

const placeName = `[0-9A-Z\p{Lo}]*[A-Z\p{Lo}][0-9A-Z\p{Lo}]*`

// known checks that a word is one the fact can have.
func (p *parser) known(n *yaml.Node, where string, i fact) {
	words := vocabulary[i].words
	switch i {
	case level:
		if words = names(p.policy.levels); p.noLevels {
			return
		}
	case building, unit:
		if !placeForm.MatchString(n.Value) || placeWords.MatchString(n.Value) || (i == unit) != strings.Contains(n.Value, "-") {
			p.fault(n, where, "%s: %s: write it as the roster does, a building such as 3 or B, a unit with its building such as 3-2 or B-1",
				vocabulary[i].key, quote(n.Value))
		}
		return
	case exemption:
		if !IsWord(n.Value) || n.Value == none {
			p.fault(n, where, "exemption: %s: %s", quote(n.Value), wordHint)
		}
		return
	}
	p.among(n, where, vocabulary[i].key, words)
}

// mostCount bounds trips, hours and minutes.
const mostCount = 1000

func (p *parser) among(n *yaml.Node, where, key string, words []string) {
	if !slices.Contains(words, n.Value) {
		p.fault(n, where, "%s: unknown word %s%s; the words are %s",
			key, quote(n.Value), Nearest(n.Value, words), strings.Join(words, ", "))
	}
}

func (p *parser) number(n *yaml.Node, where, key string, least, most int) int {
	i, err := strconv.Atoi(n.Value)
	if err != nil || strconv.Itoa(i) != n.Value || i < least || i > most {
		p.fault(n, where, "%s: %s: write a whole number from %d to %d", key, quote(n.Value), least, most)
	}
	return i
}

func (p *parser) oneOf(n, parent *yaml.Node, where, key string, words []string) string {
	if n == nil {
		p.fault(parent, where, "%s is missing: write %s", key, strings.Join(words, " or "))
		return ""
	}
	p.among(n, where, key, words)
	return n.Value
}

// Names and reasons become metric labels and keys of translated texts.
var wordForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// IsWord tells whether a text can be the name of something in a policy, or of an exemption that its rules ask for.
func IsWord(s string) bool { return len(s) <= 40 && wordForm.MatchString(s) }

const wordHint = "write lower-case letters, digits and hyphens, such as resident-with-pass, at most 40"

func (p *parser) word(n, parent *yaml.Node, where, key string) string {
	if n == nil {
		p.fault(parent, where, "%s is missing: %s", key, wordHint)
		return ""
	}
	if n.Kind != yaml.ScalarNode || !IsWord(n.Value) {
		p.fault(n, where, "%s: %s: %s", key, quote(n.Value), wordHint)
	}
	return n.Value
}

// label names a rule or example in error texts.
func label(what string, n *yaml.Node) string {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == "name" && n.Content[i+1].Value != "" {
			return what + " " + quote(n.Content[i+1].Value)
		}
	}
	return what
}

// quote quotes at most 60 characters of what was written.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return `"` + strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s) + `"`
}
