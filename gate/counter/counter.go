// Package counter is what a guard looks up, or does, for people who are not passing at the moment.
package counter

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gated/gate/find"
	"gated/gate/host"
	"gated/gate/query"
	"gated/gate/ruling"
	"gated/gate/stamp"
	"gated/gate/view"
	"gated/gate/writing"
	"gated/ledger"
	"gated/register"
	"gated/register/blind"
	"gated/register/hosts"
	"gated/register/visits"
	"gated/roster"
)

// Errors that callers decide by.
var (
	ErrNobody  = query.ErrUnknown
	ErrNoVisit = errors.New("no such visit: it was over long ago, or never made")
	ErrNoHost  = errors.New("no such host: a room as 3-2-501, or a body such as office")
)

// Counter asks roster and register, and writes what is to be on record.
type Counter struct {
	Roster   *roster.Store
	Register *register.Register
	Writing  *writing.Path
	Clock    stamp.Clock
	Zone     *time.Location
	Bodies   []host.Body
	By, Name string // how it is known who acts, and who that is, as far as anybody said

	// RosterFault tells whether the roster is not the one that the ledger knows, and RosterChanged records a change of it.
	RosterFault   func() bool
	RosterChanged func(ledger.Event)

	Passages  sync.Locker // held while what there is of paper is looked at and added to
	Remembers func() bool // the register knows what is on record, and the clock the last trusted time
}

var invalid = ruling.Invalid

func (c *Counter) demand(ev ledger.Event) (seq int64, err error) {
	ev.Stamp, ev.By = c.Clock.Now(), c.By
	entries, err := c.Writing.Append(ev)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", writing.ErrLedger, err)
	}
	return entries[0].Seq, nil
}

// signed is the guard under the name of a field, and what more stands sealed.
func (c *Counter) signed(as string, more ...ledger.Field) []ledger.Field {
	if c.Name != "" {
		more = append(more, ledger.Field{Name: as, Value: c.Name})
	}
	return more
}

func (c *Counter) finder() find.Finder {
	return find.Finder{People: c.Roster.Snapshot(), Register: c.Register, Now: c.Clock.Judge(c.Clock.Now()).In(c.Zone)}
}

// Visits are those that matter now: by which somebody is inside, or may come today; or those of which something is so. It may wait for
// the disk. Of what is private it is not told whose it is.
func (c *Counter) Visits(is func(id string, v *visits.Visit) bool) ([]view.Visit, error) {
	f := c.finder()
	today := f.Now.Format(time.DateOnly)
	list, err := f.Visits(func(id string, v *visits.Visit, state string) bool {
		if is != nil {
			return is(id, v)
		}
		from, _ := v.Good(f.Now.Location())
		return v.Inside > 0 || state != visits.Over && state != visits.Late && from.Format(time.DateOnly) <= today
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writing.ErrLedger, err)
	}
	for i := range list {
		if v := &list[i]; v.Private {
			v.Name, v.Host, v.Plate, v.Note = "", "", "", ""
		}
	}
	return list, nil
}

// Find looks for a text: a room, a name or a telephone behind a building, a plate or its last four, the digits of a visit. It may wait
// for the disk.
func (c *Counter) Find(text string) (find.Result, error) { return c.find(text, false) }

// Search is Find where a name or a telephone needs no building. Who looks for whom, and why, is recorded first.
func (c *Counter) Search(text, why string) (r find.Result, err error) {
	if text == "" || why == "" {
		return r, invalid("say whom you look for, and why: it is recorded")
	}
	if _, err := c.demand(ledger.Event{Kind: register.Export, Reason: "search",
		Personal: c.signed("by", ledger.Field{Name: "sought", Value: text}, ledger.Field{Name: "note", Value: why})}); err != nil {
		return r, err
	}
	return c.find(text, true)
}

func (c *Counter) find(text string, wide bool) (find.Result, error) {
	r, err := c.finder().Find(text, wide)
	if err != nil {
		err = fmt.Errorf("%w: %w", writing.ErrLedger, err)
	}
	return r, err
}

// Card is whom to call for a host, a household or a body, in order and without their numbers, and what they have said
// once for all. It may wait for the disk.
func (c *Counter) Card(room string) (host.Card, error) {
	card, known := host.Of(c.Roster.Snapshot(), c.Bodies, room)
	if !known {
		return card, ErrNoHost
	}
	list, err := c.said(card.Host)
	card.Says = list
	return card, err
}

// said is what a host says, or what all say ("").
func (c *Counter) said(host string) ([]hosts.Named, error) {
	var list hosts.List
	key := blind.Key(0)
	c.Register.View(func(s *register.State) { list, key = s.Hosts, s.Key(blind.OfHost, host) })
	if host != "" {
		list = slices.DeleteFunc(slices.Clone(list), func(i hosts.Instruction) bool { return i.Host != key })
	}
	if len(list) == 0 {
		return []hosts.Named{}, nil
	}
	said, err := c.Register.Entries(list.Entries())
	if err != nil {
		err = fmt.Errorf("%w: %w", writing.ErrLedger, err)
	}
	return list.Named(said, host), err
}

// Instructions are what hosts say. That somebody looked, and why, is recorded first.
func (c *Counter) Instructions(why string) ([]hosts.Named, error) {
	if _, err := c.demand(ledger.Event{Kind: register.Export, Reason: "hosts",
		Personal: c.signed("by", ledger.Field{Name: "note", Value: why})}); err != nil {
		return nil, err
	}
	return c.said("")
}

// Telephone is somebody's number, for one look at it: who looked, and at whose, is recorded first. It may wait for the disk.
func (c *Counter) Telephone(of host.Whose) (number string, err error) {
	ev := ledger.Event{Kind: register.Export, Reason: "telephone"}
	var said *ledger.Entry
	if of.Visit != "" {
		seq := int64(0)
		c.Register.View(func(s *register.State) { seq = s.Visits[of.Visit].Entry })
		if seq == 0 {
			return "", ErrNoVisit
		}
		all, err := c.Register.Entries([]int64{seq})
		if said = all[seq]; err != nil {
			return "", fmt.Errorf("%w: %w", writing.ErrLedger, err)
		}
		ev.Detail = map[string]string{visits.ID: of.Visit}
	}
	number, whose, err := of.Number(c.Roster.Snapshot(), c.Bodies, said)
	if err != nil {
		return "", invalid("%v", err)
	}
	ev.Personal = c.signed("by", whose...)
	if _, err := c.demand(ev); err != nil {
		return "", err
	}
	return number, nil
}
