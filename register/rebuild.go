package register

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"

	"gated/ledger"
)

// Rebuild makes the state and its index anew from the entries alone, while the ledger is used, and puts them in place of
// the running ones. It returns the number of entries read and whether the running state was equal to it, bit for bit.
func (r *Register) Rebuild() (entries int64, equal bool, err error) {
	r.erasing.Lock() // what is erased meanwhile would be in it; and there is one file for it
	defer r.erasing.Unlock()
	in, err := ledger.OpenReader(r.opt.Dir)
	if err != nil {
		return 0, false, err
	}
	defer in.Close()
	x := &index{path: r.index.path + ".new", log: r.opt.Log, pending: map[int64]*Passage{}, origin: in.Meta.Origin}
	x.remove()
	if err := x.open(); err != nil {
		return 0, false, fmt.Errorf("make a new index: %w", err)
	}
	defer x.remove() // what is left of it when it did not take its place
	s, last, segments := newState(), [32]byte{}, []ledger.Segment(nil)
	add := func(e *ledger.Entry) error {
		x.take(s, e, &segments)
		if last = sha256.Sum256(e.Raw); e.Seq%1000 != 0 {
			return nil
		}
		return x.keep(s, last)
	}
	if err := in.Scan(1, 1<<62, true, add); err != nil {
		return s.Size, false, err
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := in.Scan(s.Size+1, r.state.Size, true, add); err != nil {
		return s.Size, false, err
	}
	if s.Size > r.state.Size { // these were not handed over yet
		for r.state.Size < s.Size {
			if err := r.catchUp(); err != nil {
				return s.Size, false, err
			}
		}
		if err := in.Scan(s.Size+1, r.state.Size, true, add); err != nil {
			return s.Size, false, err
		}
	}
	if err := x.keep(s, last); err != nil {
		return s.Size, false, err
	}
	anew, err := json.Marshal(s)
	if err != nil {
		return s.Size, false, err
	}
	running, err := json.Marshal(r.state)
	if equal = err == nil && bytes.Equal(anew, running); !equal {
		r.state = s
		r.opt.Log.Error("the running state was not what the entries add up to: it was replaced", "entries", s.Size)
	}
	x.close()
	r.index.remove()
	if err := os.Rename(x.path, r.index.path); err != nil {
		return s.Size, equal, err
	}
	r.index.dirty = true
	clear(r.index.pending)
	r.index.later = nil
	return s.Size, equal, r.index.open()
}
