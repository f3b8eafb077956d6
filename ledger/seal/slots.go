package seal

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The slots of a ledger stand in a flat file beside it: 32 bytes that say whose they are, then 32 random bytes for each
// entry, written before the entry is. Where the file was lost or is another ledger's, it stays as it is, and a second one
// begins with the next entry and bears its number in its name. Zeros over a slot are the only change there is.

const (
	slotSize   = 32
	slotsAhead = 4096 // of so many entries to come the slots are on the disk, or being written

	// MaxBeyond is how many slots there may be behind the newest entry, whatever was cut off.
	MaxBeyond = 3 * slotsAhead
)

// Slot is the random bytes of one entry. Zeros are those of an entry whose personal data was erased.
type Slot [slotSize]byte

// Whose says to which ledger slots and sealed data belong.
type Whose struct {
	Origin string
	Epoch  int
	Check  string // of its master key
}

// Place is an entry among those of all epochs.
type Place struct {
	Epoch int
	Seq   int64
}

func (p Place) Before(o Place) bool { return p.Epoch < o.Epoch || p.Epoch == o.Epoch && p.Seq < o.Seq }

// slotFile is a file of slots, of the entries from first on.
type slotFile struct {
	f     *os.File
	path  string
	first int64
	done  Place // up to it all erasures were carried out here
}

// markAt is where the mark begins: after the 20 bytes of slotsOf.
const markAt = 20

// slotsOf is what a file of slots begins with: it tells a file of another box (which has another master key), of another
// epoch or of another place.
func slotsOf(m Whose, first int64) [markAt]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "gated slots 1\n%s\n%d\n%s\n%d\n", m.Origin, m.Epoch, m.Check, first))
	return [markAt]byte(sum[:])
}

func (p Place) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, uint32(p.Epoch)), uint64(p.Seq))
}

// Stem is how the names of the slot files begin that belong to a ledger file.
func Stem(ledger string) string {
	if filepath.Base(ledger) == "ledger.db" {
		return filepath.Join(filepath.Dir(ledger), "personal")
	}
	return strings.TrimSuffix(ledger, ".db")
}

// Name is that of the slot file whose first slot is an entry's.
func Name(stem string, first int64) string {
	if first <= 1 {
		return stem + ".keys"
	}
	return fmt.Sprintf("%s-%d.keys", stem, first)
}

// Owns tells whether a file of slots, of the entries from first on, that begins so is the ledger's.
func (m Whose) Owns(head []byte, first int64) bool {
	return len(head) >= markAt && [markAt]byte(head) == slotsOf(m, first)
}

// errForeignSlots: a file of slots that belongs to another ledger, or none at all.
var errForeignSlots = errors.New("not the slots of this ledger")

// openSlotFile opens a file of slots and looks whose they are.
func openSlotFile(path string, m Whose, first int64, flag int) (*slotFile, error) {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	s := &slotFile{f: f, path: path, first: first}
	var head [slotSize]byte
	switch _, err := f.ReadAt(head[:], 0); {
	case err == io.EOF, err == nil && !m.Owns(head[:], first):
		f.Close()
		return nil, fmt.Errorf("%s: %w: it stays as it is; if the right one is somewhere, put it back under this name",
			path, errForeignSlots)
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	s.done = Place{int(binary.BigEndian.Uint32(head[markAt:])), int64(binary.BigEndian.Uint64(head[markAt+4:]))}
	return s, nil
}

// end is the newest entry that has a whole slot.
func (s *slotFile) end() (int64, error) {
	st, err := s.f.Stat()
	if err != nil {
		return 0, err
	}
	return s.first - 2 + st.Size()/slotSize, nil
}

func (s *slotFile) at(seq int64) int64 { return (seq - s.first + 1) * slotSize }

// read reads the slots of the entries from..to as far as the file has them.
func (s *slotFile) read(from, to int64) ([]Slot, error) {
	b := make([]byte, (to-from+1)*slotSize)
	n, err := s.f.ReadAt(b, s.at(from))
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", s.path, err)
	}
	var all []Slot
	for ; n >= slotSize; n, b = n-slotSize, b[slotSize:] {
		all = append(all, Slot(b))
	}
	return all, nil
}

// sync makes durable what was written, and nothing else.
func (s *slotFile) sync() error {
	for {
		if err := unix.Fdatasync(int(s.f.Fd())); err != unix.EINTR {
			if err != nil {
				err = fmt.Errorf("sync %s: %w", s.path, err)
			}
			return err
		}
	}
}

// Sync is slotFile.sync for all of them.
func (files Files) Sync() (err error) {
	for _, s := range files {
		err = errors.Join(err, s.sync())
	}
	return err
}

// Files are those of one epoch, in order of their entries.
type Files []*slotFile

// OpenFiles opens those that are there. lost says which are not this ledger's; err, which could not be read now.
func OpenFiles(stem string, m Whose, flag int) (files Files, lost, err error) {
	add := func(path string, first int64) {
		f, ferr := openSlotFile(path, m, first, flag)
		switch {
		case ferr == nil:
			files = append(files, f)
		case errors.Is(ferr, errForeignSlots):
			lost = errors.Join(lost, ferr)
		case !errors.Is(ferr, fs.ErrNotExist):
			err = errors.Join(err, ferr)
		}
	}
	add(Name(stem, 1), 1)
	names, derr := os.ReadDir(filepath.Dir(stem))
	if derr != nil {
		return files, lost, errors.Join(err, derr)
	}
	for _, n := range names {
		var first int64
		rest, ok := strings.CutPrefix(n.Name(), filepath.Base(stem)+"-")
		if !ok {
			continue
		}
		if _, serr := fmt.Sscanf(rest, "%d.keys", &first); serr == nil && first > 0 && rest == fmt.Sprintf("%d.keys", first) {
			add(filepath.Join(filepath.Dir(stem), n.Name()), first)
		}
	}
	files.sort()
	return files, lost, err
}

func (files Files) sort() {
	slices.SortFunc(files, func(a, b *slotFile) int { return cmp.Compare(a.first, b.first) })
}

// Paths are where they are.
func (files Files) Paths() (paths []string) {
	for _, s := range files {
		paths = append(paths, s.f.Name())
	}
	return paths
}

func (files Files) Close() (err error) {
	for _, s := range files {
		err = errors.Join(err, s.f.Close())
	}
	return err
}

// of is the file in which the slot of an entry stands, and the last entry for which that is so.
func (files Files) of(seq int64) (s *slotFile, last int64) {
	last = 1<<62 - 1
	for i := len(files) - 1; i >= 0; i-- {
		if files[i].first <= seq {
			return files[i], last
		}
		last = files[i].first - 1
	}
	return nil, last
}

// Read reads the slots of the entries from..to. here tells which have one; zeros are one that was erased.
func (files Files) Read(from, to int64) (all []Slot, here []bool, err error) {
	all, here = make([]Slot, to-from+1), make([]bool, to-from+1)
	for seq := from; seq <= to; {
		s, last := files.of(seq)
		last = min(last, to)
		if s != nil {
			part, err := s.read(seq, last)
			if err != nil {
				return nil, nil, err
			}
			for i := range part {
				all[seq-from+int64(i)], here[seq-from+int64(i)] = part[i], true
			}
		}
		seq = last + 1
	}
	return all, here, nil
}

// missing lists, for people, which of the entries 1..size have no slot in any file.
func (files Files) missing(size int64) (gaps []string, err error) {
	next := int64(1)
	for i, s := range files {
		if s.first > next && next <= size {
			gaps = append(gaps, fmt.Sprintf("%d to %d", next, min(s.first-1, size)))
		}
		end, err := s.end()
		if err != nil {
			return nil, err
		}
		if i+1 < len(files) {
			end = min(end, files[i+1].first-1)
		}
		next = max(next, end+1)
	}
	if next <= size {
		gaps = append(gaps, fmt.Sprintf("%d to %d", next, size))
	}
	return gaps, nil
}

// End is the newest entry that has a slot; 0: none.
func (files Files) End() (int64, error) {
	if len(files) == 0 {
		return 0, nil
	}
	return files[len(files)-1].end()
}

// Erase writes zeros over the slots of entries, which are in order, and syncs them. What has no slot needs none.
func (files Files) Erase(seqs []int64) error {
	var written Files
	for i := 0; i < len(seqs); {
		s, last := files.of(seqs[i])
		from, n := seqs[i], int64(1)
		for i++; i < len(seqs) && seqs[i] == from+n && seqs[i] <= last; i++ {
			n++
		}
		if s == nil {
			continue
		}
		end, err := s.end()
		if err != nil {
			return err
		}
		if n = min(n, end-from+1); n <= 0 {
			continue
		}
		if _, err := s.f.WriteAt(make([]byte, n*slotSize), s.at(from)); err != nil {
			return fmt.Errorf("erase in %s: %w", s.path, err)
		}
		if len(written) == 0 || written[len(written)-1] != s {
			written = append(written, s)
		}
	}
	for _, s := range written {
		if err := s.sync(); err != nil {
			return err
		}
	}
	return nil
}

// Done is up to which entry all erasures were carried out in these files.
func (files Files) Done() (p Place) {
	for i, s := range files {
		if i == 0 || s.done.Before(p) {
			p = s.done
		}
	}
	return p
}

// Mark says up to which entry all erasures were carried out. A power cut may take that back: then they are carried out again.
func (files Files) Mark(p Place) error {
	for _, s := range files {
		if !s.done.Before(p) {
			continue
		}
		if _, err := s.f.WriteAt(p.bytes(), markAt); err != nil {
			return fmt.Errorf("write %s: %w", s.path, err)
		}
		s.done = p
	}
	return nil
}
