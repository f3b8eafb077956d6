package gate

import (
	"fmt"
	"sync"

	"gated/gate/left"
	"gated/gate/news"
	"gated/gate/query"
	"gated/gate/view"
	"gated/register"
)

// page is what the page shows beside what register and lanes know. Its lock is never held while anything waits for the
// disk, so that the page and the emergency key work while the ledger hangs.
type page struct {
	mu       sync.Mutex // guards holds
	holds    []Hold
	left     left.List
	watchers news.Watchers
}

// desk takes over what waits for a guard; the caller holds the desk's lock.
func (p *page) desk(d *desk) {
	holds := d.list()
	p.mu.Lock()
	p.holds = holds
	p.mu.Unlock()
	p.changed()
}

// changed wakes everybody who watches.
func (p *page) changed() { p.watchers.Changed() }

// Subscribe returns a channel that gets a token whenever View may differ.
func (g *Gate) Subscribe() (changed <-chan struct{}, cancel func()) {
	return g.page.watchers.Subscribe()
}

// inside counts the people, and the vehicles, that are inside.
func (g *Gate) inside(s *register.State) (people, vehicles int) {
	return s.Inside(g.clock.Judge(g.clock.Now()), g.rules.Load().InsideFor)
}

// View is everything the page shows now.
func (g *Gate) View() View {
	rules := g.rules.Load()
	now, doubt := g.clock.Read()
	zone := g.opt.Ledger.Zone()
	v := View{Gate: g.opt.Name, Version: g.opt.Version, Language: rules.Language, Keyboard: rules.Keyboard, Now: now.Time.In(zone),
		Clock: ClockView{Trusted: now.Trusted, Reason: doubt}}
	v.ToAccountFor, v.Undecided, v.Levels = g.toAccountFor(), g.undecided(), view.Levels(g.board(), rules.Level, v.Now)
	v.UndecidedInAll = len(v.Undecided)
	v.Undecided = v.Undecided[:min(mostAsked, v.UndecidedInAll)]
	g.opt.Register.View(func(s *register.State) {
		v.Inside, v.Vehicles = g.inside(s)
		v.Recent = view.Recent(s, now.Time, amendWithin)
	})
	if f := g.opt.Ledger.Fault(); f != nil {
		v.Fault = &FaultView{Since: f.Since.In(zone), Text: f.Cause, Call: rules.Call}
	}
	if h := g.opt.Ledger.Head(); h != nil {
		v.ShortRoot = fmt.Sprintf("%d:%s", h.Size, h.ShortRoot())
	}
	v.Lanes = g.lanes.Views()
	v.RosterFault = g.RosterFault()
	if g.opt.SetupFaults != nil {
		v.SetupFaults = g.opt.SetupFaults()
	}
	v.SetupFaults = append(v.SetupFaults, view.Missing(g.board(), rules.Policy)...)
	v.Overdue = len(query.Overdue(g.away()))
	v.LowSpace = g.opt.Free != nil && g.opt.Free() < rules.MinFree
	v.Duty, v.Shift = g.shift.Name(), g.shift.View(v.Now)
	g.page.mu.Lock()
	v.Holds = append([]Hold{}, g.page.holds...)
	g.page.mu.Unlock()
	g.permit(v.Holds, v.Now)
	return v
}
