package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"gated/ledger"
	"gated/register"
)

// owed keeps what happened and could not wait for its entry: emergency openings, and changes made while the ledger was
// in fault. It is written as soon as the ledger can take it. Until then it is on the page, in the log, and in the spool,
// so that neither a full disk nor a restart loses it.
type owed struct {
	mu     sync.Mutex // guards events; never held while the disk is waited for, as the emergency key and the page take it
	events []due
	paying sync.Mutex
	spool  spool
	log    *slog.Logger
}

// due is an event that the ledger has not taken yet.
type due struct {
	ledger.Event
	After int64 `json:",omitempty"` // its entry can only come after this one
	maybe bool  // it was tried to write, and may have been all the same
}

// load takes in what the last run owed.
func (o *owed) load(path string, log *slog.Logger) {
	o.log = log
	o.events = o.spool.open(path, log)
	for i := range o.events {
		o.events[i].maybe = true // the spool is emptied when all are written
	}
}

func (o *owed) all() []due {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.events)
}

// add takes in an event. What a contact that chatters tells again and again, while the ledger cannot take it, is one
// event with how often: then it is not news.
func (o *owed) add(ev ledger.Event, after int64) (news bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ev.Kind == register.Sensor {
		for i := len(o.events) - 1; i > 0; i-- { // the first one may be on its way into the ledger just now
			d := &o.events[i]
			if !d.maybe && d.Kind == ev.Kind && d.Lane == ev.Lane && d.Reason == ev.Reason && d.Passage == ev.Passage {
				times, _ := strconv.Atoi(d.Detail["times"])
				d.Detail = maps.Clone(d.Detail)
				if d.Detail == nil {
					d.Detail = map[string]string{}
				}
				d.Detail["times"] = strconv.Itoa(max(times, 1) + 1)
				return false
			}
		}
	}
	o.events = append(o.events, due{Event: ev, After: after})
	return true
}

// keep makes the debts outlast the process and the power, and tells of a new one.
func (o *owed) keep(ev ledger.Event) {
	o.spool.save(o.all)
	o.log.Error("owed to the ledger", "kind", ev.Kind, "reason", ev.Reason, "lane", ev.Lane, "time", ev.Time.Format(time.RFC3339), "passage", ev.Passage)
}

// openings are the emergency openings without their entry.
func (o *owed) openings() (list []Debt) {
	for _, ev := range o.all() {
		if ev.Kind == register.Opening && ev.Verdict != "" {
			list = append(list, Debt{ID: ev.Passage, Lane: ev.Lane, Since: ev.Time, What: "entry-pending"})
		}
	}
	return list
}

// pay writes what is owed, in order, with the stamps of the moment it happened. It tells whether nothing is left.
func (g *Gate) pay() bool {
	o := &g.owed
	o.paying.Lock() // one at a time, or else two would write the same
	defer o.paying.Unlock()
	paid := false
	for {
		o.mu.Lock()
		if len(o.events) == 0 {
			o.mu.Unlock()
			if paid {
				// Should a power cut bring it back, it is looked for before it is written again.
				o.spool.save(o.all)
				g.screen.changed()
			}
			return true
		}
		d := o.events[0]
		o.mu.Unlock()
		if d.maybe {
			if g.Fault() {
				return false
			}
			if err := g.sift(); err != nil {
				o.log.Error("nobody knows whether what is owed to the ledger is there: it is tried again", "err", err)
				return false
			}
			paid = true
			continue
		}
		if late := g.clock.Now().Time.Sub(d.Time).Abs(); late > time.Second && d.Detail["late"] == "" {
			detail := map[string]string{"late": late.Round(time.Millisecond).String()}
			for k, v := range d.Detail {
				detail[k] = v
			}
			d.Detail = detail
		}
		worked := g.opt.Ledger.Fault() == nil
		_, err := g.opt.Ledger.Append(d.Event)
		o.mu.Lock()
		if err == nil {
			o.events = o.events[1:]
		} else if worked && errors.Is(err, ledger.ErrFault) {
			o.events[0].maybe = true
		}
		o.mu.Unlock()
		if err != nil {
			return false
		}
		paid = true
	}
}

// sift looks which of the events that may have their entry do, all at once since that reads the ledger, and owes those
// no longer. The caller holds paying.
func (g *Gate) sift() error {
	o := &g.owed
	var asked []ledger.Event
	after := int64(math.MaxInt64)
	for _, d := range o.all() {
		if d.maybe {
			asked, after = append(asked, d.Event), min(after, d.After)
		}
	}
	there, err := g.opt.Ledger.Has(after, asked...)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var left []due
	for _, d := range o.events {
		is := false
		if d.maybe {
			is, there, d.maybe = there[0], there[1:], false
		}
		if !is {
			left = append(left, d)
		}
	}
	o.events = left
	return nil
}

// record writes an event now, or owes it: what it tells has happened already.
func (g *Gate) record(ev ledger.Event) {
	news := g.owed.add(ev, g.opt.Ledger.Size())
	if !g.pay() && news {
		g.owed.keep(ev)
	}
}

// invalid is what someone handed in that cannot be taken.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
