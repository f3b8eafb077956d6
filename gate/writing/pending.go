package writing

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"gated/gate/spool"
	"gated/ledger"
	"gated/register"
)

// Pending are the entries that the ledger has not taken yet. Nobody waits for a disk here.
func (p *Path) Pending() []spool.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.entries)
}

// add takes in an event. What a contact that chatters tells again and again, while the ledger cannot take it, is one
// event with how often: then it is not news.
func (p *Path) add(ev ledger.Event) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ev.Kind == register.Sensor {
		for i := len(p.entries) - 1; i > 0; i-- { // the first one may be on its way into the ledger just now
			d := &p.entries[i]
			if !d.Maybe && d.Kind == ev.Kind && d.Lane == ev.Lane && d.Reason == ev.Reason && d.Passage == ev.Passage {
				times, _ := strconv.Atoi(d.Detail["times"])
				d.Detail = maps.Collect(maps.All(d.Detail)) // a copy: others may read the old one
				d.Detail["times"] = strconv.Itoa(max(times, 1) + 1)
				return false
			}
		}
	}
	p.entries = append(p.entries, spool.Entry{Event: ev, After: p.opt.Ledger.Size(), Of: p.opt.Ledger.Meta().Origin})
	return true
}

// save makes them outlast the process and the power, and tells of a new one.
func (p *Path) save(ev ledger.Event) {
	p.spool.Save(p.Pending)
	p.opt.Log.Error("not in the ledger yet: written as soon as it can be", "kind", ev.Kind, "reason", ev.Reason, "lane", ev.Lane,
		"time", ev.Time.Format(time.RFC3339), "passage", ev.Passage)
}

// WritePending writes what is pending, in order, with the stamps of the moment it happened. It tells whether nothing is left.
func (p *Path) WritePending() bool {
	p.writing.Lock()
	defer p.writing.Unlock()
	wrote := false
	for {
		next, some := p.first()
		switch {
		case !some:
			if wrote {
				// Should a power cut bring it back, it is looked for before it is written again.
				p.spool.Save(p.Pending)
				p.opt.Changed()
			}
			return true
		case !p.begun.Load() || next.Maybe && p.opt.Ledger.Fault() != nil:
			p.behind.Store(true)
			return false
		case next.Maybe:
			if err := p.dropWritten(); err != nil {
				p.opt.Log.Error("nobody knows whether the ledger has what is pending: it is looked for again", "err", err)
				return false
			}
		default:
			worked := p.opt.Ledger.Fault() == nil
			_, err := p.opt.Ledger.Append(late(next.Event, p.opt.Now()))
			if p.tried(err, worked); err != nil {
				return false
			}
		}
		wrote = true
	}
}

// first is the entry that comes first.
func (p *Path) first() (next spool.Entry, some bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.entries) == 0 {
		p.behind.Store(false)
		return next, false
	}
	return p.entries[0], true
}

// tried notes what became of the first one. Of a commit that failed nobody knows whether it is there.
func (p *Path) tried(err error, worked bool) {
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
func (p *Path) dropWritten() error {
	var asked []ledger.Event
	after := int64(math.MaxInt64)
	for _, e := range p.Pending() {
		if e.Maybe {
			asked, after = append(asked, e.Event), min(after, e.After)
		}
	}
	there, err := p.opt.Ledger.Has(after, asked...)
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
