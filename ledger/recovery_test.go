package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gated/ledger/file"
	"gated/ledger/tlog"
)

// losing is a ledger whose disk has something else after an error than it said it had.
type losing struct {
	*Ledger
	changed  <-chan struct{}
	answered map[int64]string

	mu       sync.Mutex
	broken   bool
	lost     func() // what becomes of the files in the fault
	followed []int64
}

func newLosing(t *testing.T) *losing {
	l := &losing{answered: map[int64]string{}}
	opt, changed := changing(t.TempDir())
	l.changed = changed
	tell := opt.OnChange
	opt.OnChange = func(f *Fault) {
		l.mu.Lock()
		if f != nil && l.lost != nil {
			l.lost()
			l.lost = nil
		}
		l.mu.Unlock()
		tell(f)
	}
	opt.Inject = func(op string) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.broken && op == "commit" {
			l.broken = false
			return errors.New("EIO")
		}
		return nil
	}
	opt.Follow = func(entries []Entry) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, e := range entries {
			l.followed = append(l.followed, e.Seq)
		}
	}
	var err error
	if l.Ledger, err = Open(opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	mustAppend(t, l.Ledger, Event{Stamp: opt.Now(), Kind: Start})
	return l
}

func (l *losing) fill(t *testing.T, n int) {
	t.Helper()
	if err := fill(l.Ledger, n, l.answered); err != nil {
		t.Fatal(err)
	}
}

// fails lets the next commit fail, and the files become something else meanwhile.
func (l *losing) fails(t *testing.T, lost func()) {
	t.Helper()
	l.mu.Lock()
	l.broken, l.lost = true, lost
	l.mu.Unlock()
	if err := fill(l.Ledger, 1, l.answered); !errors.Is(err, ErrFault) {
		t.Fatalf("got %v, want a ledger-fault", err)
	}
}

// holds checks that all that was answered is there, and was handed on once and in order.
func (l *losing) holds(t *testing.T) {
	t.Helper()
	well(t, l.Ledger, l.changed)
	l.fill(t, 5)
	verify(t, l.Ledger)
	var s tally
	if s.compare(t, l.opt.Dir, 1, l.answered); s.lost > 0 {
		t.Error(s)
	}
	if n, _ := outages(t, l.opt.Dir); n != 1 {
		t.Errorf("%d outages are told of", n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, seq := range l.followed {
		if seq != int64(i)+1 {
			t.Fatalf("entry %d was handed on as number %d", seq, i+1)
		}
	}
	if int64(len(l.followed)) != l.Size() {
		t.Errorf("%d of %d entries were handed on", len(l.followed), l.Size())
	}
}

// files reads ledger.db and its log as they are, and returns what puts them back so.
func (l *losing) files(t *testing.T) (back func()) {
	t.Helper()
	var names []string
	var contents [][]byte
	if err := l.do(func() error {
		for _, name := range []string{l.path, l.path + "-wal"} {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			names, contents = append(names, name), append(contents, b)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return func() {
		for i, name := range names {
			if err := os.WriteFile(name, contents[i], 0o600); err != nil {
				t.Error(err)
			}
		}
	}
}

// A disk that has lost what it had said it had gets it again, as it was.
func TestWhatTheMediumLacksIsAppendedAgain(t *testing.T) {
	for _, checkpointed := range []bool{false, true} {
		l := newLosing(t)
		l.fill(t, 100) // past the first tile
		if checkpointed {
			if err := l.do(func() error { return l.checkpoint("PASSIVE") }); err != nil {
				t.Fatal(err)
			}
			l.fill(t, 1) // the log begins anew
		}
		back := l.files(t)
		l.fill(t, 30)
		l.fails(t, back)
		l.holds(t)
	}
}

// So do the tree heads that came with it, without which the ledger does not hold.
func TestTheTreeHeadsThatTheMediumLacksAreThereAgain(t *testing.T) {
	for _, anew := range []bool{false, true} {
		l := newLosing(t)
		l.fill(t, 20)
		back := l.files(t)
		l.fill(t, 10)
		mustAppend(t, l.Ledger, Event{Stamp: l.opt.Now(), Kind: Stop})
		mustAppend(t, l.Ledger, startOf(l.Ledger))
		l.fill(t, 3)
		tomorrow := l.opt.Now()
		tomorrow.Time = tomorrow.Time.AddDate(0, 0, 1)
		mustAppend(t, l.Ledger, Event{Stamp: tomorrow, Kind: "scanner", Reason: "up"})
		l.fill(t, 3)
		old := l.rotates(t)
		l.fill(t, 3)
		if anew {
			back = func() {
				if err := errors.Join(os.Remove(l.path), os.Remove(l.path+"-wal")); err != nil {
					t.Error(err)
				}
			}
		}
		l.fails(t, back)
		l.holds(t)
		r, err := file.OpenReader(l.opt.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifyReader(r, Given{Keys: []string{old}}); err != nil {
			t.Error("with the key of before:", err)
		}
		r.Close()
	}
}

// rotates lets another key take over, and returns the one that has signed.
func (l *losing) rotates(t *testing.T) (old string) {
	t.Helper()
	k, err := tlog.NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.do(func() error {
		l.rotated, old = l.keys[0], l.keys[0].Verifier()
		l.keys = []*tlog.Key{k, l.rotated}
		if err := tlog.WriteKeys(tlog.KeyFile(l.opt.Dir, 1), l.keys...); err != nil {
			return err
		}
		return l.rotate()
	}); err != nil {
		t.Fatal(err)
	}
	return old
}

// What is lost cannot be put back where it is in memory no longer: then nothing goes on as if it had not been.
func TestWhatTheMediumLacksAndNobodyHasIsAFault(t *testing.T) {
	l := newLosing(t)
	l.fill(t, 10)
	back := l.files(t)
	l.fill(t, 10)
	if err := l.do(func() error { return l.checkpoint("PASSIVE") }); err != nil {
		t.Fatal(err)
	}
	l.fill(t, 10)
	l.fails(t, back)
	stays(t, l, "was recorded before the fault and is not there any more")
}

// stays waits until the ledger is in fault for that cause, and for another two tries to open it.
func stays(t *testing.T, l *losing, cause string) {
	t.Helper()
	for late := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if f := l.Fault(); f != nil && strings.Contains(f.Cause, cause) {
			break
		} else if time.Now().After(late) {
			t.Fatalf("fault %+v, want %q", f, cause)
		}
	}
	for late := time.Now().Add(1500 * time.Millisecond); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		if f := l.Fault(); f == nil || !strings.Contains(f.Cause, cause) {
			t.Fatalf("later on: fault %+v, want %q", f, cause)
		}
	}
}

// A ledger of which the disk never got what can be opened is written anew, while all of it is in memory; the file stays for
// the maintainer.
func TestALedgerThatCannotBeOpenedIsWrittenAnew(t *testing.T) {
	for name, lost := range map[string]func(path string) error{
		"garbage": func(path string) error {
			return errors.Join(os.WriteFile(path, slices.Repeat([]byte("gate"), 3000), 0o600), os.WriteFile(path+"-wal", nil, 0o600))
		},
		"a file without pages": func(path string) error {
			return errors.Join(os.Truncate(path, 0), os.WriteFile(path+"-wal", nil, 0o600))
		},
		"a page is zeros": func(path string) error {
			return errors.Join(os.WriteFile(path+"-wal", nil, 0o600), os.WriteFile(path, make([]byte, 8192), 0o600))
		},
		"no file": func(path string) error { return errors.Join(os.Remove(path), os.Remove(path+"-wal")) },
	} {
		l := newLosing(t)
		l.fill(t, 40)
		l.fails(t, func() {
			if err := lost(l.path); err != nil {
				t.Error(err)
			}
		})
		l.holds(t)
		if aside, _ := filepath.Glob(l.path + ".damaged-*"); (len(aside) > 0) != (name == "garbage" || name == "a page is zeros") {
			t.Errorf("%s: put aside: %v", name, aside)
		}
	}
	l := newLosing(t)
	l.fill(t, 40)
	if err := l.do(func() error { return l.checkpoint("PASSIVE") }); err != nil {
		t.Fatal(err)
	}
	l.fill(t, 1)
	l.fails(t, func() {
		if err := os.WriteFile(l.path, slices.Repeat([]byte("gate"), 3000), 0o600); err != nil {
			t.Error(err)
		}
	})
	stays(t, l, "open "+l.path)
}

// A file that is taken away while the ledger is open, or has another in its place, takes what is written from then on with it. That is
// a fault at once, and what was answered before is there afterwards.
func TestAFileThatIsTakenAwayIsAFault(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ledger.db", "ledger.db-wal", "ledger.db-shm", filepath.Base(file.AnchorOf("ledger.db")), "personal.keys"} {
		for _, another := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", another), func(t *testing.T) {
				t.Parallel()
				l := newLosing(t)
				l.fill(t, 10)
				path := filepath.Join(l.opt.Dir, name)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err = os.Remove(path); err == nil && another {
					err = os.WriteFile(path, b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := fill(l.Ledger, 1, l.answered); !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), name+" was taken away") {
					t.Errorf("the next one: %v", err)
				}
				l.holds(t)
			})
		}
	}
}

// Nobody need pass for that to be seen.
func TestAFileThatIsTakenAwayIsSeenWhileNobodyPasses(t *testing.T) {
	t.Parallel()
	l := newLosing(t)
	l.fill(t, 10)
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	for late := time.After(time.Minute); l.Fault() == nil; {
		select {
		case <-l.changed:
		case <-late:
			t.Fatal("nothing is said")
		}
	}
	l.holds(t)
}

// What stands before the newest entries is read once the ledger works again. What was lost there does not heal.
func TestAfterAFaultTheWholeLedgerIsRead(t *testing.T) {
	l := newLosing(t)
	l.fill(t, 200)
	if err := l.do(func() error { return l.checkpoint("PASSIVE") }); err != nil {
		t.Fatal(err)
	}
	l.fails(t, func() {
		c, err := connect("file:" + l.path)
		if err != nil {
			t.Error(err)
			return
		}
		if err := errors.Join(c.exec("DROP TRIGGER entry_no_update"), c.exec("UPDATE entry SET record = replace(record, '\"mono\":', '\"mono\":1') WHERE seq = 5"), c.Close()); err != nil {
			t.Error(err)
		}
	})
	stays(t, l, "tile 0/0 is not made of its entries")
}

// A disk that was not read three times, and is read now, needs no restart. A finding stays.
func TestWhatCouldNotBeReadIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, found := range []bool{false, true} {
		ck := &clock{t: time.Now()}
		opt := options(t.TempDir(), ck)
		var tries atomic.Int32
		opt.Inject = func(op string) error {
			if op == "open" {
				tries.Add(1)
			}
			return nil
		}
		healed := healing(&opt)
		l, err := Open(opt)
		if err != nil || l.Fault() != nil {
			t.Fatal(err, l.Fault())
		}
		mustAppend(t, l, register(ck, "a", "in", "admit", "resident"))
		tries.Store(0)
		l.do(func() error {
			l.broken = errors.New("read ledger.db after a fault: input/output error")
			if found {
				l.broken = file.Found("tile 0/0 is not made of its entries")
			}
			return l.broken
		})
		if found {
			for tries.Load() < 2 {
				time.Sleep(time.Millisecond)
			}
			if l.Fault() == nil {
				t.Error("a finding healed")
			}
		} else {
			<-healed
			mustAppend(t, l, register(ck, "b", "in", "admit", "resident"))
		}
		l.Close()
	}
}
