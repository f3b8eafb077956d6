package gate

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gated/gate/subject"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// overrideWithin is how long after a refusal a guard may admit all the same: whoever it was stands there still.
const overrideWithin = time.Minute

// Overrides are the words that a guard can give for admitting against a refusal, by who may. The list is closed as that of Reasons is.
var Overrides = map[string][]string{
	policy.OverrideGuard:     {Urgent[0], Urgent[1], "official-duty", "resident-vouches"},
	policy.OverrideTelephone: {"approved-by-telephone"},
}

// Override is why somebody is admitted against a refusal.
type Override struct {
	Reason   string // one of Overrides
	Approver string // who approved by telephone, by the name that they gave; kept as personal data
	Note     string // the guard's own words; likewise
}

// Override records that the guard admits against the newest refusal of a lane, where the rule that refused allows it, and opens. It is
// the guard who decides, so that it does not count how the passage was proved.
func (g *Gate) Override(id string, o Override) (Outcome, error) {
	g.passage.Lock()
	defer g.passage.Unlock()
	var p *passage
	for _, l := range g.lanes {
		if r := l.refusal(); r != nil && r.id == id {
			p = r
		}
	}
	if p == nil || p.policy != g.rules.Load().Policy.Hash() {
		return Outcome{}, ErrNoRefusal
	}
	switch words := Overrides[p.override]; {
	case !slices.Contains(words, o.Reason):
		return Outcome{}, invalid("reason %.40q: want one of %s", o.Reason, strings.Join(words, ", "))
	case p.override == policy.OverrideTelephone && (o.Approver == "" || utf8.RuneCountInString(o.Approver) > 40):
		return Outcome{}, invalid("a name of %d characters: say in 1 to 40 who approved by telephone", utf8.RuneCountInString(o.Approver))
	case p.override != policy.OverrideTelephone && o.Approver != "":
		return Outcome{}, invalid("nobody has to approve by telephone: leave the name out")
	case len(o.Note) > maxNote || !utf8.ValidString(o.Note) || !utf8.ValidString(o.Approver):
		return Outcome{}, invalid("note of %d bytes: at most %d, in UTF-8", len(o.Note), maxNote)
	}
	was := *p
	now := was
	now.at, now.by, now.desk = g.clock.Now(), unauthenticated, true
	g.opt.Register.View(func(s *register.State) {
		if s.Erased > was.seq { // it may have been they who were erased
			now.who = subject.Subject{Class: was.who.Class}
		}
	})
	decision, sealed := g.decision(policy.Admit, o.Reason, was.decision.Rule, o.Note)
	now.decision = decision
	ev := now.registered()
	ev.Kind, ev.Ref, ev.Detail = register.Correction, was.seq, map[string]string{"was": policy.Refuse, "override": was.override}
	ev.Personal = append(ev.Personal, sealed...)
	if o.Approver != "" {
		ev.Personal = append(ev.Personal, ledger.Field{Name: "approved_by", Value: o.Approver})
	}
	entries, err := g.writing.Append(ev)
	if err != nil {
		return g.fault(was, err), nil
	}
	now.seq = entries[0].Seq
	now.lane.refuse(nil)
	g.read.Remember(now.key, now, g.rules.Load().Repeat, time.Now())
	return g.answer(&now), nil
}

// refuse remembers the newest refusal of the lane that a guard may override; nil: none is left.
func (l *lane) refuse(p *passage) {
	l.update(func() { l.refused, l.refusedAt = p, time.Now() })
}

// refusal is that one, while it may be overridden.
func (l *lane) refusal() *passage {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused == nil || time.Since(l.refusedAt) > overrideWithin {
		return nil
	}
	return l.refused
}
