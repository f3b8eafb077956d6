package register

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/index"
)

// errForgot: an erasure is among the entries that the index has not heard of. It remembers more than the entries do now.
var errForgot = errors.New("an erasure was cut off before the index had heard of it")

// chunk is how many entries are read at a time: no query is open for long, which would keep the write-ahead log growing.
const chunk = 1000

// writeAlong is how many entries are read between two transactions of the index, when many are.
const writeAlong = 10 * chunk

// fold applies the entries after s.Size up to one, with their personal fields where it can make hashes of them. between, which
// may be nil, is called after each chunk.
func (s *State) fold(in *file.Reader, to int64, between func() error) error {
	for s.Size < to {
		err := in.Scan(s.Size+1, min(s.Size+chunk, to), s.hash != nil, func(e *ledger.Entry) error { s.apply(e); return nil })
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		if between != nil {
			if err := between(); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin takes in what can be taken in at once: all, where the index is near the ledger; else the newest entries.
func (r *Register) begin() error {
	in, err := r.open()
	if err != nil {
		return err
	}
	defer in.Close()
	s, err := r.load(in)
	if err != nil {
		return err
	}
	if r.l.Size()-s.Size <= r.near {
		if err = r.catchUp(in, s); !errors.Is(err, errForgot) {
			return err
		}
	}
	return r.readTail(in)
}

// open opens the ledger for reading, unless it is in fault: then nobody knows what it has.
func (r *Register) open() (*file.Reader, error) {
	if f := r.l.Fault(); f != nil {
		return nil, fmt.Errorf("%w: %s", ledger.ErrFault, f.Cause)
	}
	return file.OpenReader(r.opt.Dir)
}

// load reads the state of the index, an empty one if it does not fit the ledger.
func (r *Register) load(in *file.Reader) (s *State, err error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if s, err = load(r.index, in, r.hash); errors.Is(err, errAhead) {
		return nil, fmt.Errorf("index %s: %w", r.index.Path, err)
	} else if err != nil {
		if s = newState(r.hash); r.index.Usable() {
			r.index.Reset(err)
		}
	}
	if s.taken = s.Size; r.index.Usable() {
		s.changed = index.NewChanges()
	}
	return s, nil
}

// readTail takes in the newest entries, so that it is known how the last run ended and what time was trusted last.
func (r *Register) readTail(in *file.Reader) (err error) {
	s := newState(r.hash)
	size := r.l.Size()
	if s.segments, err = in.Segments(); err != nil {
		return err
	}
	s.Size = max(size-remembered, 0)
	if err := s.fold(in, size, nil); err != nil {
		return err
	}
	if s.Running, err = ran(in, size); err != nil {
		return err
	}
	return r.adopt(in, s, tailRead)
}

// byCommand are the kinds that a command can record while the daemon is stopped: they do not show that it runs.
var byCommand = map[ledger.Kind]bool{Roster: true, Export: true, Trip: true, Correction: true,
	ledger.KeyChange: true, ledger.Epoch: true, ledger.Erase: true, ledger.Keep: true, ledger.Backup: true}

// ran tells whether the daemon had started and not stopped with the first size entries.
func ran(in *file.Reader, size int64) (running bool, err error) {
	for to, known := size, false; to > 0 && err == nil && !known; to -= chunk {
		err = in.Scan(max(to-chunk+1, 1), to, false, func(e *ledger.Entry) error {
			if !byCommand[e.Kind] {
				running, known = e.Kind != ledger.Stop, true
			}
			return nil
		})
	}
	return running, err
}

// read takes in all entries. Where many are missing those of the last days come first.
func (r *Register) read() error {
	r.mu.Lock()
	stage := r.stage
	r.mu.Unlock()
	if stage == whole {
		return nil
	}
	r.flush() // of a state that has missed some
	in, err := r.open()
	if err != nil {
		return err
	}
	defer in.Close()
	s, err := r.load(in)
	if err != nil {
		return err
	}
	if stage == tailRead && r.l.Size()-s.Size > r.near {
		if err := r.readRecent(in, s.Size); err != nil {
			return err
		}
	}
	began := time.Now()
	for err = r.catchUp(in, s); errors.Is(err, errForgot); err = r.catchUp(in, s) {
		r.writing.Lock()
		r.index.Reset(err)
		r.writing.Unlock()
		if s, err = r.load(in); err != nil {
			return err
		}
	}
	if err == nil {
		r.opt.Log.Info("all entries are read", "entries", r.l.Size(), "seconds", time.Since(began).Round(time.Millisecond).Seconds())
	}
	return err
}

// readRecent takes in the entries of the last days, or those after the ones that the index has heard of, if that is nearer.
func (r *Register) readRecent(in *file.Reader, heard int64) error {
	segments, err := in.Segments()
	if err != nil || len(segments) == 0 {
		return err
	}
	newest, err := time.Parse(time.DateOnly, segments[len(segments)-1].Day)
	if err != nil {
		return err
	}
	first := segments[len(segments)-1].First
	for _, g := range segments {
		if g.Day >= newest.AddDate(0, 0, -recentDays).Format(time.DateOnly) {
			first = min(first, g.First)
		}
	}
	s := newState(r.hash)
	if s.segments, s.Size = segments, first-1; heard >= first {
		if s, err = r.load(in); err != nil {
			return err
		}
		s.changed = nil
	} else if err := s.readLasting(in, first, r.pace); err != nil {
		return err
	}
	if err := s.fold(in, r.l.Size(), r.pace); err != nil {
		return err
	}
	return r.adopt(in, s, recent)
}

// Lasting has the notices of levels, the marks, what hosts say and the pages of paper of a ledger, whatever an index knows.
func Lasting(in *file.Reader) (*State, error) {
	s := newState(blind.New(nil))
	size, err := in.Size()
	if err == nil {
		err = s.readLasting(in, size+1, func() error { return nil })
	}
	return s, err
}

// readLasting takes in, of the entries before one, what may count for longer than the last days: notices, the levels in force by them,
// marks, what hosts say, pages of paper, and lanes that are open by hand. between is called after each many.
func (s *State) readLasting(in *file.Reader, first int64, between func() error) error {
	var seqs []int64
	for from := int64(1); from < first; from += writeAlong {
		err := in.OfKind(from, min(from+writeAlong, first)-1, func(e *ledger.Entry) error {
			seqs = append(seqs, e.Seq)
			return nil
		}, Notice, Level, Mark, Host, ByHand, Paper)
		if err == nil {
			err = between()
		}
		if err != nil {
			return err
		}
	}
	return in.ScanSome(seqs, func(e *ledger.Entry) {
		switch e.Kind {
		case Mark:
			s.Marks = s.Marks.Marked(e, s.hash)
		case Host:
			s.Hosts = s.Hosts.After(e, s.hash)
		case Paper:
			s.Paper = s.Paper.After(e)
		case ByHand:
			s.ByHand = s.ByHand.After(e)
		default:
			s.level(e)
		}
	})
}

// pace ends reading when the register ends.
func (r *Register) pace() error {
	select {
	case <-r.quit:
		return errEnded
	default:
	}
	if r.opt.Inject != nil {
		return r.opt.Inject("read")
	}
	return nil
}

// catchUp applies all entries that a state of the index has not heard of, writes them into the index, and makes it the
// register's.
func (r *Register) catchUp(in *file.Reader, s *State) error {
	if s.Size > 0 {
		if forgot, err := erasedSince(in, s.Size, r.l.Size()); err != nil || forgot {
			return cmp.Or(err, errForgot)
		}
	}
	err := s.fold(in, r.l.Size(), func() error {
		if err := r.pace(); err != nil || s.Size-s.taken < writeAlong {
			return err
		}
		r.writing.Lock()
		defer r.writing.Unlock()
		c := s.take(in.Meta.Origin)
		if c == nil || !r.index.Usable() {
			return nil
		}
		if err := r.index.Write([]*index.Changes{c}, nil); err != nil {
			r.noIndex(err)
			s.changed = nil
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.adopt(in, s, whole)
}

// erasedSince tells whether there is an erasure of this epoch among the entries after one.
func erasedSince(in *file.Reader, after, to int64) (yes bool, err error) {
	err = in.Scan(after+1, to, false, func(e *ledger.Entry) error {
		yes = yes || e.Kind == ledger.Erase && !elsewhere(e)
		return nil
	})
	return yes, err
}

// adopt makes a state the register's, once it has the entries that came meanwhile.
func (r *Register) adopt(in *file.Reader, s *State, at stage) error {
	for r.l.Size()-s.Size > remembered {
		if err := s.fold(in, r.l.Size(), r.pace); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := s.fold(in, r.l.Size(), nil); err != nil {
		return err
	}
	if r.state, r.stage = s, at; at == whole {
		r.known.Do(func() { close(r.full) })
	}
	return nil
}

// errNotRead: not all entries are read yet.
var errNotRead = errors.New("what the entries add up to is not known yet")

// Whole tells whether all entries are read. Until then a visit that is not known may have been made before those that are; one that is
// known has been read from where it was made, or told of once more, and so are its entries.
func (r *Register) Whole() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.stage == whole }

// flush brings the index up to the state. Its errors cost a rebuild, never a passage.
func (r *Register) flush() {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.write(nil)
}

// write writes what the index has not heard of yet, with what more is to be done in the same transaction. The caller holds
// writing.
func (r *Register) write(more func(w *index.Writer) error) error {
	if r.gone != nil {
		return nil
	}
	origin := r.l.Meta().Origin
	r.mu.Lock()
	if c := r.state.take(origin); c != nil {
		r.batches = append(r.batches, c)
	}
	r.mu.Unlock()
	if !r.index.Usable() {
		r.batches = nil
		return index.ErrNone
	}
	if len(r.batches) == 0 && more == nil {
		return nil
	}
	err := r.index.Write(r.batches, more)
	if more == nil && index.Busy(err) {
		return err
	}
	if r.batches = nil; err != nil { // the next start finds no index and makes it anew
		r.noIndex(err)
	}
	return err
}

// noIndex goes on without the index. The caller holds writing.
func (r *Register) noIndex(why error) {
	r.index.GiveUp(why)
	r.batches = nil
	r.mu.Lock()
	r.state.changed = nil
	r.mu.Unlock()
}
