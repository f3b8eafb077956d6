package register

import (
	"cmp"
	"time"

	"gated/ledger"
	"gated/register/index"
)

// Passage is one attempt to pass, as its newest event left it.
type Passage = index.Passage

// Begins tells whether a passage can begin with the entry: with its check, or with its opening by the emergency key.
func Begins(e *ledger.Entry) bool { return e.Kind == Check || e.Kind == Opening && e.Verdict != "" }

// addEvent adds one event to a passage.
func addEvent(p *Passage, e *ledger.Entry) {
	if p.First == 0 {
		p.ID, p.First, p.At, p.Day = e.Passage, e.Seq, e.At, e.At.Format(time.DateOnly)
	}
	p.Last = e.Seq
	p.Lane, p.Direction = cmp.Or(e.Lane, p.Lane), cmp.Or(e.Direction, p.Direction)
	p.Class, p.Credential = cmp.Or(e.Class, p.Class), cmp.Or(e.Credential, p.Credential)
	if e.Verdict != "" && e.Kind != Check {
		p.Verdict, p.Reason, p.By, p.Decided = e.Verdict, e.Reason, e.By, e.At
	}
	if e.Kind == Opening && e.Verdict != "" {
		p.Emergency = true // the only opening that is itself a verdict
	}
}

// Moves tells whether the entry says that somebody moved, and where they are then. It goes by what was permitted:
// whether they went through is told by a passage sensor, where there is one.
func Moves(e *ledger.Entry) (inside, ok bool) {
	switch {
	case e.Direction != "in" && e.Direction != "out":
		return false, false
	case e.Kind == Decided && e.Verdict == "admit":
		return e.Direction == "in", true
	case Afterwards(e):
		return e.Direction == "in", true
	case e.Kind == Correction && e.Detail["was"] == "admit": // it did not happen
		return e.Direction == "out", true
	}
	return false, false
}

// Afterwards tells whether the entry says that somebody went through on whom nobody had decided.
func Afterwards(e *ledger.Entry) bool {
	return e.Kind == Correction && e.Verdict == "admit" && e.Detail["was"] == "undecided"
}

// elsewhere tells whether an erasure was one in an older epoch: first and last are entries of that.
func elsewhere(e *ledger.Entry) bool { return e.Detail["epoch"] != "" }

// Recovered is for ledger.Options: its events take back the verdicts of a commit that failed and is there all the same. The lane was
// answered fault and nothing opened: what the entries say did not happen. A hold that a guard tried to decide waits again. An
// opening by the emergency key did happen: that does not wait for its entry.
func (r *Register) Recovered(kept []ledger.Entry, now ledger.Stamp) (events []ledger.Event) {
	begun := map[string]bool{} // passages whose first event is among them
	taken := map[int64]bool{}  // those that were taken back, by a commit that failed and is there as well
	for i := range kept {
		if e := &kept[i]; e.Kind == Correction && e.Reason == "answered-fault" {
			taken[e.Seq], taken[e.Ref] = true, true
		}
	}
	for i := range kept {
		e := &kept[i]
		begun[e.Passage] = begun[e.Passage] || e.Kind == Check
		if e.Passage == "" || e.Verdict == "" || e.Kind == Check || e.Kind == Opening || taken[e.Seq] {
			continue
		}
		c := ledger.Event{Stamp: now, Kind: Correction, Passage: e.Passage, Lane: e.Lane, Direction: e.Direction, Class: e.Class,
			Verdict: "refuse", Reason: "answered-fault", By: "machine", Ref: e.Seq, Detail: map[string]string{"was": e.Verdict}}
		if e.Kind == Decided && !begun[e.Passage] && e.Ref == 0 {
			c.Verdict = "hold"
		}
		for _, f := range e.Personal {
			if f.Name == "subject" || f.Name == "household" {
				c.Personal = append(c.Personal, f)
			}
		}
		events = append(events, c)
	}
	return events
}
