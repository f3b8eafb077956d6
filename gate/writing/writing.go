// Package writing is the one way by which anything gets from the gate into the ledger.
package writing

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"gated/gate/spool"
	"gated/ledger"
)

var (
	// ErrNotBegun: the start entry comes first.
	ErrNotBegun = errors.New("the gate has not started yet")
	// ErrLedger tells a person that what they asked for could not be recorded.
	ErrLedger = errors.New("the ledger cannot be used: nothing was recorded")
)

// Options are what New needs.
type Options struct {
	Ledger   *ledger.Ledger
	Spool    string // file for the entries that are pending; "": memory only
	Log      *slog.Logger
	Now      func() ledger.Stamp
	Recorded func(ledger.Stamp) // told the time of what was appended
	Changed  func()             // told that what was pending is written. It must not block.
	Work     *sync.WaitGroup    // of what is under way; whoever calls End waits for it first
}

// Path leads to the ledger. What happens before the ledger can take it is pending: emergency openings, and whatever happens
// while it is in fault. It is written as soon as it can be. Until then it is in the spool, so that neither a full disk nor a
// restart loses it; the page and the log tell of it.
type Path struct {
	opt   Options
	begun atomic.Bool // the start entry is written

	mu      sync.Mutex // guards entries; never held while the disk is waited for, as the emergency key and the page take it
	entries []spool.Entry
	writing sync.Mutex  // held by the one who writes them, or else two would write the same
	behind  atomic.Bool // the ledger did not take one of them: they come before anything new
	spool   spool.File
}

// New takes in what was pending when the last run ended.
func New(opt Options) *Path {
	p := &Path{opt: opt}
	p.entries = p.spool.Open(opt.Spool, opt.Log)
	for i := range p.entries {
		p.entries[i].Maybe = true // the spool is emptied when all are written
	}
	p.behind.Store(len(p.entries) > 0)
	return p
}

// Begun tells whether the start entry is written.
func (p *Path) Begun() bool { return p.begun.Load() }

// Append returns when the events would survive a power cut; in a fault it returns an error. Nothing stands before this run's
// start entry, and what happened before and is pending comes first.
func (p *Path) Append(events ...ledger.Event) ([]ledger.Entry, error) {
	begun := p.begun.Load()
	if !begun && events[0].Kind != ledger.Start {
		return nil, ErrNotBegun
	}
	if begun && p.behind.Load() {
		p.WritePending()
	}
	entries, err := p.opt.Ledger.Append(events...)
	if err != nil {
		return nil, err
	}
	p.begun.Store(true)
	p.opt.Recorded(events[0].Stamp)
	return entries, nil
}

// Demand appends what a person asked for, who is told where that failed.
func (p *Path) Demand(events ...ledger.Event) ([]ledger.Entry, error) {
	entries, err := p.Append(events...)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrLedger, err)
	}
	return entries, err
}

// Note appends what the box says of itself. In a fault it is left out: the outage entry covers the time.
func (p *Path) Note(ev ledger.Event) bool {
	_, err := p.Append(ev)
	if err != nil && !errors.Is(err, ledger.ErrFault) && !errors.Is(err, ErrNotBegun) {
		p.opt.Log.Error("not recorded", "kind", ev.Kind, "err", err)
	}
	return err == nil
}

// Record appends an event now or keeps it pending: what it tells has happened already.
func (p *Path) Record(ev ledger.Event) {
	news := p.add(ev)
	if !p.WritePending() && news {
		p.save(ev)
	}
}

// End writes what is pending and the stop entry, which it stamps. Nothing is written after it.
func (p *Path) End(stop ledger.Event) error {
	if !p.WritePending() {
		p.spool.Save(p.Pending)
	}
	stop.Stamp = p.opt.Now()
	_, err := p.Append(stop)
	p.spool.Close()
	return err
}
