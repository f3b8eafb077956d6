package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"gated/ledger/tlog"
)

// Rebuild makes the state and its index anew from the entries alone, while the ledger is used, and puts them in place of
// the running ones. It returns the number of entries read and whether the running state was equal to it, bit for bit.
func (l *Ledger) Rebuild() (entries int64, equal bool, err error) {
	l.erasing.Lock() // what is erased meanwhile would be in it; and there is one file for it
	defer l.erasing.Unlock()
	r, err := OpenReader(l.opt.Dir)
	if err != nil {
		return 0, false, err
	}
	defer r.Close()
	x := &index{path: l.index.path + ".new", log: l.opt.Log, pending: map[int64]*Passage{}}
	x.remove()
	if err := x.open(); err != nil {
		return 0, false, fmt.Errorf("make a new index: %w", err)
	}
	defer x.remove() // what is left of it when it did not take its place
	s, last := newState(), ""
	add := func(e *Entry) error {
		if p := s.apply(e); p != nil {
			x.pending[p.First] = p
		}
		if last = hash(string(e.Raw)); e.Seq%1000 != 0 {
			return nil
		}
		return x.keep(s, last)
	}
	if err := r.Scan(1, 1<<62, true, add); err != nil {
		return s.Size, false, err
	}
	err = l.do(func() error {
		if err := scan(l.c, l.zone.Load(), s.Size+1, l.size, true, add); err != nil {
			return refused{err}
		}
		if err := x.keep(s, last); err != nil {
			return refused{err}
		}
		anew, err := json.Marshal(s)
		if err != nil {
			return refused{err}
		}
		l.mu.Lock()
		running, err := json.Marshal(l.state)
		if equal = err == nil && bytes.Equal(anew, running); !equal {
			l.state = s
		}
		l.mu.Unlock()
		x.close()
		l.index.remove()
		if err := os.Rename(x.path, l.index.path); err != nil {
			return refused{err}
		}
		l.index.dirty = true
		clear(l.index.pending)
		if err := l.index.open(); err != nil {
			return refused{err}
		}
		return nil
	})
	if err == nil && !equal {
		l.opt.Log.Error("the running state was not what the entries add up to: it was replaced", "entries", s.Size)
	}
	return s.Size, equal, err
}

// keep writes the state and the passages that changed.
func (x *index) keep(s *State, last string) error {
	state, err := json.Marshal(s)
	if err == nil {
		err = x.write(x.pending, state, last)
	}
	clear(x.pending)
	return err
}

// Copy copies the ledger with everything in it into a file of mode 0600, absent or empty, while it is used, and looks whether the copy holds: its
// newest entries, and the newest tree head against tiles and entries. It returns that head.
func (r *Reader) Copy(path string) (tlog.Head, error) {
	if f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil { // SQLite would take the umask's mode
		return tlog.Head{}, err
	} else if err := f.Close(); err != nil {
		return tlog.Head{}, err
	}
	if err := r.ExportSQLite(path, true); err != nil {
		return tlog.Head{}, err
	}
	c, err := OpenFile(path)
	if err != nil {
		return tlog.Head{}, fmt.Errorf("open the copy: %w", err)
	}
	defer c.Close()
	if err := verifyTail(c.c, c.Zone, tail); err != nil {
		return tlog.Head{}, fmt.Errorf("the copy does not hold: %w", err)
	}
	h, err := c.Head()
	if err != nil {
		return tlog.Head{}, err
	}
	if root, err := tlog.RootAt(c, h.Size); err != nil || root != h.Root {
		return tlog.Head{}, fmt.Errorf("the copy does not hold: its root at %d entries is %v, the tree head signed %v (%v)", h.Size, root, h.Root, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return tlog.Head{}, err
	}
	defer f.Close()
	return h, f.Sync()
}
