package register

import (
	"errors"
	"slices"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/index"
)

// Passage finds a passage of this epoch by its ID.
func (r *Register) Passage(id string) (p Passage, known bool, err error) {
	if !r.Whole() {
		return p, false, errNotRead
	}
	if id == "" {
		return p, false, nil
	}
	r.View(func(s *State) { p, known = s.passage(&ledger.Entry{Record: ledger.Record{Passage: id}}) })
	if known {
		return p, true, nil
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.write(nil); err != nil {
		return p, false, err
	}
	for _, c := range slices.Backward(r.unwritten()) { // while an erasure is under way
		for _, p := range c.Passages {
			if p.ID == id {
				return *p, true, nil
			}
		}
	}
	return r.index.Passage(id, r.l.Zone())
}

// Said is the entry by which a passage counts: the newest that has its verdict.
func (r *Register) Said(p *Passage) (said ledger.Entry, err error) {
	in, err := r.open()
	if err != nil {
		return said, err
	}
	defer in.Close()
	seq := int64(0)
	if err := in.Scan(p.First, p.Last, false, func(e *ledger.Entry) error {
		if e.Passage == p.ID && e.Verdict != "" && e.Kind != Check {
			seq = e.Seq
		}
		return nil
	}); err != nil {
		return said, err
	}
	err = in.Scan(seq, seq, true, func(e *ledger.Entry) error { said = *e; return nil })
	return said, err
}

// Without is where a person of the roster would be, had some entries never been written: "inside", "outside", or "" where the others
// do not say, or cannot be looked up.
func (r *Register) Without(subject string, seqs ...int64) (where string, err error) {
	if subject == "" || !r.Whole() {
		return "", nil
	}
	who, gone := r.hash.Key(blind.OfSubject, subject), map[int64]bool{}
	for _, seq := range seqs {
		gone[seq] = true
	}
	r.writing.Lock()
	found, err := r.found(who)
	r.writing.Unlock()
	if errors.Is(err, index.ErrNone) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	in, err := file.OpenReader(r.opt.Dir) // after a fault what was found written, too
	if err != nil {
		return "", err
	}
	defer in.Close()
	for _, f := range slices.Backward(found) {
		err := in.Scan(f.Seq, f.Seq, true, func(e *ledger.Entry) error {
			k, named := r.hash.Field(e, "subject")
			at, moved := Moves(e)
			switch {
			case !named || k != who || gone[e.Seq]:
			case TakesBack(e):
				gone[e.Ref] = true
			case moved:
				where = at
				return errFound
			}
			return nil
		})
		if errors.Is(err, errFound) {
			return where, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", nil
}

// Since is where a person of the roster has passed to behind an entry: "inside", "outside", or "" where they have not.
func (r *Register) Since(seq int64, subject string) (where string) {
	r.View(func(s *State) {
		if at := s.Place(subject); at.Seq > seq && !at.Back {
			where = at.Where(time.Time{}, 0)
		}
	})
	return where
}

var errFound = errors.New("found")

// found lists the entries that are found by a key, in order. The caller holds writing.
func (r *Register) found(k blind.Key) (list []index.Finding, err error) {
	x, err := r.index.Finder()
	if err != nil {
		return nil, err
	}
	if list, err = x.Entries(k); err != nil {
		return nil, err
	}
	for _, c := range r.unwritten() {
		for _, f := range c.Found {
			if slices.Contains(f.Keys, k) {
				list = append(list, f)
			}
		}
	}
	return list, nil
}
