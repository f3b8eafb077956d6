// Package ledger keeps every entry, durably and in order.
package ledger

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"gated/durable"
	"gated/ledger/epoch"
	"gated/ledger/erasing"
	"gated/ledger/file"
	"gated/ledger/seal"
	"gated/ledger/tlog"

	"github.com/prometheus/client_golang/prometheus"
)

// Errors that callers decide by.
var (
	// ErrFault: the ledger cannot be used now. Whether the events of this very call are kept is unknown
	// until it works again; then the first entry says so.
	ErrFault = errors.New("ledger-fault")
	// ErrBusy: more is queued than the disk takes; nothing of this call was recorded.
	ErrBusy = errors.New("the ledger is busy: its queue is full")
	// ErrClosed: the ledger was closed; nothing of this call was recorded.
	ErrClosed = errors.New("the ledger is closed")
)

const (
	maxQueue        = 256         // calls of Append that may wait
	checkpointEvery = 200         // pages, or so, written between two WAL checkpoints: keeps the WAL at 2 MB and p99.9 near 3 ms
	signEvery       = time.Second // how far the newest tree head may fall behind
)

// Options are what Open needs to know.
type Options struct {
	Dir      string // state directory; it exists
	Gate     string // name of the gate, used at creation
	Origin   string // used at creation; later the ledger's own counts, but for a command, which is refused
	TimeZone string // IANA name, used at creation; later the ledger's own counts
	// KeyFile holds the keys that sign tree heads: the first line signs, those below are older. Empty: keys/ledger.key
	// in Dir, made when the ledger is created.
	KeyFile string
	// Command is set by who is not the daemon: a command begins no new epoch.
	Command  bool
	Machine  string // which box this is; empty where that is not known
	Restored bool   // the state directory was restored or cloned: begin a new epoch
	// Begin lets a new epoch begin for another reason, also behind a ledger that does not hold. May be nil.
	Begin    *Begin
	Carry    epoch.Carry // what an older epoch leaves to the next one; may be nil
	Now      func() Stamp
	Log      *slog.Logger
	Registry prometheus.Registerer // may be nil
	// Known tells how many entries of the ledger of that origin others remember: one that has fewer was cut off, or an older
	// copy was put in its place. May be nil.
	Known func(origin string) int64
	// Follow is handed every entry in order of seq, once it is durable and before Append returns. It must neither block nor
	// call the ledger. What was there when the ledger was opened it is not handed. May be nil.
	Follow func([]Entry)
	// Recovered is asked, after a fault, what must stand right behind the outage entry about the entries of failed commits
	// that are there all the same. May be nil.
	Recovered func(kept []Entry, now Stamp) []Event
	// OnChange is called after the ledger fell into fault (fault set) and after it works again (nil).
	OnChange func(*Fault)
	// Inject is nil but in tests, which hand in the faults of a disk: it is asked before "open" and "commit", and after it
	// as "committed"; before and after slots are written ahead as "slots" and "slots-synced", cleared as "erase" and "erased".
	Inject func(op string) error
	Hangs  time.Duration // how long anybody waits for the disk; 0: two seconds, as everywhere but in tests

	credulous bool // in tests alone: the page cache is believed after an error, as it was once
}

func (l *Ledger) remembered(origin string) int64 {
	if l.opt.Known == nil {
		return 0
	}
	return l.opt.Known(origin)
}

func (o *Options) inject(op string) error {
	if o.Inject == nil {
		return nil
	}
	return o.Inject(op)
}

// Fault says why the ledger cannot be used.
type Fault struct {
	Since   time.Time
	Cause   string // in words, for the log and the maintainer
	Unknown int    // events whose commit failed, so that it is unknown whether they are kept
}

// Ledger is the one writer of a state directory's ledger. The caller holds the directory's lock.
type Ledger struct {
	opt   Options
	path  string
	zone  atomic.Pointer[time.Location]
	queue chan *request
	quit  chan struct{} // closed by Close: no more requests
	done  chan struct{} // closed when the writer has ended
	fault atomic.Pointer[Fault]
	close sync.Once

	intake sync.RWMutex // read-held while a request is queued, held where none may be: at a hang and at the end

	epochs  epoch.Files
	erasing erasing.Slots
	work    sync.WaitGroup // whoever tries postponed erasures, and whoever reads on after a fault
	slots   atomic.Pointer[seal.Writer]
	master  atomic.Pointer[seal.Master] // nil: see masterErr
	failed  atomic.Pointer[error]       // of slots that could not be written ahead
	lost    atomic.Pointer[error]       // see SlotsLost

	reading atomic.Bool  // what stands before the end is read after a fault
	unread  atomic.Int32 // how often that could not be done, one time after the other

	m metrics

	// The rest belongs to the writer.
	c         *file.Conn
	answered  time.Time  // when the disk did what it was asked last
	op        *operation // what it is doing for those who wait; nil: nothing
	masterErr error
	seals     *seal.Sealer // of the current epoch
	meta      file.Meta
	keys      []*tlog.Key               // the first signs; none: tree heads are left to another process
	rotated   *tlog.Key                 // what signed before, until both have signed one head
	tree      *tlog.Tree                // of all entries
	durable   *tlog.Tree                // of those known to be durable
	recent    recent                    // those that the database may not have yet
	known     bool                      // what is put was recorded before
	broken    error                     // what was found after a fault, and does not heal
	head      tlog.Head                 // the newest
	anchor    *tlog.Anchor              // holds it
	opened    durable.Opened            // the files of all this
	anchored  int64                     // size of the head that the anchor holds
	rowed     int64                     // size of the newest head that is a row
	oldest    *mono                     // of the unsigned entries
	running   bool                      // a start was appended, and no stop since
	segments  []file.Segment            // the days
	begun     bool                      // a new epoch, by this process
	found     string                    // why the one before does not hold
	size      int64                     // seq of the newest entry known to be durable
	last      [32]byte                  // SHA-256 of its record
	entries   atomic.Int64              // l.size, for everybody
	newest    atomic.Pointer[tlog.Head] // l.head, for everybody
	says      atomic.Pointer[file.Meta] // l.meta, for everybody
	unknown   [][]byte                  // records of a commit that failed
	doubted   int                       // how many there were in this fault of which it is known by now what became of them
	kept      []Entry                   // those of them that are there
	since     int                       // pages, or so, written since the last checkpoint
}

// Open opens or creates the ledger in opt.Dir. A ledger that cannot be used (I/O error, disk full, damage)
// is not an error here: it is in fault, says why, and tries again until it works or is closed.
func Open(opt Options) (*Ledger, error) {
	opt.Hangs = max(opt.Hangs, hangsAfter)
	l := &Ledger{opt: opt, path: filepath.Join(opt.Dir, "ledger.db"), queue: make(chan *request, maxQueue),
		quit: make(chan struct{}), done: make(chan struct{})}
	l.epochs = epoch.Files{Dir: opt.Dir, Origin: opt.Origin, Known: l.remembered, Carry: opt.Carry, Log: opt.Log}
	if opt.Begin != nil {
		l.epochs.Verify = opt.Begin.Verify
	}
	l.erasing.Dir, l.erasing.Own, l.erasing.Inject, l.erasing.Log = opt.Dir, l.slots.Load, l.opt.inject, opt.Log
	l.m = newMetrics(opt.Registry, l)
	zone, err := time.LoadLocation(opt.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", opt.TimeZone, err)
	}
	l.zone.Store(zone)
	if st, err := os.Stat(opt.Dir); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	} else if !st.IsDir() {
		return nil, fmt.Errorf("state directory %s is not a directory", opt.Dir)
	}
	fresh := file.Length(l.path) == 0
	if err = l.openFile(); errors.Is(err, epoch.ErrSettings) && (fresh || opt.Command || opt.Restored) {
		return nil, err
	} else if err == nil {
		err = l.rotate()
	}
	if err == nil {
		err = l.firstOfEpoch()
	}
	if err != nil {
		l.fail(err, nil)
	}
	go l.write()
	return l, nil
}

// Append records the events in order, together, and returns once they would survive a power cut.
// It does not take the caller's deadline: a write that is given up half-way has most often happened. It waits no longer than
// hangsAfter: then it is a fault, and what the disk still makes of the events is taken back once it answers.
func (l *Ledger) Append(events ...Event) ([]Entry, error) {
	if len(events) == 0 {
		return nil, nil
	}
	if len(events) > file.MaxBatch {
		return nil, fmt.Errorf("%d events at once: at most %d", len(events), file.MaxBatch)
	}
	start := time.Now()
	d, err := newDraft(events, l.zone.Load())
	if err != nil {
		return nil, err
	}
	req := &request{draft: d}
	if err := l.enqueue(req); err != nil {
		return nil, err
	}
	if err := <-req.answer; err != nil {
		return nil, err
	}
	l.m.append.Observe(time.Since(start).Seconds())
	return d.entries, nil
}

// Fault returns why the ledger cannot be used, or nil. A disk that does not answer is a fault, too.
func (l *Ledger) Fault() *Fault { return l.fault.Load() }

// Has tells of each event whether it has an entry after the given one already: that of the same thing at the same moment
// of the same boot. It is for those whose commit may or may not have been, and reads all entries since, once.
func (l *Ledger) Has(after int64, events ...Event) (there []bool, err error) {
	r, err := file.OpenReader(l.opt.Dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	if size < after { // restored since, and numbered anew
		after = 0
	}
	there = make([]bool, len(events))
	err = r.Scan(after+1, 1<<62, false, func(e *Entry) error {
		for i, ev := range events {
			if e.Mono == ev.Mono.Microseconds() && e.Kind == ev.Kind && e.Boot == ev.Boot &&
				e.Passage == ev.Passage && e.Lane == ev.Lane && e.Reason == ev.Reason {
				there[i] = true
			}
		}
		return nil
	})
	return there, err
}

// Size is the number of entries.
func (l *Ledger) Size() int64 { return l.entries.Load() }

// Zone is the gate's time zone.
func (l *Ledger) Zone() *time.Location { return l.zone.Load() }

// Meta is what the ledger says about itself; the zero value while it could not be opened yet.
func (l *Ledger) Meta() file.Meta {
	if m := l.says.Load(); m != nil {
		return *m
	}
	return file.Meta{}
}

// Close writes what is queued, checkpoints the WAL and ends the writer.
func (l *Ledger) Close() error {
	l.close.Do(func() { close(l.quit) })
	<-l.done
	l.work.Wait()
	return nil
}
