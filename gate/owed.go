package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"gated/ledger"
)

// owed keeps what happened and could not wait for its entry: emergency openings, and changes made while the ledger was
// in fault. It is written as soon as the ledger can take it. Until then it is on the page, in the log, and in a file
// whose space was taken beforehand, so that neither a full disk nor a restart loses it.
type owed struct {
	mu     sync.Mutex // guards events; never held while the disk is waited for, as the emergency key and the page take it
	events []ledger.Event
	filing sync.Mutex // guards the file; comes before mu
	file   *os.File   // nil: memory only
	paying sync.Mutex
	doubt  int // so many of the first events were tried to write, and may have been all the same; guarded by paying
	log    *slog.Logger
}

// spoolSize is room for about a hundred events.
const spoolSize = 64 << 10

// load opens the spool and takes in what the last run owed.
func (o *owed) load(path string, log *slog.Logger) {
	o.log = log
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		log.Error("emergency openings during a fault will not outlast a restart", "err", err)
		return
	}
	b, err := io.ReadAll(io.LimitReader(f, spoolSize))
	if text := bytes.TrimRight(b, "\x00"); err == nil && len(text) > 0 {
		if err := json.Unmarshal(text, &o.events); err != nil {
			log.Error("what the last run owed to the ledger cannot be read", "path", path, "err", err)
		}
		o.doubt = len(o.events) // the file is emptied when all are written
	}
	o.file = f
	if len(b) < spoolSize { // take the space while there is some
		o.save()
	}
}

func (o *owed) close() {
	if o.file != nil {
		o.file.Close()
	}
}

// save writes the whole spool in place. An error is logged: the event is in memory all the same.
func (o *owed) save() {
	o.filing.Lock()
	defer o.filing.Unlock()
	if o.file == nil {
		return
	}
	events := o.all()
	var b []byte
	if len(events) > 0 {
		b, _ = json.Marshal(events)
	}
	if len(b) > spoolSize {
		o.log.Error("more is owed to the ledger than its file holds", "events", len(events))
		return
	}
	_, err := o.file.WriteAt(append(b, make([]byte, spoolSize-len(b))...), 0)
	if err = errors.Join(err, o.file.Sync()); err != nil {
		o.log.Error("what is owed to the ledger is in memory only", "events", len(events), "err", err)
	}
}

func (o *owed) all() []ledger.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.events)
}

func (o *owed) add(ev ledger.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, ev)
}

// keep makes the debts outlast the process.
func (o *owed) keep() {
	o.save()
	for _, ev := range o.all() {
		o.log.Error("owed to the ledger", "kind", ev.Kind, "reason", ev.Reason, "lane", ev.Lane, "time", ev.Time.Format(time.RFC3339), "passage", ev.Passage)
	}
}

// openings are the emergency openings without their entry.
func (o *owed) openings() (list []Debt) {
	for _, ev := range o.all() {
		if ev.Kind == ledger.Opening && ev.Verdict != "" {
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
				o.save()
				g.screen.changed()
			}
			return true
		}
		ev := o.events[0]
		o.mu.Unlock()
		if late := g.clock.Now().Time.Sub(ev.Time).Abs(); late > time.Second && ev.Detail["late"] == "" {
			detail := map[string]string{"late": late.Round(time.Millisecond).String()}
			for k, v := range ev.Detail {
				detail[k] = v
			}
			ev.Detail = detail
		}
		// An emergency opening that is there already would be a second debt. Of other events a repetition says that it may
		// be one: an entry of the same boot and mono is the same event.
		there := false
		if o.doubt > 0 && g.opt.Ledger.Fault() == nil {
			g.opt.Ledger.View(func(s *ledger.State) {
				for _, p := range s.Debts {
					there = there || p.ID == ev.Passage && ev.Verdict != ""
				}
			})
			ev.Detail = maps.Clone(ev.Detail)
			if ev.Detail == nil {
				ev.Detail = map[string]string{}
			}
			ev.Detail["again"] = "maybe"
		}
		if !there {
			worked := g.opt.Ledger.Fault() == nil
			if _, err := g.opt.Ledger.Append(ev); err != nil {
				if worked && errors.Is(err, ledger.ErrFault) {
					o.doubt = max(o.doubt, 1)
				}
				return false
			}
		}
		o.doubt = max(o.doubt-1, 0)
		o.mu.Lock()
		o.events = o.events[1:]
		o.mu.Unlock()
		paid = true
	}
}

// record writes an event now, or owes it: what it tells has happened already.
func (g *Gate) record(ev ledger.Event) {
	g.owed.add(ev)
	if !g.pay() {
		g.owed.keep()
	}
}

// invalid is what someone handed in that cannot be taken.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
