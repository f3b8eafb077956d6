package register

import (
	"errors"
	"slices"

	"gated/ledger/file"
	"gated/register/index"
)

// Reader reads a ledger with what is known of its passages, also while a daemon writes it. It changes nothing.
type Reader struct {
	*file.Reader
	index *index.Index // nil: there is none that fits
	heard int64        // entries that the index has heard of
	state *State       // what the entries add up to that tail is made of
	from  int64        // the tail is complete for what is about this entry and later ones; 0: not read yet
}

// OpenReader opens the ledger of a state directory for reading.
func OpenReader(dir string) (*Reader, error) {
	in, err := file.OpenReader(dir)
	if err != nil {
		return nil, err
	}
	r := &Reader{Reader: in}
	x, err := index.OpenReader(dir)
	if err != nil {
		return r, nil
	}
	s, err := load(x, in, nil)
	if err != nil || s.Size == 0 {
		x.Close()
		return r, nil
	}
	s.changed = index.NewChanges()
	r.index, r.heard, r.state = x, s.Size, s
	return r, nil
}

func (r *Reader) Close() error {
	err := r.Reader.Close()
	if r.index != nil {
		err = errors.Join(err, r.index.Close())
	}
	return err
}

// Later lists the entries that are about the entries first..last of an earlier day: corrections, openings accounted for,
// decisions after midnight, erasures.
func (r *Reader) Later(first, last int64) (seqs []int64, err error) {
	if err := r.readTail(first, false); err != nil {
		return nil, err
	}
	if r.index != nil {
		if seqs, err = r.index.Later(r.heard, first, last); err != nil {
			return nil, err
		}
	}
	for _, l := range r.state.changed.Later {
		if l.First <= last && l.Last >= first {
			seqs = append(seqs, l.Seq)
		}
	}
	return seqs, nil
}

// Newest is what the entries add up to that need no personal field: levels, pages of paper.
func (r *Reader) Newest() (*State, error) {
	err := r.readTail(1, false) // with an index only what that has not heard of
	return r.state, err
}

// readTail finds out what the entries say that the index has not heard of, of passages only where asked for. Without an
// index all entries from the asked one on are read.
func (r *Reader) readTail(first int64, passages bool) error {
	size, err := r.Size()
	if err != nil {
		return err
	}
	if r.index == nil && (r.from == 0 || first < r.from) {
		s := newState(nil)
		s.Size, s.changed = first-1, index.NewChanges()
		if s.segments, err = r.Segments(); err != nil {
			return err
		}
		r.state, r.from = s, first
	}
	return r.state.fold(r.Reader, size, func() error {
		if !passages { // of a long stretch they would not fit a gate box
			clear(r.state.changed.Passages)
		}
		return nil
	})
}

// LaterThan lists the later entries about some segments of one day.
func (r *Reader) LaterThan(own []file.Segment) (seqs []int64, err error) {
	for _, s := range own {
		more, err := r.Later(s.First, s.Last)
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, more...)
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}
