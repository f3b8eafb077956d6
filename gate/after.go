package gate

import (
	"errors"
	"fmt"
	"slices"

	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/amend"
)

// mostAsked is how many of them the page has at a time; it asks about one after the other.
const mostAsked = 50

// undecided are those of this shift of whom nobody has said what became of them.
func (g *Gate) undecided() (list []Undecided) {
	g.opt.Register.View(func(s *register.State) { list = g.page.left.Undecided(s) })
	return list
}

// Afterwards records what became of somebody on whom nobody had decided: who went through is counted as having done so. The same shift
// may say otherwise for a while.
func (g *Gate) Afterwards(id, what string) error {
	u, err := g.asked(id)
	if err != nil {
		if err = g.SayOtherwise(id, what, ""); errors.Is(err, amend.ErrNot) {
			err = ErrSettled
		}
		return err
	}
	verdict, ok := amend.Afterwards[amend.Became(what)]
	if !ok {
		return became(what)
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
		register.Uncount(ev.Detail)
	} else if where := g.opt.Register.Since(u.Of.First, ev.Personally("subject")); where != "" {
		ev.Detail[register.Where] = where
	}
	if err = g.demand(ev); err == nil {
		g.page.changed()
	}
	return err
}

// SayOtherwise records what became of somebody on whom nobody had decided, whatever was said of it before; and why, where that is not the
// guard at the page.
func (g *Gate) SayOtherwise(id, what, why string) error {
	is := amend.Became(what)
	if amend.Afterwards[is] == "" {
		return became(what)
	}
	return g.amend(id, &is, why, g.takeBack)
}

func became(what string) error {
	return invalid("%.40q became of nobody: want went-through, turned-away or unseen", what)
}

// asked is a passage about which the guard is asked.
func (g *Gate) asked(id string) (u Undecided, err error) {
	list := g.undecided()
	if i := slices.IndexFunc(list, func(u Undecided) bool { return u.Passage == id }); i >= 0 {
		return list[i], nil
	}
	return u, ErrSettled
}
