package ledger

import (
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

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

// signEvery is how far the newest tree head may fall behind.
const signEvery = time.Second

const (
	maxBatch        = 256 // events in one transaction
	maxQueue        = 256 // calls of Append that may wait
	checkpointEvery = 200 // pages, or so, written between two WAL checkpoints: keeps the WAL at 2 MB and p99.9 near 3 ms
	tail            = 256 // entries that are read back whenever the ledger is opened

	hangsAfter = 2 * time.Second // a commit that takes longer is a fault that is going on
)

// started is the zero of the monotonic times below.
var started = time.Now()

// Options are what Open needs to know.
type Options struct {
	Dir      string // state directory; it exists
	Gate     string // name of the gate, used at creation
	Origin   string
	TimeZone string // IANA name, used at creation; later the ledger's own counts
	// KeyFile holds the keys that sign tree heads: the first line signs, those below are older. Empty: keys/ledger.key
	// in Dir, made when the ledger is created.
	KeyFile string
	// Unsigned leaves the tree heads to the next opening, where the key is out of reach of this process.
	Unsigned bool
	Machine  string // which box this is; empty where that is not known
	Restored bool   // the state directory was restored or cloned: begin a new epoch
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
	queue chan request
	tasks chan task
	turn  chan struct{} // holds a token while nobody writes: who takes it is the writer
	chore chan struct{} // a checkpoint is due, or the ledger fell into fault
	quit  chan struct{} // closed by Close: no more requests
	done  chan struct{} // closed when the writer has ended
	fault atomic.Pointer[Fault]
	began atomic.Int64 // when the writer began what it does now, in ns after started; 0: it waits
	close sync.Once

	answering sync.WaitGroup // those who gave the turn back and still tell what became of their batch

	erasing sync.Mutex // one erasure at a time
	again   time.Time  // when to try postponed ones, under erasing
	mu      sync.Mutex
	undone  []erasure      // of older epochs, postponed; under mu
	pending atomic.Bool    // an erase entry is there, and what it names may still be readable
	work    sync.WaitGroup // whoever tries
	slots   atomic.Pointer[slotWriter]
	master  atomic.Pointer[master] // nil: see masterErr
	failed  atomic.Pointer[error]  // of slots that could not be written ahead

	m metrics

	// The rest belongs to who has the turn.
	c         *conn
	entry     *insert
	segment   *insert
	begin     driver.Stmt
	commit    driver.Stmt
	tile      *insert
	rows      struct{ entry, tile []driver.Value } // of the batch under way
	masterErr error
	seals     *seals // of the current epoch
	meta      Meta
	keys      []*tlog.Key               // the first signs; none: tree heads are left to another process
	rotated   *tlog.Key                 // what signed before, until both have signed one head
	tree      *tlog.Tree                // of all entries
	head      tlog.Head                 // the newest
	segments  []Segment                 // the days
	begun     bool                      // a new epoch, by this process
	size      int64                     // seq of the newest entry known to be durable
	last      [32]byte                  // SHA-256 of its record
	entries   atomic.Int64              // l.size, for everybody
	newest    atomic.Pointer[tlog.Head] // l.head, for everybody
	says      atomic.Pointer[Meta]      // l.meta, for everybody
	unknown   [][]byte                  // records of a commit that failed
	doubted   int                       // how many there were in this fault of which it is known by now what became of them
	kept      []Entry                   // those of them that are there
	since     int                       // pages, or so, written since the last checkpoint
}

type request struct {
	draft
	answer chan error
	with   func() error // what else belongs into the transaction; may be nil
}

// task is work of the writer's other than entries.
type task struct {
	f    func() error
	done chan error
}

// refused is an error of a task that has changed nothing. After any other the state of the file is unknown.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// do runs f between two batches, with the connection to itself. f takes at most a tenth of a second: people wait.
func (l *Ledger) do(f func() error) error {
	t := task{f, make(chan error, 1)}
	select {
	case l.tasks <- t:
		return <-t.done
	case <-l.done:
		return ErrClosed
	}
}

func (l *Ledger) perform(f func() error) error {
	if fault := l.fault.Load(); fault != nil {
		return fmt.Errorf("%w: %s", ErrFault, fault.Cause)
	}
	err := l.watched(f)
	if err != nil && !errors.As(err, new(refused)) {
		l.fail(err, nil)
		err = fmt.Errorf("%w: %w", ErrFault, err)
	}
	return err
}

// enter is Append for a task. What with changes belongs to the same transaction.
func (l *Ledger) enter(with func() error, events ...Event) ([]Entry, error) {
	d, err := newDraft(events, l.zone.Load())
	if err == nil {
		err = d.fits(l.size)
	}
	if err != nil {
		return nil, refused{err}
	}
	batch := []request{{draft: d, with: with}}
	next := func() []request { b := batch; batch = nil; return b }
	if err := l.put(next); err != nil {
		return nil, unknownError{err, placed([]request{{draft: d}})}
	}
	return d.entries, nil
}

// unknownError is a commit that failed: whether its entries are kept is unknown.
type unknownError struct {
	error
	entries []Entry
}

func (u unknownError) Unwrap() error { return u.error }

// errSettings: the settings do not fit the ledger, and trying again would not help.
var errSettings = errors.New("the settings do not fit the ledger")

// Open opens or creates the ledger in opt.Dir. A ledger that cannot be used (I/O error, disk full, damage)
// is not an error here: it is in fault, says why, and tries again until it works or is closed.
func Open(opt Options) (*Ledger, error) {
	l := &Ledger{opt: opt, path: filepath.Join(opt.Dir, "ledger.db"), queue: make(chan request, maxQueue), tasks: make(chan task), turn: make(chan struct{}, 1), chore: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{})}
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
	if err = l.openFile(); errors.Is(err, errSettings) {
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
	l.turn <- struct{}{}
	go l.write()
	return l, nil
}

// Append records the events in order, together, and returns once they would survive a power cut.
// It does not take the caller's deadline: a write that is given up half-way has most often happened.
func (l *Ledger) Append(events ...Event) ([]Entry, error) {
	if len(events) == 0 {
		return nil, nil
	}
	if len(events) > maxBatch {
		return nil, fmt.Errorf("%d events at once: at most %d", len(events), maxBatch)
	}
	start := time.Now()
	d, err := newDraft(events, l.zone.Load())
	if err != nil {
		return nil, err
	}
	if f := l.Fault(); f != nil {
		return nil, fmt.Errorf("%w: %s", ErrFault, f.Cause)
	}
	req := request{draft: d, answer: make(chan error, 1)}
	select {
	case <-l.quit:
		return nil, ErrClosed
	default:
	}
	select {
	case l.queue <- req:
	case <-l.quit:
		return nil, ErrClosed
	default:
		return nil, ErrBusy
	}
	for {
		select {
		case err := <-req.answer:
			if err != nil {
				return nil, err
			}
			l.m.append.Observe(time.Since(start).Seconds())
			return d.entries, nil
		case <-l.turn: // nobody writes: to do so ourselves saves two changes of goroutine, an eighth of the time of a commit
			answer := l.serve()
			l.answering.Add(1)
			l.turn <- struct{}{} // to one of those that wait, if any
			answer()
			l.answering.Done()
		case <-l.done:
			select { // what was taken was answered before the end
			case err := <-req.answer:
				if err != nil {
					return nil, err
				}
				return d.entries, nil
			default:
				return nil, ErrClosed
			}
		}
	}
}

// Fault returns why the ledger cannot be used, or nil. A disk that does not answer is a fault, too: who waits for it
// must be told, although nobody knows yet how it ends.
func (l *Ledger) Fault() *Fault {
	if f := l.fault.Load(); f != nil {
		return f
	}
	if began := l.began.Load(); began != 0 {
		if took := time.Since(started) - time.Duration(began); took > hangsAfter {
			return &Fault{Since: l.opt.Now().Time.Add(-took), Cause: "the disk has not answered for " + took.Round(time.Second).String()}
		}
	}
	return nil
}

// Has tells of each event whether it has an entry after the given one already: that of the same thing at the same moment
// of the same boot. It is for those whose commit may or may not have been, and reads all entries since, once.
func (l *Ledger) Has(after int64, events ...Event) (there []bool, err error) {
	r, err := OpenReader(l.opt.Dir)
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
			if e.Mono == ev.Mono.Microseconds() && e.Kind == ev.Kind && e.Boot == ev.Boot && e.Passage == ev.Passage && e.Lane == ev.Lane && e.Reason == ev.Reason {
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
func (l *Ledger) Meta() Meta {
	if m := l.says.Load(); m != nil {
		return *m
	}
	return Meta{}
}

// Close writes what is queued, checkpoints the WAL and ends the writer.
func (l *Ledger) Close() error {
	l.close.Do(func() { close(l.quit) })
	<-l.done
	l.work.Wait()
	return nil
}

// write does what no caller waits for, and all that is left at the end.
func (l *Ledger) write() {
	defer close(l.done)
	defer l.answering.Wait() // whoever sees the end before the answer would take a durable event for none
	defer l.shut()
	tick := time.NewTicker(signEvery)
	defer tick.Stop()
	var wait time.Duration
	var retry <-chan time.Time // runs on while requests come and go: they must not put off the recovery
	turn := func(f func()) { <-l.turn; f(); l.turn <- struct{}{} }
	for {
		if l.fault.Load() == nil {
			wait, retry = 0, nil
		} else if retry == nil {
			wait = min(max(2*wait, 250*time.Millisecond), 5*time.Second)
			retry = time.After(wait)
		}
		select {
		case <-l.chore:
			turn(l.tidy)
		case t := <-l.tasks:
			turn(func() { t.done <- l.perform(t.f) })
		case <-retry:
			retry = nil
			turn(l.recover)
		case now := <-tick.C:
			turn(l.signed)
			if l.pending.Load() && l.fault.Load() == nil && l.erasing.TryLock() {
				l.work.Go(func() { defer l.erasing.Unlock(); l.finish(now) })
			}
		case <-l.quit:
			<-l.turn // for good
			for len(l.queue) > 0 {
				l.serve()()
			}
			return
		}
	}
}

// serve commits what is queued, without waiting for more, with one sync, and returns what answers those who wait: that
// needs no turn.
func (l *Ledger) serve() (answer func()) {
	var batch []request
	n := 0
	queued := func() []request {
		first := len(batch)
		for n < maxBatch {
			select {
			case req := <-l.queue:
				if err := req.fits(l.size + int64(n)); err != nil {
					req.answer <- err
				} else {
					batch, n = append(batch, req), n+len(req.entries)
				}
				continue
			default:
			}
			break
		}
		return batch[first:]
	}
	var err error
	if f := l.fault.Load(); f != nil {
		queued()
		err = fmt.Errorf("%w: %s", ErrFault, f.Cause)
	} else if err = l.watched(func() error { return l.put(queued) }); err != nil {
		l.fail(err, placed(batch))
		err = fmt.Errorf("%w: %w", ErrFault, err)
	}
	if err != nil || l.since >= checkpointEvery {
		select {
		case l.chore <- struct{}{}:
		default:
		}
	}
	return func() {
		for i := range batch {
			batch[i].answer <- err
		}
	}
}

// tidy moves the WAL into the database after the answers.
func (l *Ledger) tidy() {
	if err := l.failed.Swap(nil); err != nil && l.fault.Load() == nil {
		l.fail(*err, nil)
	}
	if l.fault.Load() == nil && l.since >= checkpointEvery {
		if err := l.watched(func() error { return l.checkpoint("PASSIVE") }); err != nil {
			l.fail(fmt.Errorf("checkpoint: %w", err), nil)
		}
	}
}

// watched lets Fault see how long the disk takes.
func (l *Ledger) watched(f func() error) error {
	l.began.Store(int64(time.Since(started)))
	defer l.began.Store(0)
	return f()
}

// put writes what next hands out, until that is nothing, in one transaction: whoever comes while the rows of others are
// written shares their sync. After an error the fate of the entries that were placed is unknown.
func (l *Ledger) put(next func() []request) error {
	batch := next()
	if len(batch) == 0 {
		return nil
	}
	if err := run(l.begin); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	var written [][]Entry
	seq, segments, head, size := l.size, l.segments, l.head, 0 // size: bytes of the records
	rows := &l.rows
	for ; len(batch) > 0; batch = next() {
		rows.entry, rows.tile = rows.entry[:0], rows.tile[:0]
		keys, err := l.slotsOf(batch, seq)
		if err != nil {
			return err
		}
		for b := range batch {
			d := &batch[b].draft
			for i := range d.entries {
				seq++
				e, own := d.place(i, seq), &d.rest[i]
				// SQLite copies the text before the next line could change it, and none does.
				var sealed driver.Value
				if own.fields != nil {
					if sealed, err = l.seals.seal(seq, keys[0], e.Record.Personal, own.fields); err != nil {
						return fmt.Errorf("seal personal fields: %w", err)
					}
				}
				keys = keys[min(1, len(keys)):]
				rows.entry = append(rows.entry, seq, e.At.UnixMicro(), unsafe.String(unsafe.SliceData(e.Raw), len(e.Raw)), sealed)
				if len(segments) == 0 || own.day != segments[len(segments)-1].Day {
					segments = append(segments, Segment{seq, 0, own.day})
					if err := l.segment.rows(l.c, []driver.Value{seq, own.day}); err != nil {
						return fmt.Errorf("insert segment: %w", err)
					}
					if seq-1 > head.Size { // the head of the day that ended
						var err error
						if head, err = l.putHead(seq-1, head, segments); err != nil {
							return err
						}
					}
				}
				for _, t := range l.tree.Push(tlog.LeafHash(e.Raw)) {
					rows.tile = append(rows.tile, tileAt(t.Level, t.N), t.Root[:], t.Data)
				}
				size += len(e.Raw)
			}
			written = append(written, d.entries)
		}
		for _, t := range []struct {
			in   *insert
			rows []driver.Value
		}{{l.entry, rows.entry}, {l.tile, rows.tile}} {
			if err := t.in.rows(l.c, t.rows); err != nil {
				return fmt.Errorf("insert %s: %w", t.in.table, err)
			}
		}
		for i := range batch {
			if with := batch[i].with; with != nil {
				if err := with(); err != nil {
					return err
				}
			}
		}
	}
	err := l.opt.inject("commit")
	if err == nil {
		err = run(l.commit)
	}
	if err == nil {
		err = l.opt.inject("committed")
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	// Here the events are durable. Nobody was told yet: a crash now loses an answer, never an event.
	l.segments = segments
	l.since += 1 + size/4096
	if list := written[len(written)-1]; len(list) > 0 {
		l.size, l.last = seq, sha256.Sum256(list[len(list)-1].Raw)
	}
	l.setHead(head)
	l.entries.Store(seq)
	l.m.entries.Set(float64(seq))
	for _, list := range written {
		l.follow(list)
	}
	l.slots.Load().ahead(seq, func(err error) { l.ahead(seq, err) })
	return nil
}

// slotsOf reads the slots of entries that are about to be written after size others; nil where none has personal fields.
func (l *Ledger) slotsOf(batch []request, size int64) ([]slot, error) {
	n, some := 0, false
	for b := range batch {
		for i := range batch[b].rest {
			n++
			some = some || batch[b].rest[i].fields != nil
		}
	}
	if !some {
		return nil, nil
	}
	return l.slots.Load().slots(size+1, size+int64(n))
}

// ahead is told how writing the next slots went. After an error the ledger falls into fault: before long it could not seal
// what it is to keep.
func (l *Ledger) ahead(size int64, err error) {
	if err == nil {
		if l.erasing.TryLock() { // all that is said to be erased up to here was erased
			l.mark(place{l.Meta().Epoch, size})
			l.erasing.Unlock()
		}
		return
	}
	l.failed.Store(&err)
	select {
	case l.chore <- struct{}{}:
	default: // it is looked at all the same
	}
}

// placed are the entries that a put has got to.
func placed(batch []request) (entries []Entry) {
	for i := range batch {
		for _, e := range batch[i].entries {
			if e.Raw != nil {
				entries = append(entries, e)
			}
		}
	}
	return entries
}

// follow hands on entries that are durable.
func (l *Ledger) follow(entries []Entry) {
	if l.opt.Follow != nil && len(entries) > 0 {
		l.opt.Follow(entries)
	}
}

// fail puts the ledger into fault. What a failed commit has left behind is unknown: SQLite may have written it whole.
// So the connection is given up, and the records are kept to be compared when the file is read again.
func (l *Ledger) fail(cause error, unknown []Entry) {
	if l.c != nil {
		l.c.Close() // its error changes nothing: the file is read again before it is trusted
		l.c = nil
	}
	if u := (unknownError{}); errors.As(cause, &u) {
		unknown = u.entries
	}
	for i := range unknown {
		l.unknown = append(l.unknown, unknown[i].Raw)
	}
	f := &Fault{Since: l.opt.Now().Time, Cause: cause.Error(), Unknown: len(l.unknown)}
	if old := l.fault.Load(); old != nil {
		f.Since = old.Since
	}
	l.fault.Store(f)
	l.opt.Log.Error("ledger-fault: nothing is recorded and nothing opens but the emergency key; trying again", "cause", f.Cause, "path", l.path, "unknown", f.Unknown)
	if l.opt.OnChange != nil {
		l.opt.OnChange(f)
	}
}

// recover tries to open and verify the ledger again, and makes the first entry say what happened meanwhile.
func (l *Ledger) recover() {
	old := l.fault.Load()
	before, last, unknown := l.size, l.last, len(l.unknown)
	if err := l.openFile(); err != nil {
		l.size, l.last = before, last // what follows is to be looked at again
		if err.Error() != old.Cause { // log a cause once, not at every try
			l.fail(err, nil)
		}
		return
	}
	now, zone := l.opt.Now(), l.zone.Load()
	var kept []Entry
	if unknown > 0 {
		own := &opener{epoch: l.meta.Epoch, files: l.slots.Load().files, seals: *l.seals}
		if err := l.c.scan(zone, before+1, l.size, own, func(e *Entry) error { kept = append(kept, *e); return nil }); err != nil {
			l.size, l.last = before, last
			l.fail(err, nil)
			return
		}
	}
	// Their fate is known now. The first commit that succeeds tells it.
	l.follow(kept)
	l.unknown, l.doubted, l.kept = nil, l.doubted+unknown, append(l.kept, kept...)
	if err := l.firstOfEpoch(); err != nil {
		l.fail(err, nil)
		return
	}
	unknown, found := l.doubted, len(l.kept)
	events := []Event{{Stamp: now, Kind: Outage, Reason: "ledger-fault", By: "machine", Detail: map[string]string{
		"from": old.Since.In(zone).Format(timeFormat), "to": now.Time.In(zone).Format(timeFormat),
		"unknown": fmt.Sprint(unknown), "kept": fmt.Sprint(found)}}}
	if l.opt.Recovered != nil {
		events = append(events, l.opt.Recovered(l.kept, now)...)
	}
	if _, err := l.enter(nil, events...); err != nil {
		l.fail(err, nil)
		return
	}
	l.doubted, l.kept = 0, nil
	if err := l.rotate(); err != nil {
		l.fail(err, nil)
		return
	}
	l.fault.Store(nil)
	l.opt.Log.Info("the ledger works again", "entries", l.size, "unknown", unknown, "kept", found)
	if l.opt.OnChange != nil {
		l.opt.OnChange(nil)
	}
}

// openFile opens the database, checks that it is this ledger and that its newest entries are what they claim.
func (l *Ledger) openFile() (err error) {
	if err := l.opt.inject("open"); err != nil {
		return fmt.Errorf("open %s: %w", l.path, err)
	}
	anew := Meta{Gate: l.opt.Gate, Origin: l.opt.Origin, TimeZone: l.opt.TimeZone, Machine: l.opt.Machine, Epoch: 1}
	st, missing := os.Stat(l.path)
	gone := missing != nil || st.Size() == 0
	ended, next, err := l.ended()
	if err != nil {
		return err
	}
	if ended > 0 && !next {
		anew.Epoch, anew.Origin = ended+1, epochOrigin(l.opt.Origin, ended+1)
	} else if gone && l.opt.Restored && !l.begun {
		return fmt.Errorf("%w: there is no ledger that was restored: put the copy in place as %s, or start without --restored", errSettings, l.path)
	} else if known := max(l.size, l.remembered(anew.Origin)); gone && (known > 0 || next) {
		// It must not be replaced by an empty one that looks well, nor by another history under the same name and key.
		had := "a key of its own"
		if known > 0 {
			had = fmt.Sprintf("%d entries", known)
		}
		return fmt.Errorf("%s is gone, and it had %s: restore it from the backup; only to begin a new ledger, move index.db, keys/ledger.pub and keys/ledger.key in %s away as well",
			l.path, had, l.opt.Dir)
	}
	if anew.Master, err = l.loadMaster(anew, gone); err != nil {
		return err
	}
	c, err := openWriter(l.path, anew)
	if err != nil {
		return fmt.Errorf("open %s: %w", l.path, err)
	}
	defer func() {
		if err != nil && c != nil {
			c.Close()
		}
	}()
	m, err := c.meta()
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	zone, err := time.LoadLocation(m.TimeZone)
	if err != nil {
		return fmt.Errorf("%s: time zone %q: %w", l.path, m.TimeZone, err)
	}
	if m.TimeZone != l.opt.TimeZone {
		l.opt.Log.Warn("the ledger keeps the time zone it was created with", "ledger", m.TimeZone, "settings", l.opt.TimeZone)
	}
	if want := epochOrigin(l.opt.Origin, m.Epoch); m.Origin != want {
		return fmt.Errorf("%w: %s belongs to the gate %q, they name %q: correct gate.origin, or use another state directory", errSettings, l.path, m.Origin, want)
	}
	l.zone.Store(zone)
	entries, err := c.number("SELECT coalesce(max(seq), 0) FROM entry")
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if why := l.restored(m, entries); why != "" {
		if err := l.retire(c, m, zone); err != nil {
			return fmt.Errorf("%s must begin a new epoch (%s): %w", l.path, why, err)
		}
		c, l.begun = nil, true
		return l.openFile()
	}
	if known := l.remembered(m.Origin); l.size == 0 && entries < known {
		return fmt.Errorf("%s has %d entries, and the index has heard of %d: entries were cut off, or an older copy was put in its place: "+
			"keep the files and call the maintainer; a copy that was restored is started once with --restored", l.path, entries, known)
	}
	if l.segments, err = c.segments(); err != nil {
		return err
	}
	if err := l.loadKeys(m); err != nil {
		return err
	}
	if err := verifyTail(c, zone, tail); err != nil {
		return fmt.Errorf("%s: %w: keep the file and call the maintainer", l.path, err)
	}
	if err := l.openTree(c, m); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if err := l.compare(c); err != nil {
		return fmt.Errorf("%s: %w: keep the file and call the maintainer", l.path, err)
	}
	if err := l.findEnd(c, entries); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if err := l.openPersonal(c, m, entries); err != nil {
		return err
	}
	for _, s := range []struct {
		st *driver.Stmt
		q  string
	}{
		{&l.begin, "BEGIN IMMEDIATE"}, {&l.commit, "COMMIT"},
	} {
		if *s.st, err = c.prepare(s.q); err != nil {
			return err
		}
	}
	l.entry, l.segment, l.tile = newInsert("entry", 4), newInsert("segment", 2), newInsert("tile", 3)
	l.c, l.meta = c, m
	l.says.Store(&m)
	return nil
}

// compare checks, after a fault, that what was durable before is still there and that what was unknown
// is there as it was, whole, or not at all.
func (l *Ledger) compare(c *conn) error {
	if l.size == 0 {
		return nil
	}
	raw, err := c.one("SELECT record FROM entry WHERE seq = ?", l.size)
	if err != nil {
		return err
	}
	if sha256.Sum256([]byte(raw)) != l.last {
		return fmt.Errorf("entry %d was recorded before the fault and is not there any more", l.size)
	}
	more, err := c.number("SELECT count(*) FROM entry WHERE seq > ?", l.size)
	if err != nil {
		return err
	}
	if more != 0 && more != int64(len(l.unknown)) {
		return fmt.Errorf("%d entries after %d, where the failed commit had %d: someone else has written", more, l.size, len(l.unknown))
	}
	i := 0
	return c.query(func(v []driver.Value) error {
		if text(v[1]) != string(l.unknown[i]) {
			return fmt.Errorf("entry %d is not what the failed commit wrote: someone else has written", v[0])
		}
		i++
		return nil
	}, "SELECT seq, record FROM entry WHERE seq > ? ORDER BY seq", l.size)
}

// findEnd takes note of the newest entry.
func (l *Ledger) findEnd(c *conn, size int64) error {
	last := [32]byte{}
	if size > 0 {
		raw, err := c.one("SELECT record FROM entry WHERE seq = ?", size)
		if err != nil {
			return err
		}
		last = sha256.Sum256([]byte(raw))
	}
	l.size, l.last = size, last
	l.entries.Store(size)
	l.m.entries.Set(float64(size))
	return nil
}

// checkpoint moves the WAL into the database. Its errors are silent on the commit path, so it is run and read here.
func (l *Ledger) checkpoint(mode string) error {
	l.since = 0
	busy, _, err := l.c.checkpoint(mode)
	if busy {
		l.opt.Log.Debug("WAL checkpoint left pages for later: a reader is busy")
	}
	return err
}

func (l *Ledger) shut() {
	l.signed()
	if l.c != nil {
		l.c.exec("PRAGMA busy_timeout = 200") // an auditor's slow export must not hold up the end
		if err := l.checkpoint("TRUNCATE"); err != nil {
			l.opt.Log.Error("checkpoint at the end", "err", err) // the WAL stays and is read at the next start
		}
		if err := l.c.Close(); err != nil {
			l.opt.Log.Error("close the ledger", "err", err)
		}
	}
	l.closePersonal()
}

// verifyTail reads the newest n entries and checks that they follow each other, are well formed, and are the leaves that
// the tiles hold.
func verifyTail(c *conn, zone *time.Location, n int64) error {
	size, err := c.number("SELECT coalesce(max(seq), 0) FROM entry")
	if err != nil {
		return err
	}
	var leaves []byte // of the full tile that the entry is in
	return c.scan(zone, max(size-n+1, 1), size, nil, func(e *Entry) error {
		leaf := e.Seq - 1
		if leaf/tlog.TileWidth == size/tlog.TileWidth {
			return nil // in no full tile yet: the tree is made of it
		}
		if leaves == nil {
			if leaves, err = c.ReadTile(0, leaf/tlog.TileWidth, tlog.TileWidth); err != nil {
				return err
			}
		}
		h, at := tlog.LeafHash(e.Raw), leaf%tlog.TileWidth*tlog.HashSize
		if !bytes.Equal(h[:], leaves[at:at+tlog.HashSize]) {
			return fmt.Errorf("entry %d is not the one in its tile: one of them was changed", e.Seq)
		}
		if leaf%tlog.TileWidth == tlog.TileWidth-1 {
			leaves = nil
		}
		return nil
	})
}
