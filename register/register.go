// Package register keeps what the entries add up to: who is inside, holds, trips, openings to account for; and the index
// by which passages are found.
package register

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"gated/ledger"
	"gated/sqliteprocess"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what New needs to know.
type Options struct {
	Dir      string // state directory; it exists
	Now      func() ledger.Stamp
	Log      *slog.Logger
	Registry prometheus.Registerer // may be nil
	// Inject is nil but in tests, which hand in faults: it is asked before "catch-up", for each batch.
	Inject func(op string) error
}

// Register follows a ledger. It is made before the ledger is opened, so that its Follow and Recovered are handed every
// entry, and started after it.
type Register struct {
	opt   Options
	l     *ledger.Ledger
	index *index
	quit  chan struct{}
	ended sync.Once
	work  sync.WaitGroup

	erasing sync.Mutex // one erasure or rebuild at a time; guards sweep
	sweep   sweep
	keeping sync.Mutex // held from the look at the keep entries to the end of a chunk, and while one is appended
	writing sync.Mutex // held while the index is written, and while a chunk is erased until the state has forgotten it

	mu       sync.Mutex // guards the rest, and the index's pending
	started  bool
	state    *State
	segments []ledger.Segment
	last     [32]byte // SHA-256 of the record of entry state.Size
}

// New opens the index of a state directory.
func New(opt Options) (*Register, error) {
	if err := sqliteprocess.Set(); err != nil {
		return nil, err
	}
	r := &Register{opt: opt, quit: make(chan struct{}), state: newState()}
	r.index = openIndex(filepath.Join(opt.Dir, "index.db"), opt.Log)
	if opt.Registry != nil {
		opt.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gated_ledger_backup_timestamp_seconds",
			Help: "When the newest backup of the ledger was made, in seconds since 1970; 0: never."}, func() (at float64) {
			r.View(func(s *State) {
				if !s.Copied.IsZero() {
					at = float64(s.Copied.Unix())
				}
			})
			return at
		}))
	}
	return r, nil
}

// Known is how many entries the ledger had when the index was written last, for ledger.Options.
func (r *Register) Known() int64 { return r.index.size() }

// Start takes in what the ledger has, and follows it from there.
func (r *Register) Start(l *ledger.Ledger) {
	r.mu.Lock()
	r.l, r.started = l, true
	if err := r.catchUp(); err != nil {
		r.opt.Log.Warn("what the entries add up to is not known yet; trying again", "cause", err)
	}
	r.mu.Unlock()
	r.work.Go(r.flushes)
}

// Close writes the index. The ledger was closed before.
func (r *Register) Close() error {
	r.ended.Do(func() {
		close(r.quit)
		r.work.Wait()
		r.flush()
		r.index.close()
	})
	return nil
}

// flushes writes the index every second.
func (r *Register) flushes() {
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.quit:
			return
		case <-tick.C:
			r.mu.Lock()
			if r.state.Size < r.l.Size() {
				if err := r.catchUp(); err != nil {
					r.opt.Log.Debug("what the entries add up to is not known yet", "cause", err)
				}
			}
			r.mu.Unlock()
			r.flush()
		}
	}
}

// View calls f with what the entries add up to. f must not keep s nor call the register.
func (r *Register) View(f func(s *State)) { r.mu.Lock(); defer r.mu.Unlock(); f(r.state) }

// Follow is for ledger.Options: it takes entries that are durable.
func (r *Register) Follow(entries []ledger.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started { // Start reads them
		return
	}
	for i := range entries {
		switch e := &entries[i]; {
		case e.Seq <= r.state.Size: // read already
		case e.Seq == r.state.Size+1:
			r.apply(e)
		default: // the ledger could not be read before
			if err := r.catchUp(); err != nil {
				r.opt.Log.Warn("what the entries add up to is not known yet; trying again", "cause", err)
			}
			return
		}
	}
}

// apply takes the next entry. The caller holds mu.
func (r *Register) apply(e *ledger.Entry) {
	r.last = sha256.Sum256(e.Raw)
	r.index.take(r.state, e, &r.segments)
}

// errForgot: an erasure is among the entries that the state does not know yet.
var errForgot = errors.New("an erasure was cut off")

// catchUp applies the entries that the state does not know yet: from the index when it fits, else from the first entry.
// The caller holds mu.
func (r *Register) catchUp() error {
	in, err := ledger.OpenReader(r.opt.Dir)
	if err != nil {
		return err
	}
	defer in.Close()
	if r.state.Size == 0 {
		if s := r.index.load(in); s != nil {
			r.state = s
			if err := in.Scan(s.Size, s.Size, false, func(e *ledger.Entry) error { r.last = sha256.Sum256(e.Raw); return nil }); err != nil {
				return err
			}
		}
	}
	segments, err := in.Segments()
	if err != nil {
		return err
	}
	r.segments = segments
	before, n := r.state.Size, 0
	err = in.Scan(before+1, 1<<62, true, func(e *ledger.Entry) error {
		if before > 0 && forgets(e) {
			return errForgot
		}
		r.apply(e)
		if n++; n%1000 != 0 {
			return nil
		}
		if r.opt.Inject != nil {
			if err := r.opt.Inject("catch-up"); err != nil {
				return err
			}
		}
		return r.index.keep(r.state, r.last) // the pending passages of a whole rebuild would not fit a gate box
	})
	if errors.Is(err, errForgot) { // the state remembers more than the entries do now
		r.opt.Log.Warn("the state is built anew, as an erasure was cut off", "entries", before)
		r.index.reset(err)
		r.state = newState()
		return r.catchUp()
	}
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	return nil
}

// Recovered is for ledger.Options.
func (r *Register) Recovered(kept []ledger.Entry, now ledger.Stamp) []ledger.Event {
	return corrections(kept, now)
}

// corrections take back the verdicts of a commit that failed and is there all the same. The lane was answered fault and nothing opened: what the entries say did not happen. A hold that a guard tried to decide waits
// again. An opening by the emergency key did happen: that does not wait for its entry.
func corrections(kept []ledger.Entry, now ledger.Stamp) (events []ledger.Event) {
	begun := map[string]bool{} // passages whose first event is among them
	taken := map[int64]bool{}  // those that were taken back, by a commit that failed and is there as well
	for i := range kept {
		if e := &kept[i]; e.Kind == Correction && e.Reason == "answered-fault" {
			taken[e.Seq], taken[e.Ref] = true, true
		}
	}
	for i := range kept {
		e := &kept[i]
		begun[e.Passage] = begun[e.Passage] || e.Kind == Check
		if e.Passage == "" || e.Verdict == "" || e.Kind == Check || e.Kind == Opening || taken[e.Seq] {
			continue
		}
		c := ledger.Event{Stamp: now, Kind: Correction, Passage: e.Passage, Lane: e.Lane, Direction: e.Direction, Class: e.Class, Verdict: "refuse", Reason: "answered-fault",
			By: "machine", Ref: e.Seq, Detail: map[string]string{"was": e.Verdict}}
		if e.Kind == Decided && !begun[e.Passage] && e.Ref == 0 {
			c.Verdict = "hold"
		}
		for _, f := range e.Personal {
			if f.Name == "subject" || f.Name == "household" {
				c.Personal = append(c.Personal, f)
			}
		}
		events = append(events, c)
	}
	return events
}
