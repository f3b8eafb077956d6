package counter

import (
	"context"
	"errors"
	"strconv"

	"gated/ledger"
	"gated/register"
	"gated/roster"
)

// Suspend has the passes that a person, a vehicle or a household has now count no more until the office decides, since they were
// reported lost (挂失). The entry comes first; that it is done is another, which names it.
func (c *Counter) Suspend(id, why string) error {
	people := c.Roster.Snapshot()
	switch {
	case why == "":
		return invalid("say why: it is recorded")
	case c.RosterFault():
		return invalid("the roster is not the one that the ledger knows: nothing can be changed in it")
	case !people.Has(id):
		return ErrNobody
	}
	field := "subject"
	if _, is := people.Household(id); is {
		field = "household"
	}
	ev := ledger.Event{Kind: register.Roster, Reason: "pass-suspended", By: c.By,
		Personal: c.signed("guard", ledger.Field{Name: field, Value: id}, ledger.Field{Name: "note", Value: why})}
	seq, err := c.demand(ev)
	if err != nil {
		return err
	}
	if err := c.Roster.Suspend(context.Background(), id, c.Clock.Judge(c.Clock.Now())); errors.Is(err, roster.ErrNotFound) {
		return ErrNobody // another list came meanwhile
	} else if err != nil {
		return err
	}
	people = c.Roster.Snapshot()
	ev.Ref, ev.Roster = seq, people.Version()
	ev.Detail = map[string]string{register.RosterChange: strconv.FormatInt(people.Change(), 10)}
	c.RosterChanged(ev)
	return nil
}
