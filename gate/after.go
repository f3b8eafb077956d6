package gate

import (
	"fmt"
	"slices"

	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// What became of somebody on whom nobody had decided, as a guard says afterwards, and as what the passage counts then.
var afterwards = map[string]string{"went-through": policy.Admit, "turned-away": policy.Refuse, "unseen": policy.Undecided}

// maxLeft is how many of them at most the gate knows by name, or asks about.
const maxLeft = 20

// left is somebody on whom nobody decided, by name for the guard who is asked; not beyond this run.
type left struct {
	passage, name, room string
	seq                 int64 // of the entry that says so
}

// leftUndecided remembers who it was.
func (p *page) leftUndecided(h *held, seq int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left = append(p.left, left{h.id, h.name, h.room, seq}); len(p.left) > maxLeft {
		p.left = p.left[1:]
	}
}

// who is who it was; nobody where the gate does not know any more.
func (p *page) who(id string) left {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.left {
		if l.passage == id {
			return l
		}
	}
	return left{}
}

// shiftEnds forgets them: the next guard was not there.
func (p *page) shiftEnds() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = nil
}

// undecided are those of this shift of whom nobody has said what became of them, the newest first; only the newest is named.
func (g *Gate) undecided() []Undecided {
	list, erased := []Undecided{}, int64(0)
	g.opt.Register.View(func(s *register.State) {
		erased = s.Erased
		for i := len(s.Recent) - 1; i >= 0 && len(list) < maxLeft; i-- {
			p := s.Recent[i]
			open := p.Verdict == policy.Undecided && p.Reason != "undecided-changed" && p.Reason != "unseen"
			if open && p.Last > s.Duty {
				list = append(list, Undecided{Passage: p.ID, Lane: p.Lane, Direction: p.Direction, Class: p.Class,
					At: p.At, Of: p})
			}
		}
	})
	for i := range list[:min(1, len(list))] {
		if l := g.page.who(list[i].Passage); l.seq > erased { // it may have been they who were erased
			list[i].Name, list[i].Room = l.name, l.room
		}
	}
	return list
}

// Afterwards records what became of somebody on whom nobody had decided: who went through is counted as having done so.
func (g *Gate) Afterwards(id, what string) error {
	verdict, ok := afterwards[what]
	if !ok {
		return invalid("%.40q became of nobody: want went-through, turned-away or unseen", what)
	}
	u, err := g.asked(id)
	if err != nil {
		return err
	}
	// The ledger remembers who it was also after a restart, and forgets who was erased. To ask it may take a while.
	who, err := g.opt.Register.Who(u.Of)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	if _, err := g.asked(id); err != nil {
		return err
	}
	err = g.demand(ledger.Event{Stamp: g.clock.Now(), Kind: register.Correction, Passage: id, Lane: u.Lane, Direction: u.Direction,
		Class: u.Class, Verdict: verdict, Reason: what, By: unauthenticated, Ref: u.Of.Last,
		Detail: map[string]string{"was": policy.Undecided}, Personal: append(g.guard(""), who...)})
	if err == nil {
		g.page.changed()
	}
	return err
}

// asked is a passage about which the guard is asked.
func (g *Gate) asked(id string) (u Undecided, err error) {
	list := g.undecided()
	if i := slices.IndexFunc(list, func(u Undecided) bool { return u.Passage == id }); i >= 0 {
		return list[i], nil
	}
	return u, ErrSettled
}
