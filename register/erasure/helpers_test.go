package erasure

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/registertest"
)

// box is a ledger with the register that follows it, and who erases in it.
type box struct {
	*registertest.Box
	*Eraser
}

func open(t testing.TB, dir string, ck *registertest.Clock, set ...func(*ledger.Options)) *box {
	t.Helper()
	b := registertest.Open(t, dir, ck, set...)
	return &box{b, New(Options{Dir: dir, Ledger: b.Ledger, Register: b.Register, Now: ck.Now})}
}

// verify compares what the register says with what is made anew from the entries that can still be read.
func verify(t testing.TB, b *box) {
	t.Helper()
	if n, equal, err := b.Register.Rebuild(); err != nil || !equal {
		t.Fatalf("the running register is not what the %d entries add up to: equal %t, %v", n, equal, err)
	}
}

// insideOf names those who are inside.
func insideOf(b *box, names ...string) (inside []string) {
	b.Register.View(func(s *register.State) {
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
func someone(ck *registertest.Clock, passage, who, class, direction string) []ledger.Event {
	s := ck.Now()
	household := ledger.Field{Name: "household", Value: "3-2-" + who}
	return []ledger.Event{
		{Stamp: s, Kind: register.Check, Passage: passage, Direction: direction, Proof: "signed", Reason: "ok", Personal: []ledger.Field{{Name: "code", Value: "code-of-" + who}}},
		{Stamp: s, Kind: register.Query, Passage: passage, Direction: direction, Class: class, Personal: []ledger.Field{{Name: "subject", Value: who}, household, {Name: "name", Value: "name-of-" + who}}},
		{Stamp: s, Kind: register.Decided, Passage: passage, Direction: direction, Class: class, Verdict: "admit", Reason: "ok", By: "machine", Personal: []ledger.Field{{Name: "subject", Value: who}, household}},
	}
}

// left are the personal values that the ledger still has.
func left(t testing.TB, b *box) (values []string) {
	t.Helper()
	r, err := file.OpenReader(b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.Scan(1, 1<<62, true, func(e *ledger.Entry) error {
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
