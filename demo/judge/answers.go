package judge

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"

	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// Answer is the answer of a gate to one attempt to pass: a line of gated run --log-verdicts.
type Answer struct {
	Lane       string `json:"lane"`
	Passage    string `json:"passage"`
	Verdict    string `json:"verdict"`
	Reason     string `json:"reason"`
	Credential string `json:"credential"`
	Rule       string `json:"rule"`
	Repeat     bool   `json:"repeat"`
}

// Fault is the verdict on what could not be recorded.
const Fault = "fault"

// OfCode reports whether it answers a code, and not a guard or a time limit.
func (a Answer) OfCode() bool {
	return a.Rule != "guard" && a.Rule != emergencyKey && a.Reason != "undecided"
}

// Answers compares the answers of a gate with the entries of its ledger: each answer has its entries, and no entry is without an
// answer. In hours there are millions of both, so they are counted and not stored.
type Answers struct {
	said, found map[part]tally
}

// part is the part of an answer that has an entry of its own.
type part struct {
	lane    string
	kind    ledger.Kind
	verdict string // empty in a check, and in the query of what was decided at once
}

// tally is a count with a sum of hashes: equal tallies have counted the same.
type tally struct {
	n   int
	sum uint64
}

// NewAnswers returns what compares, before any answer.
func NewAnswers() *Answers { return &Answers{map[part]tally{}, map[part]tally{}} }

func count(in map[part]tally, p part, passage, reason string) {
	h := fnv.New64a()
	io.WriteString(h, passage+" "+reason)
	t := in[p]
	in[p] = tally{t.n + 1, t.sum + h.Sum64()}
}

// Say takes an answer. A code that was read again got the answer of before, what could not be recorded has no entry, and
// Openings judges the emergency key.
func (a *Answers) Say(o Answer) {
	if o.Repeat || o.Verdict == Fault || o.Rule == emergencyKey {
		return
	}
	if o.Rule != "guard" && o.Reason != "undecided" { // those two come later than check and query
		count(a.said, part{o.Lane, register.Check, ""}, o.Passage, "")
		if o.Verdict == policy.Hold {
			count(a.said, part{o.Lane, register.Query, o.Verdict}, o.Passage, o.Reason)
			return
		}
		count(a.said, part{o.Lane, register.Query, ""}, o.Passage, "")
	}
	count(a.said, part{o.Lane, register.Decided, o.Verdict}, o.Passage, o.Reason)
}

// Entry takes the next entry of the ledger.
func (a *Answers) Entry(e *ledger.Entry) {
	reason := e.Reason
	switch {
	case e.Kind == register.Check: // its reason is the claim's, not the verdict's
		reason = ""
	case e.Kind == register.Query:
	case e.Kind == register.Decided && e.Rule != emergencyKey && e.Reason != "undecided-restart" && e.Reason != "undecided-fault":
	default: // nobody waited for it
		return
	}
	count(a.found, part{e.Lane, e.Kind, e.Verdict}, e.Passage, reason)
}

// Compare returns what does not fit, and how many entries are missing.
func (a *Answers) Compare() (wrong []string, lost int) {
	parts := maps.Clone(a.said)
	maps.Copy(parts, a.found)
	for _, p := range slices.SortedFunc(maps.Keys(parts), func(a, b part) int {
		return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.kind, b.kind), cmp.Compare(a.verdict, b.verdict))
	}) {
		said, found := a.said[p], a.found[p]
		what := string(p.kind)
		if p.verdict != "" {
			what += " of " + p.verdict
		}
		switch missing := said.n - found.n; {
		case missing > 0:
			lost += missing
			wrong = append(wrong, fmt.Sprintf("lane %s: %d of %d answers have no entry (%s)", p.lane, missing, said.n, what))
		case missing < 0:
			wrong = append(wrong, fmt.Sprintf("lane %s: %d entries (%s) that were no answer", p.lane, -missing, what))
		case said.sum != found.sum:
			lost++ // at least
			wrong = append(wrong, fmt.Sprintf("lane %s: the %d entries (%s) are not those of the answers", p.lane, found.n, what))
		}
	}
	return wrong, lost
}
