package box

import (
	"context"
	"errors"

	"gated/access"
	"gated/gate"
	"gated/ledger"
	"gated/register/amend"
	"gated/register/erasure"
)

// AnnulPassage records that somebody who was admitted did not go through, however long ago that was.
var AnnulPassage = Op[Amendment, bool]{"passage-annul", annul}

// CorrectPassage records who went through instead, or in which direction, and returns that passage.
var CorrectPassage = inDaemon("passage-correct", func(_ context.Context, b *Box, by string, a Amendment) (string, error) {
	if err := erasure.CheckWhy(a.Why); err != nil {
		return "", err
	}
	out, err := b.as(by).Correct(a.Passage, a.Right, a.Why)
	if err == nil && out.Verdict == gate.Fault {
		err = errors.New("the ledger cannot be used: nothing was recorded")
	}
	return out.Passage, answer(err)
})

// BecamePassage records what became of somebody on whom nobody had decided, whatever a guard said of it.
var BecamePassage = inDaemon("passage-became", func(_ context.Context, b *Box, by string, a Amendment) (bool, error) {
	err := erasure.CheckWhy(a.Why)
	if err == nil {
		err = answer(b.as(by).SayOtherwise(a.Passage, a.What, a.Why))
	}
	return err == nil, err
})

// Amendment says of which passage, and why in somebody's own words.
type Amendment struct {
	Passage, Why string
	What         string // only of what became of somebody
	gate.Right          // only to correct
}

func annul(_ context.Context, b *Box, by string, a Amendment) (bool, error) {
	if err := erasure.CheckWhy(a.Why); err != nil {
		return false, err
	}
	switch {
	case b.Gate != nil:
		err := answer(b.as(by).Annul(a.Passage, a.Why))
		return err == nil, err
	case b.Register == nil:
		return false, b.noLedger()
	}
	if err := b.Register.Wait(); err != nil {
		return false, err
	}
	was, err := amend.Find(b.Register, a.Passage)
	if err != nil {
		return false, answer(err)
	}
	ev, err := was.Annul(b.Register, b.stamp())
	if err != nil {
		return false, err
	}
	ev.By, ev.Personal = access.Socket, append(ev.Personal, ledger.Field{Name: "by", Value: by}, ledger.Field{Name: "note", Value: a.Why})
	err = b.append(ev)
	return err == nil, err
}

// answer makes an answer of what the gate does not take.
func answer(err error) error {
	for _, no := range []error{gate.ErrNotAnnulled, gate.ErrUnknownPerson, gate.ErrUnknownLane, gate.ErrInvalid} {
		if errors.Is(err, no) {
			return No{err}
		}
	}
	return err
}
