package amend

import (
	"maps"

	"gated/ledger"
	"gated/register"
)

// Became is what became of somebody on whom nobody had decided: one of Afterwards.
type Became string

// Afterwards is as what a passage on which nobody had decided counts, by what a guard says of it.
var Afterwards = map[Became]string{register.WentThrough: "admit", register.TurnedAway: "refuse", register.Unseen: "undecided"}

// otherwise is the entry which says so of a passage, whatever was said of it before.
func (is Became) otherwise(r *register.Register, id string, now ledger.Stamp) (a Admitted, ev ledger.Event, err error) {
	if a, err = find(r, id, is.no); err != nil {
		return a, ev, err
	}
	ev = a.correction(now, Afterwards[is], string(is))
	fields, counts, err := r.Who(&a.Passage)
	maps.Copy(ev.Detail, counts)
	ev.Personal = fields
	subject := a.Said.Personally("subject")
	r.View(func(s *register.State) { a.moved = s.Place(subject).Seq })
	if ev.Verdict != "admit" {
		register.Uncount(ev.Detail)
	}
	where := ""
	switch {
	case err != nil:
	case ev.Verdict == "admit":
		where = r.Since(a.First, subject)
	case a.Said.Verdict == "admit":
		where, err = r.Without(subject, a.Said.Seq)
	}
	if where != "" {
		ev.Detail[register.Where] = where
	}
	return a, ev, err
}

// no tells why it cannot be said of a passage.
func (is Became) no(p *register.Passage) error {
	_, said := Afterwards[Became(p.Reason)]
	switch {
	case p.Reason == string(is):
		return not("%s is %s already", p.ID, is)
	case !said && (p.Verdict != "undecided" || p.Reason == register.Superseded):
		return not("%s is %s, %s: it ended with a decision, or as another passage", p.ID, p.Verdict, p.Reason)
	}
	return nil
}
