package ledger

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gated/ledger/seal"
)

// sealsOf is what seals personal data in a ledger, if the master key is its own.
func (l *Ledger) sealsOf(m Meta) (*seal.Sealer, error) {
	key := l.master.Load()
	if key == nil {
		return nil, l.masterErr
	}
	if err := key.Fits(m.whose()); err != nil {
		return nil, fmt.Errorf("%s: %w", seal.MasterFile(l.opt.Dir), err)
	}
	return &seal.Sealer{Master: key, Origin: m.Origin, Epoch: m.Epoch}, nil
}

// openPersonal makes ready to seal personal data, and carries out erasures that were cut off.
func (l *Ledger) openPersonal(c *conn, m Meta, size int64) (err error) {
	if l.seals, err = l.sealsOf(m); err != nil {
		return err
	}
	if err := l.adoptSlots(m.Epoch); err != nil {
		return err
	}
	w, lost, err := seal.OpenWriter(seal.Stem(l.path), m.whose(), size, l.opt.Inject)
	if err != nil {
		return err
	}
	if lost != nil {
		l.opt.Log.Error("personal data of older entries cannot be read", "cause", lost)
	}
	l.failed.Store(nil)
	if old := l.slots.Swap(w); old != nil {
		old.Close()
	}
	if err := l.carryOut(c, m, size); err != nil {
		return err
	}
	return nil
}

// closePersonal says up to where all erasures were carried out, so that the next start need not look.
func (l *Ledger) closePersonal() {
	w := l.slots.Load()
	if w == nil {
		return
	}
	if l.fault.Load() == nil && l.erasing.TryLock() {
		l.mark(seal.Place{Epoch: l.meta.Epoch, Seq: l.size})
		l.erasing.Unlock()
	}
	if err := w.Close(); err != nil {
		l.opt.Log.Error("close the slots", "err", err)
	}
}

// settle carries out, in a ledger that ends here, all that its own erase entries say: its slots may be an older copy.
func (l *Ledger) settle(c *conn, m Meta) error {
	own, err := l.sealsOf(m)
	if err != nil && l.opt.Begin != nil && l.master.Load() != nil { // another key was put there by hand: the right one is lost
		l.opt.Log.Warn("nobody can read the personal data of the epoch that ends here any more", "cause", err)
		return nil
	}
	if err != nil {
		return err
	}
	files, _, err := seal.OpenFiles(seal.Stem(l.path), m.whose(), os.O_RDWR)
	if err == nil && len(files) > 0 {
		l.seals = own
		l.slots.Store(seal.Rewriter(files, m.Epoch, l.opt.Inject))
		var size int64
		if size, err = c.number("SELECT coalesce(max(seq), 0) FROM entry"); err == nil {
			err = l.carryOut(c, m, size)
		}
		if err == nil {
			err = files.Sync()
		}
		l.slots.Store(nil)
	}
	return errors.Join(err, files.Close())
}

// adoptSlots gives the slot files of epochs that ended before this one the name of their ledger. A power cut may have come
// between the two.
func (l *Ledger) adoptSlots(epoch int) error {
	for _, n := range aside(l.opt.Dir, epoch) {
		path := EpochFile(l.opt.Dir, n)
		r, err := OpenFile(path)
		if err != nil {
			l.opt.Log.Warn("an older epoch of the ledger cannot be read", "cause", err)
			continue
		}
		err = seal.Adopt(seal.Stem(l.path), seal.Stem(path), r.Meta.whose())
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// erasedAfter counts the entries whose slots are zeros although no entry of this ledger says so: they were erased after the
// copy was made that this ledger is.
func (r *Reader) erasedAfter() (n int64, err error) {
	o := r.personal()
	if o.seals.Master == nil {
		return 0, nil // nobody can say
	}
	said := map[int64]bool{}
	if err := erasures(r.c, r.Zone, o, 0, func(x erasure, _ bool) error {
		if x.epoch == o.epoch {
			for _, seq := range x.seqs {
				said[seq] = true
			}
		}
		return nil
	}); err != nil {
		return 0, err
	}
	size, err := r.Size()
	if err != nil {
		return 0, err
	}
	for from := int64(1); from <= size; from += piece {
		p, err := o.page(r.c, from, size)
		if err != nil {
			return 0, err
		}
		if err := r.c.repeat(func(v []driver.Value) error {
			seq, _ := v[0].(int64)
			if p.here[seq-from] && p.slots[seq-from] == (seal.Slot{}) && !said[seq] && v[1] == nil {
				n++
			}
			return nil
		}, `SELECT e.seq, c.at FROM entry e LEFT JOIN carried c ON c.at = e.seq
			WHERE e.seq BETWEEN ? AND ? AND e.sealed IS NOT NULL`, p.from, p.to); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// RestoreMaster puts the master key back that opens the personal data of a state directory's ledger, as somebody wrote it
// down.
func RestoreMaster(dir, written string) error {
	m, err := seal.ParseMaster(written)
	if err != nil {
		return err
	}
	r, err := OpenReader(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := m.Fits(r.Meta.whose()); err != nil {
		return err
	}
	return m.Keep(dir)
}

// KeyFor derives a key of another purpose from the master key of a state directory. The master key is made first in a
// directory that never had a ledger.
func KeyFor(dir, purpose string) ([]byte, error) {
	path := seal.MasterFile(dir)
	m, err := seal.ReadMaster(path)
	if errors.Is(err, fs.ErrNotExist) && neverHadLedger(dir) {
		m, err = seal.MakeMaster(path)
	}
	if err != nil {
		return nil, err
	}
	return m.Derive(purpose), nil
}

// neverHadLedger tells whether nothing in a state directory says that there ever was a ledger.
func neverHadLedger(dir string) bool {
	for _, pattern := range []string{"ledger*.db", "index.db", "personal*.keys", "keys/ledger.pub"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) > 0 {
			return false
		}
	}
	return true
}

// loadMaster reads the master key and returns what a new ledger says of it. One is made only where there is no ledger and
// none came before: under another key than its own nobody could ever read a ledger's personal data again.
func (l *Ledger) loadMaster(anew Meta, gone bool) (check string, err error) {
	path := seal.MasterFile(l.opt.Dir)
	own := filepath.Dir(path) == filepath.Join(l.opt.Dir, "keys")
	if st, err := os.Stat(path); own && err == nil && st.Mode().Perm()&0o077 != 0 && os.Chmod(path, 0o600) == nil {
		l.opt.Log.Warn("the master key of the personal data could be read by others and cannot now", "path", path,
			"was", st.Mode().Perm().String())
	}
	key, err := seal.ReadMaster(path)
	if errors.Is(err, fs.ErrNotExist) && gone && anew.Epoch == 1 {
		key, err = seal.MakeMaster(path)
	}
	if err == nil && gone && anew.Epoch == 1 {
		l.opt.Log.Info("the personal data of this ledger is sealed under a master key that is in no backup: "+
			"write it down for the safe (\"gated key show --personal\")", "path", path)
	}
	if err == nil {
		l.master.Store(key)
		return key.Check(anew.Origin), nil
	}
	l.master.Store(nil)
	if gone {
		return "", err
	}
	l.masterErr = err // of the ledger that is there
	return "", nil
}
