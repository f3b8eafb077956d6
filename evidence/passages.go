package evidence

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gated/ledger/entry"
	"gated/register"
)

// laterEntry is an entry of after the day that is about one of the day's passages.
type laterEntry struct {
	Seq  int64
	Kind entry.Kind
	At   time.Time
}

// dayPassage is a passage whose first event is of the day, with all that its entries say and what was said of it later.
type dayPassage struct {
	register.Passage
	Proof, Rule, Policy, Roster, Clock string
	// Was is what it was before a correction, and before that one: verdict, reason and rule.
	Was string

	Entries  []int64
	Later    []laterEntry
	Personal []entry.Field // only where asked for: of each field the newest value
}

func (p *dayPassage) add(e *entry.Entry) {
	if e.Kind == register.Correction && e.Verdict != "" && p.Verdict != "" {
		was := p.Verdict + " " + p.Reason
		if p.Rule != "" {
			was += ", rule " + p.Rule
		}
		p.Was = strings.TrimPrefix(p.Was+"; "+was, "; ")
	}
	register.AddEvent(&p.Passage, e)
	p.Entries = append(p.Entries, e.Seq)
	p.Proof, p.Policy = cmp.Or(e.Proof, p.Proof), cmp.Or(e.Policy, p.Policy)
	p.Roster, p.Clock = cmp.Or(e.Record.Roster, p.Roster), cmp.Or(e.Clock, p.Clock)
	if e.Verdict != "" && e.Kind != register.Check {
		p.Rule = e.Rule
	}
	for _, f := range e.Personal {
		p.Personal = append(slices.DeleteFunc(p.Personal, func(old entry.Field) bool { return old.Name == f.Name }), f)
	}
}

// dayPassages are the passages that begin on a day, in the order of their first events, each as its newest event left it,
// wherever that stands.
type dayPassages struct {
	list []*dayPassage
	byID map[string]*dayPassage
}

// add takes the next entry, in the order of seq, with the personal fields that were read; own says whether it is of the day.
func (d *dayPassages) add(e *entry.Entry, own bool) {
	p := d.byID[e.Passage]
	if p == nil {
		if e.Passage == "" || !own || !register.Begins(e) {
			return // it began on another day and counts there
		}
		p = &dayPassage{}
		if d.byID == nil {
			d.byID = map[string]*dayPassage{}
		}
		d.byID[e.Passage] = p
		d.list = append(d.list, p)
	}
	p.add(e)
	if !own {
		p.Later = append(p.Later, laterEntry{e.Seq, e.Kind, e.At})
	}
}
