package gate

import (
	"gated/gate/ruling"
	"gated/gate/subject"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/visits"
)

// Override records that the guard admits against the newest refusal of a lane, where the rule that refused allows it or the need is
// urgent, and opens. It is the guard who decides, so that it does not count how the passage was proved.
func (g *Gate) Override(id string, o Override) (Outcome, error) {
	g.passage.Lock()
	defer g.passage.Unlock()
	var was passage
	for _, r := range g.refused {
		if r.id == id && r.lane.Refused() == id {
			was = r
		}
	}
	if was.lane == nil || was.policy != g.rules.Load().Policy.Hash() && !ruling.IsUrgent(o.Reason) {
		return Outcome{}, ErrNoRefusal
	}
	if err := o.Check(was.decision.Override, g.actor()); err != nil {
		return Outcome{}, invalid("%v", err)
	}
	now := was
	now.at, now.by, now.desk = g.clock.Now(), g.by.By(), true
	g.opt.Register.View(func(s *register.State) {
		if s.Erased > was.seq { // it may have been they who were erased
			now.who = subject.Subject{Class: was.who.Class}
		}
	})
	decision, sealed := g.decision(policy.Admit, o.Reason, was.decision.Rule, o.Note)
	now.decision = decision
	ev := now.registered()
	ev.Kind, ev.Ref, ev.Detail = register.Correction, was.seq, visits.Of(&ledger.Entry{Record: ledger.Record{Detail: ev.Detail}},
		map[string]string{"was": policy.Refuse, "override": was.decision.Override})
	if ruling.IsUrgent(o.Reason) {
		ev.Detail["override"] = policy.OverrideGuard
	}
	ev.Personal = append(ev.Personal, sealed...)
	if o.Approver != "" {
		ev.Personal = append(ev.Personal, ledger.Field{Name: "approved_by", Value: o.Approver})
	}
	entries, err := g.writing.Append(ev)
	if err != nil {
		return g.fault(was, err), nil
	}
	now.seq = entries[0].Seq
	delete(g.refused, now.lane.ID)
	now.lane.Refuse(nil)
	g.remember(now, g.rules.Load().Repeat)
	return g.answer(&now), nil
}

// refuse remembers the newest refusal of the lane. The caller holds passage.
func (g *Gate) refuse(p *passage) {
	g.refused[p.lane.ID] = *p
	p.lane.Refuse(&Refused{Passage: p.id, Class: p.who.Class, Reason: p.decision.Reason, Override: p.decision.Override, At: p.at.Time})
}
