package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gated/durable"
)

// Writer is the slot files of the current epoch as their one writer sees them.
type Writer struct {
	Epoch int
	Files Files // for others to read

	inject func(op string) error

	// A write and its sync go together, under this mutex: the kernel tells of a write that failed once, and that must be
	// told to who wrote.
	mu     sync.Mutex
	synced atomic.Int64 // the newest entry whose slot is on the disk
	work   sync.WaitGroup
	busy   atomic.Bool
}

// OpenWriter opens the slots of a ledger of size entries for writing, and sees to it that the next entry has one. Where the
// file that ought to have it is missing, another ledger's or too short, a new one begins with that entry; lost then says
// what happened, since nobody can read the personal data of older entries unless the file is put back.
func OpenWriter(stem string, m Whose, size int64, inject func(op string) error) (w *Writer, lost, err error) {
	files, lost, err := OpenFiles(stem, m, os.O_RDWR)
	w = &Writer{Epoch: m.Epoch, Files: files, inject: inject}
	if err == nil { // else it may be readable at the next try: that is no reason to begin another
		var gaps []string
		if gaps, err = files.missing(size); len(gaps) > 0 {
			lost = errors.Join(lost, fmt.Errorf("%s: it has no slots of the entries %s, whose personal data cannot be read without: "+
				"put it back from the backup", Name(stem, 1), strings.Join(gaps, " and ")))
		}
	}
	if err == nil {
		err = w.begin(stem, m, size)
	}
	if err != nil {
		return nil, lost, errors.Join(err, w.Files.Close())
	}
	return w, lost, nil
}

// Rewriter is a writer of slots that only get erased.
func Rewriter(files Files, epoch int, inject func(op string) error) *Writer {
	return &Writer{Epoch: epoch, Files: files, inject: inject}
}

// begin makes ready the slots behind those of the first size entries.
func (w *Writer) begin(stem string, m Whose, size int64) error {
	for _, s := range w.Files {
		if st, err := s.f.Stat(); err == nil && st.Mode().Perm()&0o077 != 0 {
			if err := s.f.Chmod(0o600); err != nil { // a copy that lost its mode must not stop the gate
				return err
			}
		}
	}
	last, _ := w.Files.of(size + 1)
	if last != nil {
		end, err := last.end()
		if err != nil {
			return err
		}
		if end < size {
			last = nil // short: what is missing must stay missing, not become other slots
		}
	}
	if last == nil {
		s, err := newSlotFile(stem, m, size)
		if err != nil {
			return err
		}
		w.Files = append(w.Files, s)
		w.Files.sort()
	}
	w.synced.Store(size)
	return w.extend(size + 2*slotsAhead)
}

// newSlotFile makes a file whose slots begin after the first size entries. It is whole or not there, and replaces none.
func newSlotFile(stem string, m Whose, size int64) (*slotFile, error) {
	path := Name(stem, size+1)
	if _, err := os.Lstat(path); err == nil { // of the first entry: personal.keys is another ledger's
		path = fmt.Sprintf("%s-%d.keys", stem, size+1)
	}
	head := slotsOf(m, size+1)
	if err := durable.Create(path, append(head[:], Place{m.Epoch, size}.bytes()...), 0o600); err != nil {
		return nil, err
	}
	return openSlotFile(path, m, size+1, os.O_RDWR)
}

// extend writes random bytes into the slots up to that of an entry. A slot that has some keeps them, since an entry that the
// ledger does not know now may have been sealed under it, and they are written once more: what is read here may never have
// reached the disk.
func (w *Writer) extend(to int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for from := w.synced.Load() + 1; from <= to; from = w.synced.Load() + 1 {
		s, last := w.Files.of(from)
		last = min(last, to)
		have, err := s.read(from, last)
		if err != nil {
			return err
		}
		b := make([]byte, (last-from+1)*slotSize)
		rand.Read(b) // never fails: the process ends first
		for i := range have {
			if have[i] != (Slot{}) {
				copy(b[i*slotSize:], have[i][:])
			}
		}
		if err := w.asked("slots"); err != nil {
			return fmt.Errorf("write %s: %w", s.path, err)
		}
		if _, err := s.f.WriteAt(b, s.at(from)); err != nil {
			return fmt.Errorf("write %s: %w", s.path, err)
		}
		if err := s.sync(); err != nil {
			return err
		}
		w.synced.Store(last)
	}
	return w.asked("slots-synced")
}

// Ahead has the next slots written, beside the writer, when fewer than slotsAhead are left after size entries, and then calls
// done.
func (w *Writer) Ahead(size int64, done func(error)) {
	if w.synced.Load()-size >= slotsAhead || !w.busy.CompareAndSwap(false, true) {
		return
	}
	w.work.Go(func() {
		err := w.extend(size + 2*slotsAhead)
		w.busy.Store(false)
		done(err)
	})
}

// Slots returns those of the entries from..to, which are on the disk.
func (w *Writer) Slots(from, to int64) ([]Slot, error) {
	if to > w.synced.Load() { // the disk did not keep up
		if err := w.extend(to + slotsAhead); err != nil {
			return nil, err
		}
	}
	all, here, err := w.Files.Read(from, to)
	if i := slices.Index(here, false); err == nil && i >= 0 {
		err = fmt.Errorf("the slot of entry %d is not there any more: somebody has changed the file of slots", from+int64(i))
	}
	return all, err
}

// Erase is Files.erase, while others write.
func (w *Writer) Erase(seqs []int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.asked("erase"); err != nil {
		return err
	}
	if err := w.Files.Erase(seqs); err != nil {
		return err
	}
	return w.asked("erased")
}

// Mark is Files.mark, while others write.
func (w *Writer) Mark(p Place) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Files.Mark(p)
}

func (w *Writer) asked(op string) error {
	if w.inject == nil {
		return nil
	}
	return w.inject(op)
}

// Close waits for what is being written.
func (w *Writer) Close() error {
	w.work.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Files.Close()
}
