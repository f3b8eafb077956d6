// Package erasing forgets the personal data that erase entries name: it writes zeros over the slots, and again after a crash.
package erasing

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gated/ledger/file"
	"gated/ledger/seal"
)

// Slots are those of the ledger of a state directory and of its older epochs.
type Slots struct {
	sync.Mutex // one erasure at a time: whoever calls Erase, Mark or Finish holds it

	Dir    string                // the state directory
	Own    func() *seal.Writer   // those of the current epoch
	Inject func(op string) error // asked before and after slots of older epochs are cleared
	Log    *slog.Logger

	again   time.Time // when to try postponed ones
	mu      sync.Mutex
	undone  []file.Erasure // of older epochs, postponed; under mu
	pending atomic.Bool
}

// asideError: the slots of an older epoch could not be written.
type asideError struct{ error }

func (a asideError) Unwrap() error { return a.error }

// asideAgain is how long what could not be done in the files of an older epoch waits.
const asideAgain = time.Minute

// Announce is called before an erase entry is written.
func (s *Slots) Announce() { s.pending.Store(true) }

// Pending tells whether an erase entry is there, and what it names may still be readable.
func (s *Slots) Pending() bool { return s.pending.Load() }

// Erase does what an erase entry says. What cannot be done in the files of an older epoch is postponed, no reason to close
// the gate: then later is set beside the error.
func (s *Slots) Erase(x file.Erasure) (later bool, err error) {
	if err = s.clear(x); err == nil {
		s.mark(x.Said)
		return false, nil
	}
	err = fmt.Errorf("what entry %d says is not erased yet: %w", x.Said.Seq, err)
	if errors.As(err, new(asideError)) {
		s.postpone(x)
		return true, fmt.Errorf("%w: it is tried again each minute", err)
	}
	return false, err
}

// postpone keeps what could not be erased for Finish.
func (s *Slots) postpone(x file.Erasure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undone = append(s.undone, x)
}

// postponed are the erasures that Finish is to carry out.
func (s *Slots) postponed() []file.Erasure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.undone
}

// carriedOut tells whether none of the erasures that are said before an entry is postponed.
func (s *Slots) carriedOut(before seal.Place) bool {
	return !slices.ContainsFunc(s.postponed(), func(x file.Erasure) bool { return x.Said.Before(before) })
}

// Mark notes that all erasures up to an entry were carried out, if that is so.
func (s *Slots) Mark(p seal.Place) {
	if !s.Pending() {
		s.mark(p)
	}
}

// mark notes that all erasures up to an entry were carried out, but for those that are postponed.
func (s *Slots) mark(p seal.Place) {
	if len(s.postponed()) > 0 {
		return
	}
	s.pending.Store(false)
	if err := s.Own().Mark(p); err != nil { // the next start looks through more entries
		s.Log.Warn("erasures are looked for once more at the next start", "cause", err)
	}
}

// Finish carries out what could not be done in older epochs.
func (s *Slots) Finish(now time.Time) {
	if now.Before(s.again) {
		return
	}
	s.again = now.Add(asideAgain)
	for _, x := range s.postponed() {
		if err := s.clear(x); err != nil {
			s.Log.Warn("personal data of an older epoch is not erased yet; trying again each minute", "cause", err)
			return
		}
		s.mu.Lock()
		// A recovery may have found them anew meanwhile.
		s.undone = slices.DeleteFunc(slices.Clone(s.undone), func(u file.Erasure) bool { return u.Said == x.Said })
		s.mu.Unlock()
	}
	s.settle()
}

// settle says whether anything is left to do, once what was announced is done. Under one lock: a recovery postpones as well.
func (s *Slots) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.Store(len(s.undone) > 0)
}

// path is where the ledger of an epoch lies.
func (s *Slots) path(epoch int) string {
	if epoch == s.Own().Epoch {
		return filepath.Join(s.Dir, "ledger.db")
	}
	return file.OfEpoch(s.Dir, epoch)
}

// clear writes zeros over the slots of what was erased, in whichever epoch, and over those of the entries that carried what
// was left of it before. An older epoch that fails does not keep it from the others.
func (s *Slots) clear(x file.Erasure) error {
	var aside error
	for epoch := x.Epoch; epoch <= x.Said.Epoch; epoch++ {
		err := s.clearIn(epoch, x)
		if err != nil && epoch == s.Own().Epoch {
			return err
		}
		if err != nil {
			aside = errors.Join(aside, asideError{err})
		}
	}
	return aside
}

// clearIn is clear in one epoch.
func (s *Slots) clearIn(epoch int, x file.Erasure) error {
	seqs, err := s.carriers(epoch, x)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the epoch was taken away
	}
	if err != nil {
		return err
	}
	if epoch == x.Epoch {
		seqs = append(seqs, x.Seqs...)
		slices.Sort(seqs)
		seqs = slices.Compact(seqs)
	}
	if len(seqs) == 0 {
		return nil
	}
	if w := s.Own(); epoch == w.Epoch {
		return w.Erase(seqs)
	}
	return s.clearAside(epoch, seqs, x.Said)
}

// carriers lists the entries of an epoch that carried what was left of those that are erased, before the erase entry.
func (s *Slots) carriers(epoch int, x file.Erasure) ([]int64, error) {
	r, err := file.OpenFile(s.path(epoch))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Carriers(x)
}

// clearAside writes zeros over slots of an older epoch. They are marked only where nothing is left that was said before: an
// epoch may have said something that carryOutAside could not do.
func (s *Slots) clearAside(epoch int, seqs []int64, said seal.Place) error {
	files, err := slotsAside(file.OfEpoch(s.Dir, epoch))
	if err == nil {
		err = s.Inject("erase")
	}
	if err == nil {
		err = files.Erase(seqs)
	}
	if err == nil && s.carriedOut(said) && !files.Done().Before(seal.Place{Epoch: said.Epoch}) {
		err = files.Mark(said)
	}
	if err == nil {
		err = s.Inject("erased")
	}
	return errors.Join(err, files.Close())
}

// slotsAside opens the slots of an older epoch for writing.
func slotsAside(path string) (seal.Files, error) {
	r, err := file.OpenFile(path)
	if err != nil {
		return nil, err
	}
	files, err := r.Slots(os.O_RDWR)
	return files, errors.Join(err, r.Close())
}

// CarryOut does what erase entries say and a crash, or an older copy of the slots, left undone.
func (s *Slots) CarryOut() error {
	w := s.Own()
	r, err := file.OpenFile(s.path(w.Epoch))
	if err != nil {
		return err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return err
	}
	do := func(x file.Erasure) error {
		if x.Seqs == nil {
			s.Log.Error("an erase entry cannot be read, as its slot is lost: what it names may still be readable", "entry", x.Said.Seq)
			return nil
		}
		err := s.clear(x)
		if errors.As(err, new(asideError)) {
			s.postpone(x)
			err = nil
		}
		return err
	}
	s.mu.Lock()
	s.undone = nil // they are found again
	s.mu.Unlock()
	if err := r.Erasures(w.Files.Done().Seq, do); err != nil {
		return err
	}
	for _, n := range file.Aside(s.Dir, w.Epoch) {
		if err := s.carryOutAside(r, n, do); err != nil {
			s.Log.Warn("erasures in an older epoch are not carried out; the next start tries again",
				"ledger", filepath.Base(file.OfEpoch("", n)), "cause", err)
		}
	}
	if s.settle(); s.Pending() {
		return nil
	}
	return w.Mark(seal.Place{Epoch: w.Epoch, Seq: size})
}

// carryOutAside is CarryOut for an older epoch whose slots know of no erasure in the current one: it ended just now, or its
// slots were restored.
func (s *Slots) carryOutAside(current *file.Reader, n int, do func(file.Erasure) error) error {
	own := current.Meta.Epoch
	files, err := slotsAside(file.OfEpoch(s.Dir, n))
	if err != nil || len(files) == 0 || !files.Done().Before(seal.Place{Epoch: own, Seq: 0}) {
		return errors.Join(err, files.Close())
	}
	from := files.Done()
	ours := func(x file.Erasure) error {
		if x.Epoch > n { // of an older one it may have carried something
			return nil
		}
		return do(x)
	}
	for epoch := from.Epoch; epoch < own && err == nil; epoch++ {
		after := int64(0)
		if epoch == from.Epoch {
			after = from.Seq
		}
		var r *file.Reader
		if r, err = file.OpenFile(file.OfEpoch(s.Dir, epoch)); errors.Is(err, fs.ErrNotExist) {
			err = nil
			continue
		} else if err == nil {
			err = errors.Join(r.Erasures(after, ours), r.Close())
		}
	}
	if err == nil {
		err = current.Erasures(0, ours)
	}
	if begun := (seal.Place{Epoch: own}); err == nil && s.carriedOut(begun) {
		err = files.Mark(begun)
	}
	return errors.Join(err, files.Close())
}
