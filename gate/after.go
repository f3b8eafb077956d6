package gate

import (
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// What became of somebody on whom nobody had decided, as a guard says afterwards, and as what the passage counts then.
var afterwards = map[string]string{"went-through": policy.Admit, "turned-away": policy.Refuse, "unseen": policy.Undecided}

// maxLeft is how many of them at most the gate knows by name, or asks about.
const maxLeft = 20

// leftUndecided remembers who it was, to be named when the guard is asked; not beyond this run.
func (p *page) leftUndecided(h *held) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left = append(p.left, h.passage); len(p.left) > maxLeft {
		p.left = p.left[1:]
	}
}

// shiftEnds forgets them: the next guard was not there.
func (p *page) shiftEnds() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = nil
}

// undecided are those of this shift of whom nobody has said what became of them, the newest first; only the newest is named.
func (g *Gate) undecided() (list []Undecided) {
	g.opt.Register.View(func(s *register.State) {
		for i := len(s.Recent) - 1; i >= 0 && len(list) < maxLeft; i-- {
			p := s.Recent[i]
			open := p.Verdict == policy.Undecided && p.Reason != "undecided-changed" && p.Reason != "unseen"
			if open && p.Last > s.Duty {
				list = append(list, Undecided{Passage: p.ID, Lane: p.Lane, Direction: p.Direction, Class: p.Class,
					At: p.At, seq: p.Last})
			}
		}
	})
	for i := range list[:min(1, len(list))] {
		if p := g.page.who(list[i].Passage); p != nil {
			list[i].Name, list[i].Room = p.name, p.room
		}
	}
	return list
}

// who is the passage of somebody on whom nobody decided; nil where the gate does not know any more.
func (p *page) who(id string) *passage {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.left {
		if p.left[i].id == id {
			return new(p.left[i])
		}
	}
	return nil
}

// Afterwards records what became of somebody on whom nobody had decided: who went through is counted as having done so.
func (g *Gate) Afterwards(id, what string) error {
	verdict, ok := afterwards[what]
	if !ok {
		return invalid("%.40q became of nobody: want went-through, turned-away or unseen", what)
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	for _, u := range g.undecided() {
		if u.Passage != id {
			continue
		}
		ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Correction, Passage: id, Lane: u.Lane, Direction: u.Direction,
			Class: u.Class, Verdict: verdict, Reason: what, By: unauthenticated, Ref: u.seq,
			Detail: map[string]string{"was": policy.Undecided}, Personal: g.guard("")}
		if p := g.page.who(id); p != nil {
			ev.Personal = append(ev.Personal, p.registered().Personal...)
		}
		if err := g.demand(ev); err != nil {
			return err
		}
		g.page.changed()
		return nil
	}
	return ErrSettled
}
