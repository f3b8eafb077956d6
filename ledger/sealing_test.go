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
	for ; err == nil; n += 64 {
		var events []Event
		for i := range 64 {
			events = append(events, register(ck, fmt.Sprint("p", n+i), "in", "admit", "resident"))
		}
		_, err = l.Append(events...)
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
	if rep, err := verifyReader(reader(t, dir), Given{}); err != nil || rep.Hidden > 0 {
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

// Without its master key, or with another, a ledger is in fault and says which file is wrong. It never makes a new one.
func TestALedgerWithoutItsMasterKey(t *testing.T) {
	t.Parallel()
	dir, ck := small(t), &clock{}
	ck.set("2026-11-23 09:00:00")
	path := filepath.Join(dir, "keys", "personal.key")
	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct{ content, says string }{
		"missing": {"", "put it back from the safe; where it is a credential of the service, start the daemon"}, "another": {strings.Repeat("12", 32), "is not the one that sealed"}, "cut off": {"abcd", "64 hexadecimal digits"},
	} {
		os.Remove(path)
		if x.content != "" {
			os.WriteFile(path, []byte(x.content), 0o600)
		}
		opt := options(dir, ck)
		healed := healing(&opt)
		l, err := Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		if f := l.Fault(); f == nil || !strings.Contains(f.Cause, x.says) || !strings.Contains(f.Cause, path) {
			t.Errorf("%s: fault %+v", name, f)
		}
		if _, err := l.Append(register(ck, "p", "in", "admit", "resident")); !errors.Is(err, ErrFault) {
			t.Errorf("%s: recorded: %v", name, err)
		}
		if b, _ := os.ReadFile(path); string(b) != x.content {
			t.Errorf("%s: the file was written", name)
		}
		if err := errors.Join(os.WriteFile(path+".new", right, 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
		<-healed // while it runs
		mustAppend(t, l, register(ck, "p", "in", "admit", "resident"))
		verify(t, l)
		l.Close()
	}
}

// What the ledger says of its master key cannot be changed, nor removed.
func TestWhatTheLedgerSaysOfItsMasterKey(t *testing.T) {
	t.Parallel()
	for change, says := range map[string]string{
		"UPDATE meta SET value = 'another' WHERE key = 'master'": "the master key fits the slots of east-gate, and not what the ledger says of its",
		"DELETE FROM meta WHERE key = 'master'":                  "nothing in its table meta tells its master key",
	} {
		dir, ck := small(t), &clock{}
		ck.set("2026-11-23 09:00:00")
		c := unlocked(t, dir)
		if err := c.exec(change); err != nil {
			t.Fatal(err)
		}
		c.Close()
		l, err := Open(options(dir, ck))
		if err != nil {
			t.Fatal(err)
		}
		if f := l.Fault(); f == nil || !strings.Contains(f.Cause, says) {
			t.Errorf("%s: fault %+v", change, f)
		}
		l.Close()
	}
}

// Where the master key is lost a new epoch begins with another, once somebody has put that there and asks for it.
func TestANewEpochBehindALostMasterKey(t *testing.T) {
	t.Parallel()
	dir, ck := small(t), &clock{}
	ck.set("2026-11-24 08:00:00")
	os.Remove(filepath.Join(dir, "keys", "personal.key"))
	opt := options(dir, ck)
	opt.Begin = &Begin{By: "zhou", Why: "the safe burned"}
	l, err := Open(opt)
	if err != nil || l.Fault() == nil {
		t.Fatalf("without any: %v", err)
	}
	l.Close()
	if _, err := seal.MakeMaster(filepath.Join(dir, "keys", "personal.key")); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(opt); err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	mustAppend(t, l, register(ck, "p", "in", "admit", "resident"))
	if done, err := l.Erase(1, seqs(250, 258), asked); err != nil || done.Entries != 3 {
		t.Errorf("erased blindly: %+v, %v", done, err)
	}
	verify(t, l)
	l.Close()
	if reports := chain(t, dir); len(reports) != 2 || reports[0].Personal != 0 || reports[0].Erased != 3 || reports[1].Personal < 2 {
		t.Errorf("%+v", reports)
	}
}

// A gate whose slots were lost goes on with new ones; what the old ones open can be read again once they are back.
func TestALedgerWithoutItsSlots(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(path string) error{
		"missing": os.Remove,
		"foreign": func(path string) error { return os.WriteFile(path, make([]byte, 100_000), 0o600) },
		"short":   func(path string) error { return os.Truncate(path, 100*32) },
	} {
		dir, ck := small(t), &clock{} // 258 entries
		ck.set("2026-11-23 09:00:00")
		path := filepath.Join(dir, "personal.keys")
		old, err := os.ReadFile(path)
		if err == nil {
			err = lose(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, ck)
		mustAppend(t, l, register(ck, "p", "in", "admit", "resident")) // 259
		verify(t, l)
		l.Close()
		rep := func() *Report {
			rep, err := verifyReader(reader(t, dir), Given{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return rep
		}
		if r := rep(); r.Hidden != 3 || r.Personal != 2 {
			t.Errorf("%s: %d fields, and %d entries not looked at", name, r.Personal, r.Hidden)
		}
		if _, err := os.Stat(filepath.Join(dir, "personal-259.keys")); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(path, old, 0o600); err != nil { // found again
			t.Fatal(err)
		}
		if r := rep(); r.Hidden != 0 || r.Personal != 10 {
			t.Errorf("%s, put back: %d fields, and %d entries not looked at", name, r.Personal, r.Hidden)
		}
		l = open(t, dir, ck)
		if done, err := l.Erase(0, seqs(250, 259), asked); err != nil || done.Entries != 4 {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
		verify(t, l)
		l.Close()
	}
}
