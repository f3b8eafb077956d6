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

// mostAsked is how many of them the page has at a time; it asks about one after the other.
const mostAsked = 50

// undecided are those of this shift of whom nobody has said what became of them.
func (g *Gate) undecided() (list []Undecided) {
	g.opt.Register.View(func(s *register.State) { list = g.page.left.Undecided(s) })
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
	who, was, err := g.opt.Register.Who(u.Of)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	was["was"] = policy.Undecided
	g.passage.Lock()
	defer g.passage.Unlock()
	if _, err := g.asked(id); err != nil {
		return err
	}
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Correction, Passage: id, Lane: u.Lane, Direction: u.Direction,
		Class: u.Class, Verdict: verdict, Reason: what, By: g.by.By(), Ref: u.Of.Last,
		Detail: was, Personal: append(g.guard(""), who...)}
	if verdict != policy.Admit {
		for _, counts := range []string{register.Came, register.Due, register.Uncounted} {
			delete(ev.Detail, counts)
		}
	} else if where := g.opt.Register.Since(u.Of.First, ev.Personally("subject")); where != "" {
		ev.Detail[register.Where] = where
	}
	if err = g.demand(ev); err == nil {
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
