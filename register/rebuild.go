package register

import (
	"cmp"
	"fmt"

	"gated/ledger/file"
	"gated/register/index"
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
	x, err := r.index.Beside()
	if err != nil {
		return 0, false, fmt.Errorf("make a new index: %w", err)
	}
	defer x.Remove() // what is left of it when it did not take its place
	s := newState(r.hash)
	s.changed = index.NewChanges()
	save := func() error {
		if s.Size-s.taken < writeAlong {
			return nil
		}
		return x.Write([]*index.Changes{s.take(in.Meta.Origin)}, nil)
	}
	for size := r.l.Size(); size-s.Size > remembered; size = r.l.Size() {
		if err := s.fold(in, size, func() error { return cmp.Or(r.pace(), save()) }); err != nil {
			return s.Size, false, err
		}
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	var rest []*index.Changes
	if err = s.fold(in, r.state.Size, nil); err == nil {
		if equal = s.digest() == r.state.digest(); !equal {
			r.opt.Log.Error("the running state was not what the entries add up to: it was replaced", "entries", s.Size)
		}
		if c := s.take(in.Meta.Origin); c != nil {
			rest = append(rest, c)
		}
		r.state, r.batches = s, nil
	}
	entries = s.Size // from here on it is everybody's
	r.mu.Unlock()
	if err != nil {
		return entries, equal, err
	}
	if err = x.Write(rest, nil); err == nil {
		err = r.index.Replace(x)
	}
	if err != nil { // the old one has not heard of what is in the new state
		r.noIndex(err)
	}
	return entries, equal, err
}
