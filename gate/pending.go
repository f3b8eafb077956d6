package gate

import (
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gated/gate/spool"
	"gated/ledger"
	"gated/register"
)

// pending are the entries of what happened before the ledger could take it: emergency openings, and whatever happens
// while it is in fault. They are written as soon as it can. Until then they are in the spool, so that neither a full disk
// nor a restart loses them; the page and the log tell of them.
type pending struct {
	mu      sync.Mutex // guards entries; never held while the disk is waited for, as the emergency key and the page take it
	entries []spool.Entry
	writing sync.Mutex  // held by the one who writes them, or else two would write the same
	behind  atomic.Bool // the ledger did not take one of them: they come before anything new
	spool   spool.File
	log     *slog.Logger
}

// load takes in what was pending when the last run ended.
func (p *pending) load(path string, log *slog.Logger) {
	p.log = log
	p.entries = p.spool.Open(path, log)
	for i := range p.entries {
		p.entries[i].Maybe = true // the spool is emptied when all are written
	}
	p.behind.Store(len(p.entries) > 0)
}

func (p *pending) all() []spool.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.entries)
}

// add takes in an event. What a contact that chatters tells again and again, while the ledger cannot take it, is one
// event with how often: then it is not news.
func (p *pending) add(ev ledger.Event, l *ledger.Ledger) (news bool) {
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
	p.entries = append(p.entries, spool.Entry{Event: ev, After: l.Size(), Of: l.Meta().Origin})
	return true
}

// save makes them outlast the process and the power, and tells of a new one.
func (p *pending) save(ev ledger.Event) {
	p.spool.Save(p.all)
	p.log.Error("not in the ledger yet: written as soon as it can be", "kind", ev.Kind, "reason", ev.Reason, "lane", ev.Lane,
		"time", ev.Time.Format(time.RFC3339), "passage", ev.Passage)
}

// openings are the emergency openings without their entry.
func (p *pending) openings() (list []Opening) {
	for _, ev := range p.all() {
		if ev.Kind == register.Opening && ev.Verdict != "" {
			list = append(list, Opening{ID: ev.Passage, Lane: ev.Lane, Since: ev.Time, What: "entry-pending"})
		}
	}
	return list
}
