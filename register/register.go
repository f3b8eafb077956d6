// Package register keeps what the entries add up to: who is inside, holds, trips, openings to account for, the level; and
// finds passages.
package register

import (
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"gated/ledger"
	"gated/register/blind"
	"gated/register/index"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what New needs to know.
type Options struct {
	Dir      string // state directory; it exists
	Key      []byte // of the box: personal values stand in the index as hashes under it
	Now      func() ledger.Stamp
	Log      *slog.Logger
	Registry prometheus.Registerer // may be nil
	// Inject is nil but in tests, which hand in faults: it is asked before "read", for each thousand entries.
	Inject func(op string) error
}

// Register follows a ledger. It is made before the ledger is opened, so that its Follow and Recovered are handed every
// entry, and started after it.
type Register struct {
	opt   Options
	near  int64 // entries that the index may be behind for the start to wait for them
	hash  blind.Hasher
	l     *ledger.Ledger
	quit  chan struct{}
	wake  chan struct{} // enough to write, or behind the ledger
	full  chan struct{} // closed when all entries were read for the first time
	work  sync.WaitGroup
	end   sync.Once
	known sync.Once // of closing full

	erasing sync.Mutex // one erasure or rebuild at a time

	writing sync.Mutex // guards the index and the batches; never waited for by who holds mu
	index   *index.Index
	batches []*index.Changes // taken from the state and not written yet
	gone    []int64          // entries that lost something and are still found by it; nil: no erasure is under way

	mu    sync.Mutex // guards the rest
	state *State
	stage stage
}

// stage says how much of the ledger the state knows.
type stage int

const (
	tailRead stage = iota // the newest entries: whether the box was stopped, and what time was trusted
	recent                // the last days: trips, holds, and who is inside as far as they came in these days
	whole
)

const (
	recentDays = 31 // are read first where there is no index
	shortTail  = 2000
	writeAfter = 30 * time.Second
	writeAt    = 1000 // entries, before that
)

// New opens the index of a state directory.
func New(opt Options) (*Register, error) {
	h := blind.New(opt.Key)
	r := &Register{opt: opt, near: shortTail, hash: h, state: newState(h),
		quit: make(chan struct{}), wake: make(chan struct{}, 1), full: make(chan struct{})}
	r.index = index.Open(opt.Dir, h, opt.Log)
	if opt.Registry != nil {
		opt.Registry.MustRegister(r.metrics()...)
	}
	return r, nil
}

func (r *Register) metrics() []prometheus.Collector {
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	return []prometheus.Collector{
		gauge("gated_ledger_backup_timestamp_seconds", "When the newest backup of the ledger was made, in seconds since 1970; 0: never.",
			func() (at float64) {
				r.View(func(s *State) { at = float64(max(0, s.Copied.Unix())) })
				return at
			}),
		gauge("gated_register_rebuilding", "1 while the register is made anew from the ledger, and nobody is admitted by rule.",
			func() float64 { return map[bool]float64{false: 1}[r.Ready()] }),
	}
}

// Known is how many entries of the ledger of that name the index has heard of, for ledger.Options.
func (r *Register) Known(origin string) int64 {
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.index.Known(origin)
}

// Known is how many entries of the ledger of that name the index of a state directory has heard of; 0 where there is none.
func Known(dir, origin string) int64 {
	x, err := index.OpenReader(dir)
	if err != nil {
		return 0
	}
	defer x.Close()
	return x.Known(origin)
}

// Start takes in what the ledger has, and follows it from there. Where the index is not there or far behind it returns at
// once, and the rest is read while the gate works: see Ready.
func (r *Register) Start(l *ledger.Ledger) {
	r.l = l
	if err := r.begin(); err != nil {
		r.opt.Log.Warn("what the entries add up to is not known yet; trying again", "cause", err)
	}
	r.work.Go(r.run)
}

// Close writes the index. The ledger was closed before, or was never opened.
func (r *Register) Close() error {
	r.end.Do(func() {
		close(r.quit)
		r.work.Wait()
		if r.l != nil {
			r.flush()
		}
		r.writing.Lock()
		r.index.Close()
		r.writing.Unlock()
	})
	return nil
}

// View calls f with what the entries add up to. f must not keep s nor call the register.
func (r *Register) View(f func(s *State)) { r.mu.Lock(); defer r.mu.Unlock(); f(r.state) }

// Keeps are the days whose personal data must not be erased, by the entry that says so.
func (r *Register) Keeps() (days map[int64]Span) {
	r.View(func(s *State) { days = maps.Clone(s.Keeps) })
	return days
}

// Counting is the oldest entry of a trip that may still count on a day, 0 where there is none: what is recorded from there on decides
// who may pass.
func (r *Register) Counting(day string) (first int64) {
	r.View(func(s *State) { first = s.book.First(day, max(s.Window, 1)) })
	return first
}

// Ready tells whether trips are known, and who came in in the last 31 days. Until then nobody is to be admitted by rule.
func (r *Register) Ready() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.stage >= recent }

// errEnded: the register was closed.
var errEnded = errors.New("the register was closed")

// Wait waits until all entries are read.
func (r *Register) Wait() error {
	select {
	case <-r.full:
		return nil
	case <-r.quit:
		return errEnded
	}
}

// Follow is for ledger.Options: it takes entries that are durable.
func (r *Register) Follow(entries []ledger.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range entries {
		switch e := &entries[i]; {
		case e.Seq <= r.state.Size: // read already
		case e.Seq == r.state.Size+1:
			r.state.apply(e)
		default: // it has missed some: they are read
			r.stage = tailRead
			r.poke()
			return
		}
	}
	if c := r.state.changed; c != nil && len(c.Passages)+len(c.Found) >= writeAt {
		r.poke()
	}
}

func (r *Register) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run reads what is not known yet, and writes the index from time to time.
func (r *Register) run() {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-r.quit:
			return
		case <-r.wake:
		case <-again.C:
		}
		wait := writeAfter
		switch err := r.read(); {
		case errors.Is(err, errEnded):
			return
		case err != nil:
			r.opt.Log.Debug("what the entries add up to is not known yet", "cause", err)
			wait = time.Second
		default:
			r.flush()
			if r.erasing.TryLock() { // an erasure whose index could not be read then
				r.forget()
				r.erasing.Unlock()
			}
		}
		again.Reset(wait)
	}
}
