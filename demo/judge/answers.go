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

// Answer is the answer of a gate to one attempt to pass, as a line of gated run --log-verdicts has it.
type Answer struct {
	Lane       string `json:"lane"`
	Passage    string `json:"passage"`
	Verdict    string `json:"verdict"`
	Reason     string `json:"reason"`
	Credential string `json:"credential"`
	Rule       string `json:"rule"`
	Repeat     bool   `json:"repeat"`
	Again      bool   `json:"again"` // somebody who waited was judged again
}

// Fault is the verdict when nothing could be recorded.
const Fault = "fault"

// OfCode tells whether it is the answer to a code, rather than to a guard or at the end of a time limit.
func (a Answer) OfCode() bool {
	return a.Rule != emergencyKey && !a.Again && !a.ended()
}

// ended tells whether it is how a hold ended, which has had its check and query before. The same code again may get that answer, too.
func (a Answer) ended() bool {
	return !a.Repeat && (a.Rule == "guard" || a.Reason == "undecided" || a.Reason == "undecided-changed")
}

// Answers compares the answers of a gate with the entries of its ledger: each answer must have its entries, and each entry its
// answer. In a run of hours there are millions of both, so they are counted and not stored.
type Answers struct {
	answered, recorded map[part]tally
}

// part is the part of an answer that has an entry of its own.
type part struct {
	lane    string
	kind    ledger.Kind
	verdict string // empty in a check, and in the query of a passage that was decided at once
}

// tally is a count and a sum of hashes: two equal tallies have counted the same things.
type tally struct {
	n   int
	sum uint64
}

// NewAnswers returns an Answers that has counted nothing.
func NewAnswers() *Answers { return &Answers{map[part]tally{}, map[part]tally{}} }

func count(in map[part]tally, p part, passage, reason string) {
	h := fnv.New64a()
	io.WriteString(h, passage+" "+reason)
	t := in[p]
	in[p] = tally{t.n + 1, t.sum + h.Sum64()}
}

// Answer takes the next answer. It skips those without entries of their own, which are repeats and faults, and the emergency key,
// which Openings judges.
func (a *Answers) Answer(o Answer) {
	if o.Repeat || o.Verdict == Fault || o.Rule == emergencyKey {
		return
	}
	if !o.ended() {
		count(a.answered, part{o.Lane, register.Check, ""}, o.Passage, "")
		if o.Verdict == policy.Hold {
			count(a.answered, part{o.Lane, register.Query, o.Verdict}, o.Passage, o.Reason)
			return
		}
		count(a.answered, part{o.Lane, register.Query, ""}, o.Passage, "")
	}
	count(a.answered, part{o.Lane, register.Decided, o.Verdict}, o.Passage, o.Reason)
}

// Entry takes the next entry of the ledger.
func (a *Answers) Entry(e *ledger.Entry) {
	reason := e.Reason
	switch {
	case e.Kind == register.Check: // its reason is about the code, not about the verdict
		reason = ""
	case e.Kind == register.Query:
	case e.Kind == register.Decided && e.Rule != emergencyKey && e.Reason != "undecided-restart" && e.Reason != "undecided-fault":
	default: // no answer belongs to it
		return
	}
	count(a.recorded, part{e.Lane, e.Kind, e.Verdict}, e.Passage, reason)
}

// Compare returns the differences, and how many entries are missing.
func (a *Answers) Compare() (wrong []string, lost int) {
	parts := maps.Clone(a.answered)
	maps.Copy(parts, a.recorded)
	for _, p := range slices.SortedFunc(maps.Keys(parts), func(a, b part) int {
		return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.kind, b.kind), cmp.Compare(a.verdict, b.verdict))
	}) {
		answered, recorded := a.answered[p], a.recorded[p]
		entry := string(p.kind)
		if p.verdict != "" {
			entry += " of " + p.verdict
		}
		switch missing := answered.n - recorded.n; {
		case missing > 0:
			lost += missing
			wrong = append(wrong, fmt.Sprintf("lane %s: %d of %d answers have no entry (%s)", p.lane, missing, answered.n, entry))
		case missing < 0:
			wrong = append(wrong, fmt.Sprintf("lane %s: %d entries (%s) without an answer", p.lane, -missing, entry))
		case answered.sum != recorded.sum:
			lost++ // at least
			wrong = append(wrong, fmt.Sprintf("lane %s: the %d entries (%s) are not those of the answers", p.lane, recorded.n, entry))
		}
	}
	return wrong, lost
}
