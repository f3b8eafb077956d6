package gate

import (
	"fmt"
	"time"

	"gated/gate/find"
	"gated/gate/view"
	"gated/ledger"
	"gated/register"
	"gated/register/visits"
)

// finder is what looks for whom the guard looks for.
func (g *Gate) finder() find.Finder {
	return find.Finder{People: g.opt.Roster.Snapshot(), Register: g.opt.Register,
		Now: g.clock.Judge(g.clock.Now()).In(g.opt.Ledger.Zone())}
}

// Visits are those that matter now: by which somebody is inside, or may come today; or those of which something is so. It may wait for
// the disk. Of what is private it is not told whose it is.
func (g *Gate) Visits(is func(id string, v *visits.Visit) bool) ([]view.Visit, error) {
	f := g.finder()
	today := f.Now.Format(time.DateOnly)
	list, err := f.Visits(func(id string, v *visits.Visit, state string) bool {
		if is != nil {
			return is(id, v)
		}
		from, _ := v.Good(f.Now.Location())
		return v.Inside > 0 || state != visits.Over && state != visits.Late && from.Format(time.DateOnly) <= today
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	for i := range list {
		if v := &list[i]; v.Private {
			v.Name, v.Host, v.Plate, v.Note = "", "", "", ""
		}
	}
	return list, nil
}

// FindAny looks for a text: a room, a name or a telephone behind a building, a plate or its last four, the digits of a visit. It may
// wait for the disk.
func (g *Gate) FindAny(text string) (find.Result, error) { return g.find(text, false) }

// Search is FindAny where a name or a telephone needs no building. Who looks for whom, and why, is recorded first.
func (g *Gate) Search(text, why string) (r find.Result, err error) {
	if text == "" || why == "" {
		return r, invalid("say whom you look for, and why: it is recorded")
	}
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Export, Reason: "search", By: unauthenticated,
		Personal: append([]ledger.Field{{Name: "sought", Value: text}, {Name: "note", Value: why}}, g.looker()...)}
	if err := g.demand(ev); err != nil {
		return r, err
	}
	return g.find(text, true)
}

func (g *Gate) find(text string, wide bool) (find.Result, error) {
	r, err := g.finder().Find(text, wide)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrLedger, err)
	}
	return r, err
}

// looker is the guard at the page, as who is shown personal data.
func (g *Gate) looker() []ledger.Field {
	if by := g.View().Duty; by != "" {
		return []ledger.Field{{Name: "by", Value: by}}
	}
	return nil
}
