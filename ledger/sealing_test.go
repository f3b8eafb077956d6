package ledger

import (
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

	"gated/ledger/seal"
)

func TestFaultOfAFullDiskWhileSlotsAreWritten(t *testing.T) {
	t.Parallel()
	dir := memory(t)
	w, _, err := seal.OpenWriter(filepath.Join(dir, "personal"), seal.Whose{Origin: "south-gate", Epoch: 1}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const ready = 8192
	must := func(to int64) []seal.Slot {
		t.Helper()
		all, err := w.Slots(1, to)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
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
	w.Ahead(ready/2+1, func(err error) { told <- err })
	if err := <-told; !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	before := must(ready)
	if _, err := w.Slots(ready, ready+1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("handed out: %v", err)
	}
	if err := w.Erase([]int64{7}); err != nil { // takes no room
		t.Error(err)
	}
	os.Remove(ballast.Name())
	after := must(ready + 1)
	if before[6] = (seal.Slot{}); !slices.Equal(after[:ready], before) {
		t.Error("others than the one that was erased have changed")
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
	if n < 4096 || n > 8192 {
		t.Errorf("the fault came after %d entries", n)
	}
	full.Store(false)
	select {
	case <-healed:
	case <-time.After(15 * time.Second):
		t.Fatal(l.Fault())
	}
	mustAppend(t, l, register(ck, "last", "in", "admit", "resident"))
	verify(t, l)
	if rep, err := reader(t, dir).Verify(Given{}); err != nil || rep.Hidden > 0 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// A key of another purpose comes from the master key, which is made for it only where there never was a ledger.
func TestKeysOfOtherPurposes(t *testing.T) {
	t.Parallel()
	fresh := t.TempDir()
	one, err1 := KeyFor(fresh, "one")
	again, err2 := KeyFor(fresh, "one")
	if err := errors.Join(err1, err2); err != nil || !slices.Equal(one, again) {
		t.Errorf("%x, %x, %v", one, again, err)
	}
	used := t.TempDir()
	os.WriteFile(filepath.Join(used, "ledger.db"), nil, 0o600)
	if _, err := KeyFor(used, "one"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a master key beside an older ledger: %v", err)
	}
}
