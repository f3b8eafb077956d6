package register

import (
	"errors"
	"maps"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/index"
	"gated/register/presence"
	"gated/register/trips"
)

// Erasing calls f, which erases: before it does it tells which entries of the current epoch lose something. Then the
// register forgets what they said. There is one erasure at a time, and none before all entries are read.
func (r *Register) Erasing(f func(lose func(seqs []int64)) error) error {
	r.erasing.Lock()
	defer r.erasing.Unlock()
	if !r.Whole() {
		return errNotRead
	}
	err := f(r.lose)
	return errors.Join(err, r.forget())
}

// lose keeps the index from saying that it has heard of an erasure before it has forgotten what that took.
func (r *Register) lose(seqs []int64) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.gone == nil {
		r.write(nil)
	}
	r.gone = append(r.gone, seqs...)
}

// forget brings state and index to what they would be, had the entries never held what was erased of them. Who was last
// seen by one of them is where the newest entry that is left says.
func (r *Register) forget() error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.gone == nil {
		return nil
	}
	in, err := file.OpenReader(r.opt.Dir)
	if err != nil {
		r.noIndex(err)
		return err
	}
	defer in.Close()
	left := make(map[int64]*ledger.Entry, len(r.gone)) // as they are now
	if err := in.ScanSome(r.gone, func(e *ledger.Entry) { left[e.Seq] = e }); err != nil {
		r.noIndex(err)
		return err
	}
	r.gone = nil
	lost := r.lost(left)
	err = r.write(func(w *index.Writer) error {
		var still []index.Finding
		for _, e := range left {
			still = append(still, index.Finding{Seq: e.Seq, Day: e.At.Format(time.DateOnly), Keys: r.hash.Terms(e)})
		}
		w.FindAgain(still)
		x, err := w.Finder()
		if err != nil {
			return err
		}
		for who := range lost {
			if lost[who], err = r.lastMove(in, x, who); err != nil {
				return err
			}
		}
		if c := r.settle(left, lost); c != nil {
			w.Put(c)
		}
		return nil
	})
	if err != nil {
		return r.lookThrough(in, left, lost)
	}
	return r.index.Checkpoint()
}

// lost forgets the trips, marks, slips and visits that the entries were, and names the people whose newest move was one of them: nobody
// knows yet where they are.
func (r *Register) lost(left map[int64]*ledger.Entry) map[blind.Key]*presence.Place {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Marks, r.state.Slips = r.state.Marks.Left(left, r.hash), r.state.Slips.Left(left, r.hash)
	r.state.Hosts = r.state.Hosts.Left(left, r.hash)
	r.state.visited(r.state.Visits.LeftOf(left, r.hash)...)
	lost := map[blind.Key]*presence.Place{}
	for who, at := range r.state.people {
		if e := left[at.Seq]; e != nil {
			if k, named := r.hash.Field(e, "subject"); !named || k != who {
				lost[who] = nil
			}
		}
	}
	for seq, t := range maps.Clone(r.state.book.All()) {
		e := left[seq]
		if e == nil {
			continue
		}
		_, named := r.hash.Field(e, "subject")
		switch k, ok := r.hash.Field(e, "household"); {
		case !ok || k != t.Household || !named && e.Kind != Trip:
			r.state.untrip(seq)
		case !named && t.Who != 0: // it counts, and nobody is out by it any more
			r.state.untrip(seq)
			r.state.trip(seq, trips.Trip{Household: t.Household, Day: t.Day, Unsure: t.Unsure})
		}
	}
	return lost
}

// settle says where the lost people are, unless they have moved since, and hands out what the index has not heard of.
func (r *Register) settle(left map[int64]*ledger.Entry, lost map[blind.Key]*presence.Place) *index.Changes {
	origin := r.l.Meta().Origin
	r.mu.Lock()
	defer r.mu.Unlock()
	for who, at := range lost {
		if left[r.state.people[who].Seq] != nil {
			r.state.place(who, at)
		}
	}
	r.state.taken = 0
	return r.state.take(origin)
}

// moved says who moved by an entry and where they are then; nil: it says so of nobody.
func (r *Register) moved(e *ledger.Entry) (who blind.Key, at *presence.Place) {
	who, named := r.hash.Field(e, "subject")
	if is, ok := moves(e); ok && named {
		at = &is
	}
	return who, at
}

// lastMove is where the newest readable entry says that a person is; nil: none does.
func (r *Register) lastMove(in *file.Reader, x *index.Finder, who blind.Key) (last *presence.Place, err error) {
	found, err := x.Entries(who)
	for i := len(found) - 1; i >= 0 && err == nil && last == nil; i-- {
		err = in.Scan(found[i].Seq, found[i].Seq, true, func(e *ledger.Entry) error {
			if k, at := r.moved(e); k == who {
				last = at
			}
			return nil
		})
	}
	size := r.l.Size()
	for from := int64(0); last != nil && last.At == 0 && from <= size-last.Seq && err == nil; from += chunk {
		err = in.Scan(last.Seq+from, min(last.Seq+from+chunk-1, size), false, func(e *ledger.Entry) error {
			if e.Clock == "trusted" {
				*last = last.Told(e.At)
			}
			return nil
		})
	}
	return last, err
}

// lookThrough says where people are by all entries, as there is no index.
func (r *Register) lookThrough(in *file.Reader, left map[int64]*ledger.Entry, lost map[blind.Key]*presence.Place) (err error) {
	if len(lost) > 0 {
		err = in.Scan(1, r.l.Size(), true, func(e *ledger.Entry) error {
			who, at := r.moved(e)
			if _, is := lost[who]; is && at != nil {
				lost[who] = at
			}
			for _, at := range lost {
				if at != nil && e.Clock == "trusted" {
					*at = at.Told(e.At)
				}
			}
			return nil
		})
	}
	if err == nil {
		r.settle(left, lost)
	}
	return err
}
