package ledger

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gated/ledger/file"
	"gated/ledger/seal"
	"gated/ledger/tlog"
)

// request is what waits for the writer: events of one call of Append, or something else to be done.
type request struct {
	draft
	f      func() error // instead of events
	since  time.Time    // when it was queued
	answer chan error   // takes one without waiting
}

// enqueue hands a request to the writer, which answers it.
func (l *Ledger) enqueue(req *request) error {
	l.intake.RLock()
	defer l.intake.RUnlock()
	if f := l.fault.Load(); f != nil {
		return fmt.Errorf("%w: %s", ErrFault, f.Cause)
	}
	select {
	case <-l.quit:
		return ErrClosed
	default:
	}
	req.since, req.answer = time.Now(), make(chan error, 1)
	select {
	case l.queue <- req:
		return nil
	default:
		return ErrBusy
	}
}

// refused is an error of what was done that has changed nothing. After any other the state of the file is unknown.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// do runs f between two batches, with the connection to itself. f takes at most a tenth of a second: people wait.
func (l *Ledger) do(f func() error) error {
	req := &request{f: f}
	for {
		err := l.enqueue(req)
		if err == nil {
			return <-req.answer
		}
		if !errors.Is(err, ErrBusy) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// enter is Append for f of do.
func (l *Ledger) enter(events ...Event) ([]Entry, error) {
	d, err := newDraft(events, l.zone.Load())
	if err == nil {
		err = d.number(l.size)
	}
	if err != nil {
		return nil, refused{err}
	}
	if err := l.put([]*request{{draft: d}}); err != nil {
		return nil, unknownError{err, d.entries}
	}
	return d.entries, nil
}

// unknownError is a commit that failed: whether its entries are kept is unknown.
type unknownError struct {
	error
	entries []Entry
}

func (u unknownError) Unwrap() error { return u.error }

// write is the writer: it alone uses the connection.
func (l *Ledger) write() {
	defer close(l.done)
	defer l.shut()
	tick := time.NewTicker(signEvery)
	defer tick.Stop()
	var wait time.Duration
	var retry <-chan time.Time // runs on while requests come and go: they must not put off the recovery
	for {
		if l.fault.Load() == nil {
			wait, retry = 0, nil
		} else if retry == nil {
			wait = min(max(2*wait, 250*time.Millisecond), 5*time.Second)
			retry = time.After(wait)
		}
		select {
		case req := <-l.queue:
			l.serve(req)
		case <-retry:
			retry = nil
			l.recover()
		case now := <-tick.C:
			err := l.opened.Moved() // who asks next is to be told at once
			if failed := l.failed.Swap(nil); failed != nil {
				err = *failed
			}
			if err != nil && l.fault.Load() == nil {
				l.fail(err, nil)
			}
			l.signed()
			if l.erasing.Pending() && l.fault.Load() == nil && l.erasing.TryLock() {
				l.work.Go(func() { defer l.erasing.Unlock(); l.erasing.Finish(now) })
			}
		case <-l.quit:
			l.intake.Lock() // nobody queues any more
			l.intake.Unlock()
			for len(l.queue) > 0 {
				l.serve(<-l.queue)
			}
			return
		}
	}
}

// serve does what was asked, and then moves the write-ahead log into the database where that is due.
func (l *Ledger) serve(req *request) {
	for req != nil {
		if f := l.fault.Load(); f != nil {
			req.answer <- fmt.Errorf("%w: %s", ErrFault, f.Cause)
			return
		}
		if req.f != nil {
			l.perform(req)
			req = nil
		} else {
			req = l.record(req)
		}
		if err := l.failed.Swap(nil); err != nil && l.fault.Load() == nil {
			l.fail(*err, nil)
		}
		if l.since >= checkpointEvery && l.fault.Load() == nil {
			if err := l.watched(func() error { return l.checkpoint("PASSIVE") }); err != nil {
				l.fail(fmt.Errorf("checkpoint: %w", err), nil)
			}
		}
	}
}

// perform does something else than to record events.
func (l *Ledger) perform(req *request) {
	l.op = l.operate(nil, req)
	err := req.f()
	waiting, hung := l.op.end()
	l.op = nil
	if hung != nil || err != nil && !errors.As(err, new(refused)) {
		err = errors.Join(hung, err)
		l.fail(err, nil)
		err = fmt.Errorf("%w: %w", ErrFault, err)
	}
	for _, req := range waiting {
		req.answer <- err
	}
}

// record commits the events of a request and of those that are queued behind it, with one sync, and answers them. It returns
// the request that it came upon and that is something else.
func (l *Ledger) record(first *request) (next *request) {
	var batch []*request
	for req, n := first, 0; req != nil && next == nil; {
		if req.f != nil {
			next = req
		} else if err := req.number(l.size + int64(n)); err != nil {
			req.answer <- err
		} else {
			batch, n = append(batch, req), n+len(req.entries)
		}
		req = nil
		if n < file.MaxBatch && len(l.queue) > 0 && next == nil {
			req = <-l.queue
		}
	}
	if len(batch) == 0 {
		return next
	}
	waiting := slices.Clone(batch)
	if next != nil {
		waiting = append(waiting, next)
	}
	l.op = l.operate(waiting, nil)
	defer func() { l.op = nil }()
	err := l.put(batch)
	unanswered, hung := l.op.end()
	if err != nil {
		var unknown []Entry
		for _, req := range batch {
			unknown = append(unknown, req.entries...)
		}
		l.fail(err, unknown)
		for _, req := range unanswered {
			req.answer <- fmt.Errorf("%w: %w", ErrFault, err)
		}
		return nil
	}
	for _, req := range batch {
		req.answer <- nil
	}
	if l.size-l.anchored >= file.SignAfter {
		l.signed()
	}
	if hung != nil { // after the commit: no disk, but the whole process stood still
		l.fail(hung, nil)
	}
	return next
}

// put writes the events of requests in one transaction. After an error their fate is unknown.
func (l *Ledger) put(batch []*request) error {
	if err := l.c.Begin(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	keys, err := l.slotsOf(batch, l.size)
	if err != nil {
		return err
	}
	seq, segments, size := l.size, l.segments, 0 // size: bytes of the records
	heads := &headRows{l: l, rowed: l.rowed, oldest: l.oldest, running: l.running}
	for _, req := range batch {
		for i := range req.entries {
			seq++
			e, own := &req.entries[i], &req.rest[i]
			if own.fields != nil {
				if own.sealed, err = l.seals.Seal(seq, keys[seq-l.size-1], e.Record.Personal, own.fields); err != nil {
					return fmt.Errorf("seal personal fields: %w", err)
				}
			}
			if err := l.c.AddEntry(e, own.sealed); err != nil {
				return fmt.Errorf("insert entry: %w", err)
			}
			newDay := len(segments) == 0 || own.day != segments[len(segments)-1].Day
			if newDay {
				segments = append(segments, file.Segment{First: seq, Day: own.day})
				if err := l.c.AddSegment(seq, own.day); err != nil {
					return fmt.Errorf("insert segment: %w", err)
				}
			}
			if err := heads.before(e, newDay); err != nil {
				return err
			}
			for _, t := range l.tree.Push(tlog.LeafHash(e.Raw)) {
				if err := l.c.AddTile(t); err != nil {
					return fmt.Errorf("insert tile: %w", err)
				}
			}
			if e.Kind == Carried {
				if err := l.carry(e); err != nil {
					return fmt.Errorf("insert carried: %w", err)
				}
			}
			size += len(e.Raw)
		}
	}
	if err := heads.end(seq); err != nil {
		return err
	}
	if err := l.commitRows(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if l.op != nil && !l.op.inTime() {
		return errHung
	}
	// Here the events are durable. Nobody was told yet: a crash now loses an answer, never an event.
	l.segments = segments
	l.since += 1 + size/4096
	newest := batch[len(batch)-1].entries
	l.size, l.last = seq, sha256.Sum256(newest[len(newest)-1].Raw)
	l.durable = l.tree.Clone()
	l.rowed, l.oldest, l.running = heads.rowed, heads.oldest, heads.running
	l.setHead(heads.newest)
	l.entries.Store(seq)
	l.m.entries.Set(float64(seq))
	for _, req := range batch {
		l.recent.add(req.draft)
		l.follow(req.entries)
	}
	l.recent.sign(heads.rows...)
	l.slots.Load().Ahead(seq, func(err error) { l.ahead(seq, err) })
	return nil
}

// carry adds the row that says which entry carries what is left of another.
func (l *Ledger) carry(e *Entry) (err error) {
	of := l.meta.Epoch
	if s := e.Detail["epoch"]; s != "" {
		if of, err = strconv.Atoi(s); err != nil {
			return err
		}
	}
	return l.c.AddCarried(of, e.Ref, e.Seq)
}

// commitRows ends the transaction under way.
func (l *Ledger) commitRows() error {
	if err := l.opt.inject("commit"); err != nil {
		return err
	}
	if err := l.c.Commit(); err != nil {
		return err
	}
	return cmp.Or(l.opened.Moved(), l.opt.inject("committed"))
}

// slotsOf reads the slots of entries that are about to be written after size others; nil where none has personal fields.
func (l *Ledger) slotsOf(batch []*request, size int64) ([]seal.Slot, error) {
	end, some := size, false
	for _, req := range batch {
		end += int64(len(req.rest))
		some = some || slices.ContainsFunc(req.rest, func(r rest) bool { return r.fields != nil })
	}
	if !some {
		return nil, nil
	}
	return l.slots.Load().Slots(size+1, end)
}

// ahead is told how writing the next slots went. After an error the ledger falls into fault: before long it could not seal
// what it is to keep.
func (l *Ledger) ahead(size int64, err error) {
	if err != nil {
		l.failed.Store(&err)
		return
	}
	if l.erasing.TryLock() { // nobody erases: if nothing is pending, all that is said to be erased up to here was erased
		l.erasing.Mark(seal.Place{Epoch: l.Meta().Epoch, Seq: size})
		l.erasing.Unlock()
	}
}

// follow hands on entries that are durable.
func (l *Ledger) follow(entries []Entry) {
	if l.opt.Follow != nil && len(entries) > 0 && !l.known {
		l.opt.Follow(entries)
	}
}

// checkpoint moves the WAL into the database. Its errors are silent on the commit path, so it is run and read here.
func (l *Ledger) checkpoint(mode string) error {
	l.since = 0
	all, err := l.c.MoveLog(mode)
	if err == nil && all {
		l.recent = recent{}
	} else if err == nil {
		l.opt.Log.Debug("WAL checkpoint left pages for later: a reader is busy")
	}
	return err
}

func (l *Ledger) shut() {
	l.signed()
	if l.c != nil {
		l.c.Exec("PRAGMA busy_timeout = 200") // an auditor's slow export must not hold up the end
		end := l.c.Close
		if err := l.checkpoint("TRUNCATE"); err != nil {
			l.opt.Log.Error("checkpoint at the end", "err", err) // the WAL stays and is read at the next start
			end = l.c.Leave
		}
		if err := errors.Join(l.anchor.Close(), end()); err != nil {
			l.opt.Log.Error("close the ledger", "err", err)
		}
	}
	l.closePersonal()
}
