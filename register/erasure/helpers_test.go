package erasure

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
)

type (
	Event = ledger.Event
	Entry = ledger.Entry
	Field = ledger.Field
	Stamp = ledger.Stamp
)

var shanghai, _ = time.LoadLocation("Asia/Shanghai")

// clock is a settable time that moves on by a millisecond at each look.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(time.Millisecond)
	return Stamp{Time: c.t, Boot: "b00t", Mono: time.Duration(c.t.UnixNano() % 1e15), Trusted: true}
}

func (c *clock) set(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = at(s)
}

func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, shanghai)
	if err != nil {
		panic(err)
	}
	return t
}

// box is a ledger with the register that follows it, and who erases in it.
type box struct {
	*ledger.Ledger
	reg *register.Register
	*Eraser
	dir string
}

// Close ends both, as a daemon does.
func (b *box) Close() {
	b.Ledger.Close()
	b.reg.Close()
}

func (b *box) Erase(sel Selection, by, why string) (Erased, error) {
	return b.Eraser.Erase(sel, by, why)
}

func options(dir string, ck *clock) ledger.Options {
	return ledger.Options{Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: ck.now, Log: slog.New(slog.DiscardHandler), Hangs: time.Minute}
}

func start(t testing.TB, opt ledger.Options) *box {
	t.Helper()
	reg, err := register.New(register.Options{Dir: opt.Dir, Key: []byte("k"), Now: opt.Now, Log: opt.Log})
	if err != nil {
		t.Fatal(err)
	}
	opt.Known, opt.Follow, opt.Recovered = reg.Known, reg.Follow, reg.Recovered
	l, err := ledger.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	if f := l.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	reg.Start(l)
	b := &box{l, reg, New(Options{Dir: opt.Dir, Ledger: l, Register: reg, Now: opt.Now}), opt.Dir}
	t.Cleanup(b.Close)
	return b
}

func open(t testing.TB, dir string, ck *clock) *box { t.Helper(); return start(t, options(dir, ck)) }

// verify compares what the register says with what is made anew from the entries that can still be read.
func verify(t testing.TB, b *box) {
	t.Helper()
	if n, equal, err := b.reg.Rebuild(); err != nil || !equal {
		t.Fatalf("the running register is not what the %d entries add up to: equal %t, %v", n, equal, err)
	}
}

// insideOf names those who are inside.
func insideOf(b *box, names ...string) (inside []string) {
	b.reg.View(func(s *register.State) {
		for _, n := range names {
			if s.Place(n).Inside {
				inside = append(inside, n)
			}
		}
		if people, vehicles := s.Inside(time.Time{}, 0); people+vehicles != len(inside) {
			inside = append(inside, fmt.Sprint("and ", people+vehicles-len(inside), " others"))
		}
	})
	return inside
}

// someone passes at once: check, query and register, with what the gate keeps of them.
func someone(ck *clock, passage, who, class, direction string) []Event {
	s := ck.now()
	household := Field{Name: "household", Value: "3-2-" + who}
	return []Event{
		{Stamp: s, Kind: register.Check, Passage: passage, Direction: direction, Proof: "signed", Reason: "ok", Personal: []Field{{Name: "code", Value: "code-of-" + who}}},
		{Stamp: s, Kind: register.Query, Passage: passage, Direction: direction, Class: class, Personal: []Field{{Name: "subject", Value: who}, household, {Name: "name", Value: "name-of-" + who}}},
		{Stamp: s, Kind: register.Decided, Passage: passage, Direction: direction, Class: class, Verdict: "admit", Reason: "ok", By: "machine", Personal: []Field{{Name: "subject", Value: who}, household}},
	}
}

func mustAppend(t testing.TB, b *box, ev ...Event) []Entry {
	t.Helper()
	es, err := b.Append(ev...)
	if err != nil {
		t.Fatal(err)
	}
	return es
}

// left are the personal values that the ledger still has.
func left(t testing.TB, b *box) (values []string) {
	t.Helper()
	r, err := file.OpenReader(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.Scan(1, 1<<62, true, func(e *Entry) error {
		for _, f := range e.Personal {
			values = append(values, fmt.Sprintf("%d %s %s", e.Seq, f.Name, f.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// cutOff is what a kill at this moment would leave: the files as they are, without their locks.
func cutOff(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(to, "keys", "ledger.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(to, "ledger.db-shm"))
	os.Remove(filepath.Join(to, "index.db-shm"))
	return to
}

// sample is how often a long test does what it does: all times in make faults, some in make test.
func sample(all, some int) int {
	if os.Getenv("FAULTS") == "all" {
		return all
	}
	return some
}
