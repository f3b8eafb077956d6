package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gated/ledger/file"
	"gated/ledger/seal"
)

// sealsOf is what seals personal data in a ledger, if the master key is its own.
func (l *Ledger) sealsOf(m file.Meta) (*seal.Sealer, error) {
	key := l.master.Load()
	if key == nil {
		return nil, l.masterErr
	}
	if err := key.Fits(m.Whose()); err != nil {
		return nil, fmt.Errorf("%s: %w", seal.MasterFile(l.opt.Dir), err)
	}
	return &seal.Sealer{Master: key, Origin: m.Origin, Epoch: m.Epoch}, nil
}

// openPersonal makes ready to seal personal data, and carries out erasures that were cut off.
func (l *Ledger) openPersonal(m file.Meta, size int64) (err error) {
	if l.seals, err = l.sealsOf(m); err != nil {
		if found := file.CheckMaster(l.path, m, l.master.Load()); found != nil {
			err = found
		}
		return err
	}
	if err := l.epochs.AdoptSlots(m.Epoch); err != nil {
		return err
	}
	if old := l.slots.Load(); old != nil { // before others are read or marked as those that it writes
		old.Close()
	}
	w, lost, err := seal.OpenWriter(seal.Stem(l.path), m.Whose(), size, l.opt.Inject)
	if err != nil {
		return err
	}
	l.lost.Store(&lost)
	if lost != nil {
		l.opt.Log.Error("personal data of older entries cannot be read", "cause", lost)
	}
	l.failed.Store(nil)
	l.slots.Store(w)
	return l.erasing.CarryOut()
}

// SlotsLost says which slots of older entries are not here, so that nobody can read their personal data; nil: they all are.
func (l *Ledger) SlotsLost() error {
	if lost := l.lost.Load(); lost != nil {
		return *lost
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
		l.erasing.Mark(seal.Place{Epoch: l.meta.Epoch, Seq: l.size})
		l.erasing.Unlock()
	}
	if err := w.Close(); err != nil && !errors.Is(err, fs.ErrClosed) { // or the recovery closed it and got no further
		l.opt.Log.Error("close the slots", "err", err)
	}
}

// settle carries out, in a ledger that ends here, all that its own erase entries say: its slots may be an older copy.
func (l *Ledger) settle(m file.Meta) error {
	own, err := l.sealsOf(m)
	if err != nil && l.opt.Begin != nil && l.master.Load() != nil { // another key was put there by hand: the right one is lost
		l.opt.Log.Warn("nobody can read the personal data of the epoch that ends here any more", "cause", err)
		return nil
	}
	if err != nil {
		return err
	}
	files, _, err := seal.OpenFiles(seal.Stem(l.path), m.Whose(), os.O_RDWR)
	if err == nil && len(files) > 0 {
		l.seals = own
		l.slots.Store(seal.Rewriter(files, m.Epoch, l.opt.Inject))
		if err = l.erasing.CarryOut(); err == nil {
			err = files.Sync()
		}
		l.slots.Store(nil)
	}
	return errors.Join(err, files.Close())
}

// RestoreMaster puts the master key back that opens the personal data of a state directory's ledger, as somebody wrote it
// down.
func RestoreMaster(dir, written string) error {
	m, err := seal.ParseMaster(written)
	if err != nil {
		return err
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := m.Fits(r.Meta.Whose()); err != nil {
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

// Derive makes a key of another purpose from the master key; nil while there is none, and nothing can be recorded.
func (l *Ledger) Derive(purpose string) []byte {
	if m := l.master.Load(); m != nil {
		return m.Derive(purpose)
	}
	return nil
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
func (l *Ledger) loadMaster(anew file.Meta, gone bool) (check string, err error) {
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
