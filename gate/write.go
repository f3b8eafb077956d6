package gate

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"gated/gate/spool"
	"gated/ledger"
)

// errNotBegun: the start entry comes first.
var errNotBegun = errors.New("the gate has not started yet")

// append is the one way to the ledger. It returns when the events would survive a power cut; in a fault it returns an
// error. Nothing stands before this run's start entry, and what happened before and is pending comes first.
func (g *Gate) append(events ...ledger.Event) ([]ledger.Entry, error) {
	begun := g.begun.Load()
	if !begun && events[0].Kind != ledger.Start {
		return nil, errNotBegun
	}
	if begun && g.pending.behind.Load() {
		g.writePending()
	}
	entries, err := g.opt.Ledger.Append(events...)
	if err != nil {
		return nil, err
	}
	g.begun.Store(true)
	g.clock.recorded(events[0].Stamp)
	return entries, nil
}

// demand appends what a person asked for, who is told where that failed.
func (g *Gate) demand(ev ledger.Event) error {
	if _, err := g.append(ev); err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	return nil
}

// note appends what the box says of itself. In a fault it is left out: the outage entry covers the time.
func (g *Gate) note(ev ledger.Event) bool {
	ev.By = byMachine
	_, err := g.append(ev)
	if err != nil && !errors.Is(err, ledger.ErrFault) && !errors.Is(err, errNotBegun) {
		g.log.Error("not recorded", "kind", ev.Kind, "err", err)
	}
	return err == nil
}

// record appends an event now or keeps it pending: what it tells has happened already.
func (g *Gate) record(ev ledger.Event) {
	news := g.pending.add(ev, g.opt.Ledger)
	if !g.writePending() && news {
		g.pending.save(ev)
	}
}

// Append stamps and appends an event of the box that must be durable before what it tells of is done.
func (g *Gate) Append(ev ledger.Event) error {
	ev.Stamp = g.clock.Now()
	_, err := g.append(ev)
	return err
}

// writePending writes what is pending, in order, with the stamps of the moment it happened. It tells whether nothing is left.
func (g *Gate) writePending() bool {
	p := &g.pending
	p.writing.Lock()
	defer p.writing.Unlock()
	wrote := false
	for {
		next, some := p.first()
		switch {
		case !some:
			if wrote {
				// Should a power cut bring it back, it is looked for before it is written again.
				p.spool.Save(p.all)
				g.page.changed()
			}
			return true
		case !g.begun.Load() || next.Maybe && g.Fault():
			p.behind.Store(true)
			return false
		case next.Maybe:
			if err := g.dropWritten(); err != nil {
				p.log.Error("nobody knows whether the ledger has what is pending: it is looked for again", "err", err)
				return false
			}
		default:
			worked := !g.Fault()
			_, err := g.opt.Ledger.Append(late(next.Event, g.clock.Now()))
			if p.tried(err, worked); err != nil {
				return false
			}
		}
		wrote = true
	}
}

// first is the entry that comes first.
func (p *pending) first() (next spool.Entry, some bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.entries) == 0 {
		p.behind.Store(false)
		return next, false
	}
	return p.entries[0], true
}

// tried notes what became of the first one. Of a commit that failed nobody knows whether it is there.
func (p *pending) tried(err error, worked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.entries = p.entries[1:]
		return
	}
	p.entries[0].Maybe = worked && errors.Is(err, ledger.ErrFault)
	p.behind.Store(true)
}

// late is the event, and how long ago it happened where that is more than a moment, however the clock was set since.
func late(ev ledger.Event, now ledger.Stamp) ledger.Event {
	late := now.Time.Sub(ev.Time).Abs()
	if now.Boot == ev.Boot && now.Boot != "" {
		late = now.Mono - ev.Mono
	}
	if late > time.Second && ev.Detail["late"] == "" {
		ev.Detail = maps.Collect(maps.All(ev.Detail)) // a copy: others may read the old one
		ev.Detail["late"] = late.Round(time.Millisecond).String()
	}
	return ev
}

// dropWritten drops those that the ledger has, of the pending entries that were tried to write. It looks for all of them at
// once, since that reads the ledger. The caller holds writing.
func (g *Gate) dropWritten() error {
	p := &g.pending
	var asked []ledger.Event
	after := int64(math.MaxInt64)
	for _, e := range p.all() {
		if e.Maybe {
			asked, after = append(asked, e.Event), min(after, e.After)
		}
	}
	there, err := g.opt.Ledger.Has(after, asked...)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var left []spool.Entry
	for _, e := range p.entries {
		is := false
		if e.Maybe {
			is, there, e.Maybe = there[0], there[1:], false
		}
		if !is {
			left = append(left, e)
		}
	}
	p.entries = left
	return nil
}
