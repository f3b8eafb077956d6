package erasure

import (
	"errors"
	"fmt"
	"gated/register/registertest"
	"gated/register/retention"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"

	"github.com/google/go-cmp/cmp"
)

// secondEpoch has 500 people in its first epoch, of two days, and some of them again in the second. inject is asked for
// the faults of its disk.
func secondEpoch(t *testing.T) (b *box, ck *registertest.Clock, inject *atomic.Pointer[func(op string) error]) {
	t.Helper()
	ck = &registertest.Clock{}
	ck.Set("2026-11-20 08:00:00")
	dir := t.TempDir()
	b = open(t, dir, ck)
	crowd(t, b, ck, 0, 400) // 1 to 1200
	ck.Set("2026-11-21 08:00:00")
	crowd(t, b, ck, 400, 500) // 1201 to 1500
	b.Close()
	ck.Set("2026-11-24 08:00:00")
	inject = &atomic.Pointer[func(op string) error]{}
	b = open(t, dir, ck, restored, func(opt *ledger.Options) {
		opt.Inject = func(op string) error {
			if f := inject.Load(); f != nil {
				return (*f)(op)
			}
			return nil
		}
	})
	crowd(t, b, ck, 495, 500)
	ck.Set("2026-11-25 08:00:00")
	registertest.MustAppend(t, b, ledger.Event{Stamp: ck.Now(), Kind: register.Alive})
	return b, ck, inject
}

func restored(opt *ledger.Options) { opt.Restored = true }

var everybody = func() (names []string) {
	for i := range 700 {
		names = append(names, nameOf(i))
	}
	return names
}()

func nameOf(i int) string { return fmt.Sprintf("SECRET-%06d-%s", i, strings.Repeat("x", i*37%211)) }

// crowd lets people pass, every one at once.
func crowd(t *testing.T, b *box, ck *registertest.Clock, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		registertest.MustAppend(t, b, someone(ck, fmt.Sprint("p", i), nameOf(i), "resident", []string{"in", "out"}[i%2])...)
	}
}

// erasures are the erase entries of the current epoch.
func erasures(t *testing.T, dir string) (said []string) {
	t.Helper()
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.Scan(1, 1<<62, true, func(e *ledger.Entry) error {
		if e.Kind == ledger.Erase {
			d := e.Detail
			said = append(said, strings.TrimSpace(fmt.Sprintf("%s epoch=%s first=%s last=%s by=%s", e.Reason, d["epoch"], d["first"], d["last"], e.Personally("by"))))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func TestAnErasureReachesOlderEpochs(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name  string
		what  Selection
		said  []string
		older int64 // fields
		later int   // erase entries about entries of an older day of the same epoch
	}{
		{"older days", Selection{Before: "2026-11-21"}, []string{"before epoch=1 first=1 last=500 by=zhou", "before epoch=1 first=501 last=1000 by=zhou", "before epoch=1 first=1001 last=1200 by=zhou"}, 2400, 0},
		{"a person of both epochs", Selection{Subject: nameOf(497)}, []string{"subject epoch= first=8 last=10 by=zhou", "subject epoch=1 first=1492 last=1494 by=zhou"}, 6, 1},
		{"a person of the first", Selection{Subject: nameOf(7)}, []string{"subject epoch=1 first=22 last=24 by=zhou"}, 6, 0},
		{"an entry of the first", Selection{Seq: 22, Epoch: 1}, []string{"entry epoch=1 first=22 last=22 by=zhou"}, 1, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			b, _, _ := secondEpoch(t)
			inside := insideOf(b, everybody...)
			done, err := b.Erase(x.what, "zhou", "asked for")
			if err != nil {
				t.Fatal(err)
			}
			if len(done.Older) != 1 || done.Older[0].Fields != x.older || done.Older[0].Epoch != 1 || len(done.Older[0].Records) == 0 {
				t.Errorf("done %+v", done)
			}
			if n, err := Subject(b.Dir, x.what.Subject, nil, func(*ledger.Entry) error { return nil }); x.what.Subject != "" && (n != 0 || err != nil) {
				t.Errorf("%d entries are still told of them, %v", n, err)
			}
			if x.what.Subject != nameOf(497) && !cmp.Equal(inside, insideOf(b, everybody...)) { // whose numbers are those of entries of the current one
				t.Errorf("inside %v, before %v", insideOf(b, everybody...), inside)
			}
			verify(t, b)
			if d := cmp.Diff(x.said, erasures(t, b.Dir)); d != "" {
				t.Errorf("erase entries (-want +got):\n%s", d)
			}
			b.Close()
			r, err := register.OpenReader(b.Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if later, err := r.Later(1, 1<<62); err != nil || len(later) != x.later {
				t.Errorf("later entries about older days: %v, %v", later, err)
			}
		})
	}
}

// An older epoch whose file cannot be read, or whose slots cannot be written, keeps nothing from being erased elsewhere.
func TestAnErasureThatFailsInAnOlderEpoch(t *testing.T) {
	t.Parallel()
	l, ck, inject := secondEpoch(t)
	full := func(op string) error {
		if op == "erase" {
			return errors.New("no space left")
		}
		return nil
	}
	inject.Store(&full)
	if _, err := l.Erase(Selection{Before: "2026-11-21"}, "zhou", "asked for"); err == nil || !strings.Contains(err.Error(), "no space left: it is tried again") || l.Fault() != nil {
		t.Errorf("got %v", err)
	}
	if said := erasures(t, l.Dir); len(said) != 1 {
		t.Errorf("said %v", said)
	}
	inject.Store(nil)
	// The ledger itself may have tried again before, what its one entry says.
	if done, err := l.Erase(Selection{Before: "2026-11-21"}, "zhou", "asked for"); err != nil || len(done.Older) != 1 || done.Older[0].Last != 1200 {
		t.Errorf("the second time: %+v, %v", done, err)
	}
	if done, err := l.Erase(Selection{Before: "2026-11-21"}, "zhou", "asked for"); !errors.Is(err, ledger.ErrNothingErased) {
		t.Errorf("it left %+v, %v", done, err)
	}
	crowd(t, l, ck, 600, 601)
	os.WriteFile(filepath.Join(l.Dir, "ledger-1.db"), []byte("not a database, and long enough to be taken for one"), 0o600)
	guard := registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.SignOn, Personal: []ledger.Field{{Name: "guard", Value: "SECRET-GUARD"}}})[0].Seq
	ck.Set("2026-11-26 08:00:00")
	if done, err := l.Erase(Selection{Subject: nameOf(600)}, "zhou", "asked for"); err == nil || !strings.Contains(err.Error(), "ledger-1.db") || done.Fields != 6 {
		t.Errorf("with a file that cannot be read: %+v, %v", done, err)
	}
	if done, err := l.Retain([]retention.Rule{{Class: "resident", Days: 0}, {Class: "*", Days: 0}}, nil); err == nil || !strings.Contains(err.Error(), "ledger-1.db") || len(done.Older) > 0 || done.Last != guard {
		t.Errorf("retention: %+v, %v", done, err) // it goes on with the current one
	}
}

func TestWhatAnOlderEpochKeepsStaysKept(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	ck.Set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	crowd(t, l, ck, 0, 10)
	kept, err1 := l.Keep("2026-11-20", "2026-11-20", "zhou", "case 17")
	lifted, err2 := l.Keep("2026-11-01", "2026-11-30", "zhou", "case 18")
	_, err3 := l.Lift(lifted, "zhou", "closed")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	l.Close()
	ck.Set("2026-11-24 08:00:00")
	l = open(t, dir, ck, restored)
	if d := cmp.Diff(map[int64]register.Span{2: {From: "2026-11-20", To: "2026-11-20"}}, l.Register.Keeps()); d != "" {
		t.Fatalf("keeps (-want +got):\n%s", d)
	}
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Scan(2, 2, false, func(e *ledger.Entry) error {
		if e.Detail["why"] != "case 17" || e.Detail["origin"] != "east-gate" || e.Detail["entry"] != fmt.Sprint(kept) {
			t.Errorf("%s", e.Raw)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	crowd(t, l, ck, 3, 4)
	for _, x := range []Selection{{Before: "2026-11-21"}, {Subject: nameOf(3)}, {Seq: 2, Epoch: 1}} {
		if _, err := l.Erase(x, "zhou", "asked for"); !errors.As(err, new(KeptError)) {
			t.Errorf("%+v: %v", x, err)
		}
	}
	if said := erasures(t, dir); len(said) > 0 {
		t.Errorf("erased all the same, where it is not kept: %v", said)
	}
	if done, err := l.Retain([]retention.Rule{{Class: "*", Days: 1}}, nil); err != nil || len(done.Older) > 0 && done.Fields+done.Older[0].Fields > 0 {
		t.Errorf("retention: %+v, %v", done, err)
	}
	if _, err := l.Lift(2, "zhou", "closed"); err != nil {
		t.Fatal(err)
	}
	if done, err := l.Retain([]retention.Rule{{Class: "*", Days: 1}}, nil); err != nil || len(done.Older) != 1 || done.Older[0].Entries != 33 {
		t.Errorf("after it was lifted: %+v, %v", done, err)
	}
	size := l.Size()
	if done, err := l.Retain([]retention.Rule{{Class: "*", Days: 1}}, nil); err != nil || len(done.Older) != 0 || l.Size() != size {
		t.Errorf("the second time: %+v, %v", done, err)
	}
	verify(t, l)
}
