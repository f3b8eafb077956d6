package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// southGate is the ledger whose slots these tests keep.
var southGate = Meta{Origin: "south-gate", Epoch: 1, Master: "south"}

// slotsAt opens the slots of a ledger of size entries in dir, which must be well.
func slotsAt(t testing.TB, dir string, size int64) *slotWriter {
	t.Helper()
	w, lost, err := openSlots(filepath.Join(dir, "personal"), southGate, size, nil)
	if err != nil || lost != nil {
		t.Fatalf("open the slots: %v, lost %v", err, lost)
	}
	t.Cleanup(func() { w.close() })
	return w
}

func (w *slotWriter) must(t testing.TB, from, to int64) []slot {
	t.Helper()
	all, err := w.slots(from, to)
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
	seen := map[slot]bool{{}: true}
	for i, s := range first {
		if seen[s] {
			t.Fatalf("the slot of entry %d is zeros, or that of another", i+1)
		}
		seen[s] = true
	}
	w.close()
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
		w.ahead(size, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
		w.work.Wait()
		if n := w.synced.Load() - size; n < slotsAhead || n > 2*slotsAhead {
			t.Fatalf("with %d entries %d slots are ahead", size, n)
		}
		end, err := w.files.beyond(size)
		if err != nil || end > 2*slotsAhead {
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
	w.close()
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
		if i := slices.Index(all, slot{}); i >= 0 {
			t.Errorf("cut at %d: the slot of entry %d is zeros", cut, i+1)
		}
		if !slices.Equal(all, w.must(t, 1, 100+slotsAhead)) {
			t.Errorf("cut at %d: read twice, and not the same", cut)
		}
		w.close()
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
			w, _, err := openSlots(other, Meta{Origin: "south-gate", Epoch: 1, Master: "north"}, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.close()
			os.Rename(other+".keys", path)
		}, "not the slots of this ledger", 0},
		"of another epoch": {func(t *testing.T, path string) {
			other := filepath.Join(t.TempDir(), "personal")
			w, _, err := openSlots(other, Meta{Origin: "south-gate", Epoch: 2, Master: "south"}, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.close()
			os.Rename(other+".keys", path)
		}, "not the slots of this ledger", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "personal.keys")
			w := slotsAt(t, dir, 0)
			first := w.must(t, 1, size)
			w.close()
			c.damage(t, path)
			before, _ := os.ReadFile(path)

			w, lost, err := openSlots(filepath.Join(dir, "personal"), southGate, size, nil)
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
			all, here, err := w.files.read(1, size+10)
			if err != nil || !slices.Equal(all[size:], next) || !slices.Equal(all[:c.short], first[:c.short]) {
				t.Errorf("what is there reads otherwise: %v", err)
			}
			if got := slices.Index(here, false); int64(got) != c.short {
				t.Errorf("entry %d is the first without a slot, want %d", got+1, c.short+1)
			}
			w.close()
			if _, err := os.Stat(filepath.Join(dir, "personal-1001.keys")); err != nil {
				t.Error(err)
			}

			// The next opening goes on with the new file; put back, the old one is read again.
			w, _, err = openSlots(filepath.Join(dir, "personal"), southGate, size+10, nil)
			if err != nil || !slices.Equal(w.must(t, size+1, size+10), next) {
				t.Errorf("opened again: %v", err)
			}
			w.close()
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
	w, _, err := openSlots(stem, Meta{Origin: "south-gate", Epoch: 1, Master: "north"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.close()
	w, lost, err := openSlots(stem, southGate, 0, nil)
	if err != nil || !errors.Is(lost, errForeignSlots) {
		t.Fatalf("%v, lost %v", err, lost)
	}
	one := w.must(t, 1, 1)
	w.close()
	if w, lost, err = openSlots(stem, southGate, 1, nil); err != nil || !slices.Equal(w.must(t, 1, 1), one) {
		t.Errorf("opened again: %v, lost %v", err, lost)
	}
	w.close()
}

func TestErasedSlotsAreZeros(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := slotsAt(t, dir, 0)
	w.must(t, 1, 3000)
	w.close()
	os.Remove(filepath.Join(dir, "personal.keys"))
	w, lost, err := openSlots(filepath.Join(dir, "personal"), southGate, 1000, nil) // two files, none of 1 to 1000
	if err != nil || lost == nil {
		t.Fatal(err, lost)
	}
	w.close()
	w, _, _ = openSlots(filepath.Join(dir, "personal"), southGate, 1200, nil)
	before := w.must(t, 1001, 3000)
	gone := []int64{3, 500, 1001, 1002, 1003, 1050, 1199, 1e9}
	if err := w.erase(gone); err != nil {
		t.Fatal(err)
	}
	size := func() int64 { st, _ := os.Stat(filepath.Join(dir, "personal-1001.keys")); return st.Size() }
	if n := size(); n > 10000*slotSize {
		t.Errorf("an entry that is not there made the file %d bytes", n)
	}
	all, err := w.slots(1001, 3000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if erased := slices.Contains(gone, int64(i)+1001); erased != (all[i] == slot{}) || !erased && all[i] != before[i] {
			t.Errorf("slot of entry %d: erased %v, and it is %x", i+1001, erased, all[i][:4])
		}
	}
	b, _ := os.ReadFile(filepath.Join(dir, "personal-1001.keys"))
	for _, seq := range gone[2:7] {
		if bytes.Contains(b, before[seq-1001][:]) {
			t.Errorf("the key of entry %d is still in the file", seq)
		}
	}
	if got := w.files.done(); got != (place{1, 1000}) {
		t.Errorf("carried out up to %v", got)
	}
	if err := w.mark(place{1, 1200}); err != nil {
		t.Fatal(err)
	}
	if err := w.mark(place{1, 1100}); err != nil { // never back
		t.Fatal(err)
	}
	w.close()
	w, _, err = openSlots(filepath.Join(dir, "personal"), southGate, 1200, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.files.done(); got != (place{1, 1200}) {
		t.Errorf("read again: carried out up to %v", got)
	}
	w.close()
}

// Nothing is handed out that is not on the disk, and who wrote is told.
func TestSlotsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := errors.New("no space left")
	fail := false
	w, _, err := openSlots(filepath.Join(dir, "personal"), southGate, 0, func(op string) error {
		if fail && op == "slots" {
			return broken
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	fail = true
	told := make(chan error, 1)
	w.ahead(slotsAhead+10, func(err error) { told <- err })
	select {
	case err := <-told:
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "personal.keys") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told")
	}
	if all, err := w.slots(2*slotsAhead-1, 2*slotsAhead+1); !errors.Is(err, broken) || all != nil {
		t.Errorf("handed out all the same: %d, %v", len(all), err)
	}
	if _, err := w.slots(2*slotsAhead-1, 2*slotsAhead); err != nil {
		t.Errorf("those before it: %v", err)
	}
	fail = false
	if _, err := w.slots(2*slotsAhead-1, 2*slotsAhead+1); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestFaultOfAFullDiskWhileSlotsAreWritten(t *testing.T) {
	t.Parallel()
	dir := memory(t)
	w := slotsAt(t, dir, 0)
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{64 << 10, 4 << 10, 1} {
		for err = nil; err == nil; _, err = ballast.Write(make([]byte, size)) {
		}
	}
	ballast.Close()
	told := make(chan error, 1)
	w.ahead(slotsAhead+1, func(err error) { told <- err })
	if err := <-told; !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	before := w.must(t, 1, 2*slotsAhead)
	if _, err := w.slots(2*slotsAhead, 2*slotsAhead+1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("handed out: %v", err)
	}
	if err := w.erase([]int64{7}); err != nil { // takes no room
		t.Error(err)
	}
	os.Remove(ballast.Name())
	after := w.must(t, 1, 2*slotsAhead+1)
	if before[6] = (slot{}); !slices.Equal(after[:2*slotsAhead], before) {
		t.Error("others than the one that was erased have changed")
	}
}

// The plaintext and, after the erasure, the key are nowhere on the disk.
func TestErasedPersonalDataIsNowhereOnTheDisk(t *testing.T) {
	t.Parallel()
	d := newImage(t)
	m, err := newMaster(filepath.Join(d.dir, "personal.key"))
	if err != nil {
		t.Fatal(err)
	}
	w := slotsAt(t, d.dir, 0)
	rows := fieldsOf(Field{"name", "Wang Xiaoming of 3-2-1203"})
	s := seals{m, "south-gate", 1}
	slots := w.must(t, 1, 100)
	var all []byte
	for i, k := range slots {
		sealed, err := s.seal(int64(i)+1, k, commitment(rows), encodeFields(rows))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sealed...)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "sealed"), all, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "sync")
	gone := map[string][]byte{"name": []byte(rows[0].Value), "key of 7": slots[6][:], "key of 8": slots[7][:]}
	if found := traces(t, filepath.Dir(d.path), gone); len(found) != 2 {
		t.Errorf("before the erasure: %v, want both keys", found)
	}
	if err := w.erase([]int64{7, 8}); err != nil {
		t.Fatal(err)
	}
	if found := traces(t, filepath.Dir(d.path), gone); len(found) != 0 {
		t.Errorf("after it: %v", found)
	}
}

// A disk that takes no more slots closes the gate before one is missing; nothing is ever recorded unsealed.
func TestFaultOfSlotsThatCannotBeWrittenAhead(t *testing.T) {
	t.Parallel()
	ck := &clock{t: time.Now()}
	dir := t.TempDir()
	opt := options(dir, ck)
	healed := healing(&opt)
	var full atomic.Bool
	opt.Inject = func(op string) error {
		if op == "slots" && full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}
	l, err := Open(opt)
	if err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	defer l.Close()
	full.Store(true)
	n := 0
	for ; err == nil; n++ {
		_, err = l.Append(register(ck, fmt.Sprint("p", n), "in", "admit", "resident"))
	}
	if f := l.Fault(); !errors.Is(err, ErrFault) || f == nil || !strings.Contains(f.Cause, "personal.keys: no space left") {
		t.Fatalf("%v, fault %+v", err, f)
	}
	if n < slotsAhead || n > 2*slotsAhead {
		t.Errorf("the fault came after %d entries", n)
	}
	full.Store(false)
	<-healed
	mustAppend(t, l, register(ck, "last", "in", "admit", "resident"))
	verify(t, l)
	if rep, err := reader(t, dir).Verify(Given{}); err != nil || rep.Hidden > 0 {
		t.Errorf("%+v, %v", rep, err)
	}
}
