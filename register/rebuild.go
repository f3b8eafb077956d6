package register

import (
	"cmp"
	"fmt"
	"os"

	"gated/ledger/file"
)

// Rebuild makes the state and its index anew from the entries alone, while the ledger is used, and puts them in place of
// the running ones. It returns the number of entries read and whether the running state was equal to it, bit for bit.
func (r *Register) Rebuild() (entries int64, equal bool, err error) {
	if err := r.Wait(); err != nil {
		return 0, false, err
	}
	r.erasing.Lock() // what is erased meanwhile would be in it; and there is one file for it
	defer r.erasing.Unlock()
	in, err := file.OpenReader(r.opt.Dir)
	if err != nil {
		return 0, false, err
	}
	defer in.Close()
	x := &index{path: r.index.path + ".new", hash: r.hash, log: r.opt.Log, merge: mergeAt}
	x.remove()
	if err := x.open(); err != nil {
		return 0, false, fmt.Errorf("make a new index: %w", err)
	}
	defer x.remove() // what is left of it when it did not take its place
	s := newState(r.hash)
	s.changed = newChanges()
	save := func() error {
		if s.Size-s.taken < writeAlong {
			return nil
		}
		return x.write(in.Meta.Origin, []*batch{s.take()}, nil)
	}
	for size := r.l.Size(); size-s.Size > remembered; size = r.l.Size() {
		if err := s.fold(in, size, func() error { return cmp.Or(r.pace(), save()) }); err != nil {
			return s.Size, false, err
		}
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	var rest []*batch
	if err = s.fold(in, r.state.Size, nil); err == nil {
		if equal = s.digest() == r.state.digest(); !equal {
			r.opt.Log.Error("the running state was not what the entries add up to: it was replaced", "entries", s.Size)
		}
		if b := s.take(); b != nil {
			rest = append(rest, b)
		}
		r.state, r.batches = s, nil
	}
	entries = s.Size // from here on it is everybody's
	r.mu.Unlock()
	if err != nil {
		return entries, equal, err
	}
	if err = x.write(in.Meta.Origin, rest, nil); err == nil {
		x.close()
		r.index.remove()
		err = os.Rename(x.path, r.index.path)
	}
	if err == nil {
		err = r.index.open()
	}
	if err != nil { // the old one has not heard of what is in the new state
		r.noIndex(err)
	}
	return entries, equal, err
}
