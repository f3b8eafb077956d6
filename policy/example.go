package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/policy/week"

	"go.yaml.in/yaml/v3"
)

type example struct {
	line                    int
	label                   string
	given                   Facts
	then, rule, reason, ask string
}

// check runs the examples of a file that has nothing else; the error is like that of Parse.
func (p *Policy) check(name string, source []byte) error {
	q := &parser{policy: *p}
	const start = "write `examples:` and a list below it, or remove the file"
	if root := q.document(source, start); root != nil {
		if top := q.mapping(root, "", "examples"); top != nil && top["examples"] == nil {
			q.fault(root, "", "examples is missing: %s", start)
		} else if top != nil {
			q.listed(top["examples"])
		}
	}
	if q.runAll(); len(q.faults) > 0 {
		return fmt.Errorf("policy %s:\n%w", name, errors.Join(q.faults...))
	}
	p.examples = slices.Clone(source)
	return nil
}

// listed reads a list of examples, if there is one.
func (p *parser) listed(n *yaml.Node) {
	if n != nil {
		items, _ := p.items(n, "examples")
		for _, item := range items {
			p.example(item)
		}
	}
}

// runAll decides all examples, once nothing else is wrong.
func (p *parser) runAll() {
	if len(p.faults) == 0 {
		for i := range p.examples {
			p.run(&p.examples[i])
		}
	}
}

// ParseFacts reads facts written as in an example, `key=value` each, such as
// class=resident or credential_reason=expired.
func (p *Policy) ParseFacts(pairs []string) (Facts, error) {
	q := parser{policy: Policy{levels: p.levels}}
	given := &yaml.Node{Kind: yaml.MappingNode}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return Facts{}, fmt.Errorf("fact %s: write key=value, such as class=resident", quote(pair))
		}
		given.Content = append(given.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Value: value})
	}
	f := q.facts("facts", given)
	return f, errors.Join(q.faults...)
}

func (p *parser) example(n *yaml.Node) {
	where := label("example", n)
	m := p.mapping(n, where, "name", "given", "then", "rule", "reason", "ask")
	if m == nil {
		return
	}
	e := example{line: n.Line, label: where}
	if v := m["name"]; v == nil || v.Kind != yaml.ScalarNode || strings.TrimSpace(v.Value) == "" {
		p.fault(n, where, "name is missing: say in a few words what happens")
	}
	if m["given"] == nil {
		p.fault(n, where, "given is missing: write the facts, such as `given: {direction: in, class: resident}`")
	} else {
		e.given = p.facts(where, m["given"])
	}
	e.then = p.oneOf(m["then"], n, where, "then", []string{Admit, Refuse, Hold})
	if v := m["rule"]; v != nil {
		names := make([]string, len(p.policy.rules))
		for i, r := range p.policy.rules {
			names[i] = r.Name
		}
		e.rule = p.oneOf(v, n, where, "rule", names)
	}
	if v := m["reason"]; v != nil {
		e.reason = p.word(v, n, where, "reason")
	}
	if v := m["ask"]; v != nil {
		e.ask = p.word(v, n, where, "ask")
	}
	p.examples = append(p.examples, e)
}

// facts reads the facts of an example. What is left out is: class unknown, known
// false, credential, proof, service, plate_class, health, building, unit, exemption, trip, holder, visit, consent and host none,
// whereabouts unknown, the first level, a trusted clock, Monday noon, no trips, and no passage before. Valid
// follows credential_reason, and the other way round; whereabouts follow again.
func (p *parser) facts(where string, n *yaml.Node) Facts {
	keys := factNames()
	keys = append(keys[:firstNumber], "household_trips", "test_hours", "minutes_since", "weekday", "time")
	m := p.mapping(n, where, keys...)
	f := Facts{ClockTrusted: true}
	if m == nil {
		return f
	}
	var w words
	for i := range firstNumber {
		v := m[keys[i]]
		if v == nil {
			continue
		}
		if v.Kind != yaml.ScalarNode {
			p.fault(v, where, "%s takes one word here, not a list", keys[i])
			continue
		}
		p.known(v, where, i)
		w[i] = v.Value
	}
	if m["direction"] == nil {
		p.fault(n, where, "direction is missing: write in or out")
	}
	if w[valid] == "" && w[credentialReason] == "ok" {
		w[valid] = "true"
	}
	if w[valid] == "true" && w[credentialReason] == "" {
		w[credentialReason] = "ok"
	}
	if (w[valid] == "true") != (w[credentialReason] == "ok") {
		p.fault(n, where, "valid and credential_reason contradict each other: a credential is valid if its reason is ok, and only then")
	}
	if there := map[string]string{"in": "inside", "out": "outside"}[w[direction]]; w[again] == "true" {
		if w[whereabouts] != "" && w[whereabouts] != there {
			p.fault(n, where, "again and whereabouts contradict each other: who comes in again is inside, who goes out again is outside")
		}
		w[whereabouts] = there
	}
	f = Facts{
		Direction: w[direction], Class: w[class], Known: w[known] == "true",
		Credential: w[credential], Valid: w[valid] == "true", Reason: w[credentialReason], Proof: w[proof],
		Service: w[service], PlateClass: w[plateClass], Health: w[health], Level: w[level], ClockTrusted: w[clockTrusted] != "false",
		Whereabouts: w[whereabouts], Again: w[again] == "true", Building: w[building], Unit: w[unit], Exemption: w[exemption],
		Watched: w[watched] == "true", Trip: w[trip], Holder: w[holder], Visit: w[visit], Consent: w[consent],
		Host:   w[host],
		Minute: p.minute(m["weekday"], m["time"], where),
	}
	if v := m["household_trips"]; v != nil {
		f.HouseholdTrips = p.number(v, where, "household_trips", 0, mostCount)
	}
	if v := m["minutes_since"]; v != nil {
		f.Passed, f.MinutesSince = true, p.number(v, where, "minutes_since", 0, mostCount)
	}
	switch v := m["test_hours"]; {
	case v != nil && w[health] != negativeTest:
		p.fault(v, where, "test_hours without a negative test: write `health: negative-test` as well")
	case v == nil && w[health] == negativeTest:
		p.fault(m["health"], where, "a negative test needs its age: write `test_hours`, such as 12")
	case v != nil:
		f.TestHours = p.number(v, where, "test_hours", 0, mostCount)
	}
	if w[health] != "" && w[health] != none && w[valid] != "true" {
		p.fault(m["health"], where, "health is only known from a certificate that is valid: write `credential_reason: ok` as well")
	}
	return f
}

// minute reads the weekday and time of an example.
func (p *parser) minute(day, at *yaml.Node, where string) int {
	t := time.Date(2000, 1, 3, 12, 0, 0, 0, time.UTC) // a Monday
	if at != nil {
		clock, err := time.Parse("15:04", at.Value)
		if err != nil || len(at.Value) != len("15:04") {
			p.fault(at, where, "time: %s: write hours and minutes such as 08:30", quote(at.Value))
		}
		t = time.Date(2000, 1, 3, clock.Hour(), clock.Minute(), 0, 0, time.UTC)
	}
	if day != nil {
		p.among(day, where, "weekday", week.Days)
		t = t.AddDate(0, 0, max(slices.Index(week.Days, day.Value), 0))
	}
	return MinuteOfWeek(t)
}

// run decides an example and compares.
func (p *parser) run(e *example) {
	tried, got := p.policy.Explain(e.given)
	at := &yaml.Node{Line: e.line}
	asks := ""
	if got.Ask != nil {
		asks = got.Ask.Name
	}
	if got.Verdict == e.then && (e.rule == "" || got.Rule == e.rule) && (e.reason == "" || got.Reason == e.reason) &&
		(e.ask == "" || asks == e.ask) {
		return
	}
	want := e.then
	if e.reason != "" {
		want += ", reason " + e.reason
	}
	if e.rule != "" {
		want += ", by rule " + e.rule
	}
	if e.ask != "" && asks != e.ask {
		want += ", and the questions " + e.ask + " asked"
	}
	why := ""
	for _, t := range tried {
		if t.Rule == e.rule && t.Why != "" {
			why = fmt.Sprintf("; rule %s does not match: %s", e.rule, t.Why)
		}
	}
	if got.Reason == StatedOnly && e.then == Admit {
		why = "; what is merely stated never admits: give `proof: signed` or expect hold"
	}
	if got.Verdict == Hold && e.then == Refuse && e.given.Known && e.given.Class == "resident" {
		why = "; a resident of the roster is never refused: expect hold"
	}
	p.fault(at, e.label, "got %s, reason %s, by rule %s; want %s%s", got.Verdict, got.Reason, got.Rule, want, why)
}
