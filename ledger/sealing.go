package ledger

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sealsOf is what seals personal data in a ledger, if the master key is its own.
func (l *Ledger) sealsOf(m Meta) (*seals, error) {
	if l.master == nil {
		return nil, l.masterErr
	}
	if err := l.master.fits(m.Origin, m.Master); err != nil {
		return nil, fmt.Errorf("%s: %w", MasterFile(l.opt.Dir), err)
	}
	return &seals{l.master, m.Origin, m.Epoch}, nil
}

// openPersonal makes ready to seal personal data, and carries out erasures that were cut off.
func (l *Ledger) openPersonal(c *conn, m Meta, size int64) (err error) {
	if l.seals, err = l.sealsOf(m); err != nil {
		return err
	}
	if err := l.adoptSlots(m.Epoch); err != nil {
		return err
	}
	w, lost, err := openSlots(slotsStem(l.path), m, size, l.opt.Inject)
	if err != nil {
		return err
	}
	if lost != nil {
		l.opt.Log.Error("personal data of older entries cannot be read", "cause", lost)
	}
	l.failed.Store(nil)
	if old := l.slots.Swap(w); old != nil {
		old.close()
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
		l.mark(place{l.meta.Epoch, l.size})
		l.erasing.Unlock()
	}
	if err := w.close(); err != nil {
		l.opt.Log.Error("close the slots", "err", err)
	}
}

// settle carries out, in a ledger that ends here, all that its own erase entries say: its slots may be an older copy.
func (l *Ledger) settle(c *conn, m Meta) error {
	seals, err := l.sealsOf(m)
	if err != nil {
		return err
	}
	files, _, err := openSlotFiles(slotsStem(l.path), m, os.O_RDWR)
	if err == nil && len(files) > 0 {
		l.seals = seals
		l.slots.Store(&slotWriter{epoch: m.Epoch, files: files, inject: l.opt.Inject})
		var size int64
		if size, err = c.number("SELECT coalesce(max(seq), 0) FROM entry"); err == nil {
			err = l.carryOut(c, m, size)
		}
		if err == nil {
			err = files.sync()
		}
		l.slots.Store(nil)
	}
	return errors.Join(err, files.close())
}

// adoptSlots gives the slot files of epochs that ended before this one the name of their ledger. A power cut may have come
// between the two.
func (l *Ledger) adoptSlots(epoch int) error {
	names, _ := filepath.Glob(slotsStem(l.path) + "*.keys")
	for _, n := range aside(l.opt.Dir, epoch) {
		path := EpochFile(l.opt.Dir, n)
		r, err := OpenFile(path)
		if err != nil {
			l.opt.Log.Warn("an older epoch of the ledger cannot be read", "cause", err)
			continue
		}
		for _, name := range names {
			err = errors.Join(err, adoptSlotFile(name, path, r.Meta))
		}
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

func adoptSlotFile(name, ledger string, m Meta) error {
	first := int64(1)
	if _, n, ok := strings.Cut(filepath.Base(name), "-"); ok {
		if _, err := fmt.Sscanf(n, "%d.keys", &first); err != nil {
			return nil // none of ours
		}
	}
	s, err := openSlotFile(name, m, first, os.O_RDONLY)
	if err != nil {
		if errors.Is(err, errForeignSlots) || errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return err
	}
	s.f.Close()
	to := slotsName(slotsStem(ledger), first)
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s is there already, and so is %s: move one of them away", to, name)
	}
	return os.Rename(name, to)
}

// erasedAfter counts the entries whose slots are zeros although no entry of this ledger says so: they were erased after the
// copy was made that this ledger is.
func (r *Reader) erasedAfter() (n int64, err error) {
	o := r.personal()
	if o.seals == nil {
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
			if p.here[seq-from] && p.slots[seq-from] == (slot{}) && !said[seq] && v[1] == nil {
				n++
			}
			return nil
		}, "SELECT e.seq, c.at FROM entry e LEFT JOIN carried c ON c.at = e.seq WHERE e.seq BETWEEN ? AND ? AND e.sealed IS NOT NULL", p.from, p.to); err != nil {
			return 0, err
		}
	}
	return n, nil
}
