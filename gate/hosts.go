package gate

import (
	"fmt"

	"gated/gate/host"
	"gated/ledger"
	"gated/register"
	"gated/register/visits"
)

// HostCard is whom to call for a host, a household or a body, in order and without their numbers.
func (g *Gate) HostCard(room string) (Card, error) {
	c, known := host.Of(g.opt.Roster.Snapshot(), g.rules.Load().Bodies, room)
	if !known {
		return c, ErrNoHost
	}
	return c, nil
}

// Telephone is somebody's number, for one look at it: who looked, and at whose, is recorded first. It may wait for the disk.
func (g *Gate) Telephone(of Whose) (number string, err error) {
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Export, Reason: "telephone", By: unauthenticated}
	var said *ledger.Entry
	if of.Visit != "" {
		seq := int64(0)
		g.opt.Register.View(func(s *register.State) { seq = s.Visits[of.Visit].Entry })
		if seq == 0 {
			return "", ErrNoVisit
		}
		all, err := g.opt.Register.Entries([]int64{seq})
		if said = all[seq]; err != nil {
			return "", fmt.Errorf("%w: %w", ErrLedger, err)
		}
		ev.Detail = map[string]string{visits.ID: of.Visit}
	}
	number, whose, err := of.Number(g.opt.Roster.Snapshot(), g.rules.Load().Bodies, said)
	if err != nil {
		return "", invalid("%v", err)
	}
	ev.Personal = append(whose, g.looker()...)
	if err := g.demand(ev); err != nil {
		return "", err
	}
	return number, nil
}
