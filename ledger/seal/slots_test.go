package seal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// southGate is the ledger whose slots these tests keep.
var southGate = Whose{Origin: "south-gate", Epoch: 1, Check: "south"}

// slotsAt opens the slots of a ledger of size entries in dir, which must be well.
func slotsAt(t testing.TB, dir string, size int64) *Writer {
	t.Helper()
	w, lost, err := OpenWriter(filepath.Join(dir, "personal"), southGate, size, nil)
	if err != nil || lost != nil {
		t.Fatalf("open the slots: %v, lost %v", err, lost)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func (w *Writer) must(t testing.TB, from, to int64) []Slot {
	t.Helper()
	all, err := w.Slots(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSlotsAreRandomAndStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := slotsAt(t, dir, 0)
	first := w.must(t, 1, 3*slotsAhead)
	seen := map[Slot]bool{{}: true}
	for i, s := range first {
		if seen[s] {
			t.Fatalf("the slot of entry %d is zeros, or that of another", i+1)
		}
		seen[s] = true
	}
	w.Close()
	path := filepath.Join(dir, "personal.keys")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b[7*slotSize:8*slotSize], first[6][:]) {
		t.Error("slot 7 does not begin at byte 7 × 32")
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	w = slotsAt(t, dir, 5000)
	if again := w.must(t, 1, 3*slotsAhead); !slices.Equal(again, first) {
		t.Error("they changed at the second opening")
	}
}

func TestSlotsAreWrittenAhead(t *testing.T) {
	t.Parallel()
	w := slotsAt(t, t.TempDir(), 0)
	for size := int64(0); size < 3*slotsAhead; size += 100 {
		w.Ahead(size, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
		w.work.Wait()
		if n := w.synced.Load() - size; n < slotsAhead || n > 2*slotsAhead {
			t.Fatalf("with %d entries %d slots are ahead", size, n)
		}
		end, err := w.Files.End()
		if err != nil || end-size > 2*slotsAhead {
			t.Fatalf("with %d entries the file has %d more: %v", size, end, err)
		}
	}
}

// What a crash between writing ahead and using leaves: any length, and zeros where the disk was not reached.
func TestSlotsAfterACrashWhileTheyWereWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "personal.keys")
	w := slotsAt(t, dir, 0)
	first := w.must(t, 1, slotsAhead)
	w.Close()
	for _, cut := range []int64{slotSize * (slotsAhead + 1), slotSize*3000 + 17, slotSize*101 + 1, slotSize * 101} {
		if err := os.Truncate(path, cut); err != nil {
			t.Fatal(err)
		}
		f, _ := os.OpenFile(path, os.O_WRONLY, 0)
		f.WriteAt(make([]byte, 500), cut-500*min(1, (cut-101*slotSize)/500)) // the last blocks were not written yet
		f.Close()
		w := slotsAt(t, dir, 100)
		all := w.must(t, 1, 100+slotsAhead)
		if !slices.Equal(all[:100], first[:100]) {
			t.Errorf("cut at %d: slots in use have changed", cut)
		}
		if i := slices.Index(all, Slot{}); i >= 0 {
			t.Errorf("cut at %d: the slot of entry %d is zeros", cut, i+1)
		}
		if !slices.Equal(all, w.must(t, 1, 100+slotsAhead)) {
			t.Errorf("cut at %d: read twice, and not the same", cut)
		}
		w.Close()
	}
}

// A file that is missing, short or another ledger's is never made anew: the next entry gets a file of its own, and those
// whose slots are elsewhere are not touched.
func TestSlotsThatAreNotThere(t *testing.T) {
	t.Parallel()
	const size = 1000
	for name, c := range map[string]struct {
		damage func(t *testing.T, path string)
		says   string
		short  int64 // slots that are still good
	}{
		"missing": {func(t *testing.T, path string) { os.Remove(path) }, "no slots of the entries 1 to 1000", 0},
		"empty":   {func(t *testing.T, path string) { os.Truncate(path, 0) }, "not the slots of this ledger", 0},
		"short":   {func(t *testing.T, path string) { os.Truncate(path, 601*slotSize+5) }, "no slots of the entries 601 to 1000", 600},
		"of another box": {func(t *testing.T, path string) {
			other := filepath.Join(t.TempDir(), "personal")
			w, _, err := OpenWriter(other, Whose{Origin: "south-gate", Epoch: 1, Check: "north"}, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.Close()
			os.Rename(other+".keys", path)
		}, "not the slots of this ledger", 0},
		"of another epoch": {func(t *testing.T, path string) {
			other := filepath.Join(t.TempDir(), "personal")
			w, _, err := OpenWriter(other, Whose{Origin: "south-gate", Epoch: 2, Check: "south"}, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.Close()
			os.Rename(other+".keys", path)
		}, "not the slots of this ledger", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "personal.keys")
			w := slotsAt(t, dir, 0)
			first := w.must(t, 1, size)
			w.Close()
			c.damage(t, path)
			before, _ := os.ReadFile(path)

			w, lost, err := OpenWriter(filepath.Join(dir, "personal"), southGate, size, nil)
			if err != nil {
				t.Fatal(err)
			}
			if lost == nil || !strings.Contains(lost.Error(), c.says) || !strings.Contains(lost.Error(), path) {
				t.Errorf("got %v, want %q and the name", lost, c.says)
			}
			next := w.must(t, size+1, size+10)
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			all, here, err := w.Files.Read(1, size+10)
			if err != nil || !slices.Equal(all[size:], next) || !slices.Equal(all[:c.short], first[:c.short]) {
				t.Errorf("what is there reads otherwise: %v", err)
			}
			if got := slices.Index(here, false); int64(got) != c.short {
				t.Errorf("entry %d is the first without a Slot, want %d", got+1, c.short+1)
			}
			w.Close()
			if _, err := os.Stat(filepath.Join(dir, "personal-1001.keys")); err != nil {
				t.Error(err)
			}

			// The next opening goes on with the new file; put back, the old one is read again.
			w, _, err = OpenWriter(filepath.Join(dir, "personal"), southGate, size+10, nil)
			if err != nil || !slices.Equal(w.must(t, size+1, size+10), next) {
				t.Errorf("opened again: %v", err)
			}
			w.Close()
			if files, _ := filepath.Glob(filepath.Join(dir, "personal-*.keys")); len(files) != 1 {
				t.Errorf("a file for each opening: %v", files)
			}
		})
	}
}

func TestASlotFileOfAnotherBoxBeforeTheFirstEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stem := filepath.Join(dir, "personal")
	w, _, err := OpenWriter(stem, Whose{Origin: "south-gate", Epoch: 1, Check: "north"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	w, lost, err := OpenWriter(stem, southGate, 0, nil)
	if err != nil || !errors.Is(lost, errForeignSlots) {
		t.Fatalf("%v, lost %v", err, lost)
	}
	one := w.must(t, 1, 1)
	w.Close()
	if w, lost, err = OpenWriter(stem, southGate, 1, nil); err != nil || !slices.Equal(w.must(t, 1, 1), one) {
		t.Errorf("opened again: %v, lost %v", err, lost)
	}
	w.Close()
}

func TestErasedSlotsAreZeros(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := slotsAt(t, dir, 0)
	w.must(t, 1, 3000)
	w.Close()
	os.Remove(filepath.Join(dir, "personal.keys"))
	w, lost, err := OpenWriter(filepath.Join(dir, "personal"), southGate, 1000, nil) // two files, none of 1 to 1000
	if err != nil || lost == nil {
		t.Fatal(err, lost)
	}
	w.Close()
	w, _, _ = OpenWriter(filepath.Join(dir, "personal"), southGate, 1200, nil)
	before := w.must(t, 1001, 3000)
	gone := []int64{3, 500, 1001, 1002, 1003, 1050, 1199, 1e9}
	if err := w.Erase(gone); err != nil {
		t.Fatal(err)
	}
	size := func() int64 { st, _ := os.Stat(filepath.Join(dir, "personal-1001.keys")); return st.Size() }
	if n := size(); n > 10000*slotSize {
		t.Errorf("an entry that is not there made the file %d bytes", n)
	}
	all, err := w.Slots(1001, 3000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if erased := slices.Contains(gone, int64(i)+1001); erased != (all[i] == Slot{}) || !erased && all[i] != before[i] {
			t.Errorf("slot of entry %d: erased %v, and it is %x", i+1001, erased, all[i][:4])
		}
	}
	b, _ := os.ReadFile(filepath.Join(dir, "personal-1001.keys"))
	for _, seq := range gone[2:7] {
		if bytes.Contains(b, before[seq-1001][:]) {
			t.Errorf("the key of entry %d is still in the file", seq)
		}
	}
	if got := w.Files.Done(); got != (Place{1, 1000}) {
		t.Errorf("carried out up to %v", got)
	}
	if err := w.Mark(Place{1, 1200}); err != nil {
		t.Fatal(err)
	}
	if err := w.Mark(Place{1, 1100}); err != nil { // never back
		t.Fatal(err)
	}
	w.Close()
	w, _, err = OpenWriter(filepath.Join(dir, "personal"), southGate, 1200, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Files.Done(); got != (Place{1, 1200}) {
		t.Errorf("read again: carried out up to %v", got)
	}
	w.Close()
}

// Nothing is handed out that is not on the disk, and who wrote is told.
func TestSlotsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := errors.New("no space left")
	fail := false
	w, _, err := OpenWriter(filepath.Join(dir, "personal"), southGate, 0, func(op string) error {
		if fail && op == "slots" {
			return broken
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fail = true
	told := make(chan error, 1)
	w.Ahead(slotsAhead+10, func(err error) { told <- err })
	select {
	case err := <-told:
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "personal.keys") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told")
	}
	if all, err := w.Slots(2*slotsAhead-1, 2*slotsAhead+1); !errors.Is(err, broken) || all != nil {
		t.Errorf("handed out all the same: %d, %v", len(all), err)
	}
	if _, err := w.Slots(2*slotsAhead-1, 2*slotsAhead); err != nil {
		t.Errorf("those before it: %v", err)
	}
	fail = false
	if _, err := w.Slots(2*slotsAhead-1, 2*slotsAhead+1); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
