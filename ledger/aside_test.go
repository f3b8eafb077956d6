package ledger

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger/tlog"

	"github.com/google/go-cmp/cmp"
)

// secondEpoch has 500 people in its first epoch, of two days, and some of them again in the second. secret are the values
// and salts of the entries from..to of the first.
func secondEpoch(t *testing.T, from, to int64) (l *Ledger, ck *clock, secret map[string][]byte) {
	t.Helper()
	ck = &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l = open(t, dir, ck)
	crowd(t, l, ck, 0, 400) // 1 to 1200
	ck.set("2026-11-21 08:00:00")
	crowd(t, l, ck, 400, 500) // 1201 to 1500
	secret = secrets(t, l, from, to)
	l.Close()
	ck.set("2026-11-24 08:00:00")
	opt := options(dir, ck)
	opt.Restored = true
	l, err := Open(opt)
	if err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	t.Cleanup(func() { l.Close() })
	crowd(t, l, ck, 495, 500)
	ck.set("2026-11-25 08:00:00")
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Alive})
	return l, ck, secret
}

func chain(t *testing.T, dir string) []*Report {
	t.Helper()
	reports, err := VerifyChain(filepath.Join(dir, "ledger.db"), Given{})
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

func insideOf(l *Ledger) (who map[string]int64) {
	l.View(func(s *State) { who = maps.Clone(s.Inside) })
	return who
}

func (r *Reader) later(t *testing.T) []int64 {
	seqs, err := r.Later(1, 1<<62)
	if err != nil {
		t.Fatal(err)
	}
	return seqs
}

// erasures are the erase entries of the current epoch.
func erasures(t *testing.T, dir string) (said []string) {
	t.Helper()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.Scan(1, 1<<62, true, func(e *Entry) error {
		if e.Kind == Erase {
			d := e.Detail
			said = append(said, strings.TrimSpace(fmt.Sprintf("%s epoch=%s first=%s last=%s entries=%s fields=%s by=%s", e.Reason, d["epoch"], d["first"], d["last"], d["entries"], d["fields"], e.Personally("by"))))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func TestAnErasureReachesOlderEpochs(t *testing.T) {
	who := func(i int) string { return fmt.Sprintf("SECRET-%06d-%s", i, strings.Repeat("x", i*37%211)) }
	for _, x := range []struct {
		name     string
		what     Erasure
		from, to int64 // of the first epoch
		said     []string
		older    int64 // fields
		kept     string
	}{
		{"older days", Erasure{Before: "2026-11-21"}, 1, 1200, []string{"before epoch=1 first=1 last=500 entries=500 fields=1334 by=zhou", "before epoch=1 first=501 last=1000 entries=500 fields=1331 by=zhou", "before epoch=1 first=1001 last=1200 entries=200 fields=535 by=zhou"}, 3200, "SECRET-000400"},
		{"a person of both epochs", Erasure{Subject: who(497)}, 1492, 1494, []string{"subject epoch= first=8 last=10 entries=3 fields=8 by=zhou", "subject epoch=1 first=1492 last=1494 entries=3 fields=8 by=zhou"}, 8, "SECRET-000496"},
		{"a person of the first", Erasure{Subject: who(7)}, 22, 24, []string{"subject epoch=1 first=22 last=24 entries=3 fields=8 by=zhou"}, 8, "SECRET-000008"},
		{"an entry of the first", Erasure{Seq: 22, Epoch: 1}, 22, 22, []string{"entry epoch=1 first=22 last=22 entries=1 fields=1 by=zhou"}, 1, "SECRET-000008"},
	} {
		t.Run(x.name, func(t *testing.T) {
			l, _, secret := secondEpoch(t, x.from, x.to)
			dir := l.opt.Dir
			if found := traces(t, dir, secret); len(found) < len(secret) {
				t.Fatalf("%d of %d values and salts are found before the erasure: the search does not work", len(found), len(secret))
			}
			before, inside := chain(t, dir), insideOf(l)
			done, err := l.Erase(x.what, "zhou", "asked for")
			if err != nil {
				t.Fatal(err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "ledger-1.db-*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if len(done.Older) != 1 || done.Older[0].Fields != x.older || done.Older[0].Epoch != 1 || len(done.Older[0].Records) == 0 {
				t.Errorf("done %+v", done)
			}
			if found := traces(t, dir, secret); len(found) > 0 {
				t.Errorf("%d traces while it runs:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
			}
			if n, err := Subject(dir, x.what.Subject, func(*Entry) error { return nil }); x.what.Subject != "" && (n != 0 || err != nil) {
				t.Errorf("%d entries are still told of them, %v", n, err)
			}
			if l.unswept.Load() {
				t.Error("something is left to be swept")
			}
			if x.what.Subject != who(497) && !cmp.Equal(inside, insideOf(l)) { // whose numbers are those of entries of the current one
				t.Errorf("inside %v, before %v", insideOf(l), inside)
			}
			verify(t, l)
			l.Close()
			if later := reader(t, dir).later(t); len(later) != len(x.said)-len(done.Older[0].Records) {
				t.Errorf("later entries about older days: %v", later)
			}
			if found := traces(t, dir, secret); len(found) > 0 {
				t.Errorf("%d traces after the end:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
			}
			if found := traces(t, dir, map[string][]byte{"kept": []byte(x.kept)}); len(found) == 0 {
				t.Error("what was not to be erased is gone")
			}
			if d := cmp.Diff(x.said, erasures(t, dir)); d != "" {
				t.Errorf("erase entries (-want +got):\n%s", d)
			}
			reports := chain(t, dir)
			if reports[0].Erased != x.older || reports[0].Root != before[0].Root || reports[0].Personal+reports[0].Erased != before[0].Personal {
				t.Errorf("epoch 1: %d erased, %d not, before %d", reports[0].Erased, reports[0].Personal, before[0].Personal)
			}
		})
	}
}

func TestNothingIsErasedInOlderEpochsWithoutAnEntry(t *testing.T) {
	l, ck, secret := secondEpoch(t, 1, 300)
	killed := ""
	l.opt.Inject = func(op string) error {
		if op == "commit" && killed == "" { // the fields are gone, and the entry is not there yet
			killed = filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(killed, os.DirFS(l.opt.Dir)); err != nil {
				return err
			}
			shm, _ := filepath.Glob(filepath.Join(killed, "*-shm"))
			for _, f := range shm {
				os.Remove(f)
			}
			return os.Chmod(tlog.KeyFile(killed, 2), 0o600)
		}
		return nil
	}
	if _, err := l.Erase(Erasure{Before: "2026-11-21"}, "zhou", "asked for"); err != nil {
		t.Fatal(err)
	}
	if len(traces(t, killed, secret)) == 0 {
		t.Fatal("nothing was left to overwrite")
	}
	want := []string{"cut-off epoch=1 first= last= entries= fields= by="}
	for range 2 { // the second start has nothing to say any more
		l = open(t, killed, ck)
		await(t, "the sweeping", func() bool { return !l.unswept.Load() })
		if found := traces(t, killed, secret); len(found) > 0 {
			t.Errorf("traces: %v", found)
		}
		verify(t, l)
		l.Close()
		if d := cmp.Diff(want, erasures(t, killed)); d != "" {
			t.Errorf("erase entries (-want +got):\n%s", d)
		}
	}
	if reports := chain(t, killed); reports[0].Erased != 1334 {
		t.Errorf("%d fields erased", reports[0].Erased)
	}
}

func TestAnErasureThatFailsInAnOlderEpochIsNone(t *testing.T) {
	l, ck, _ := secondEpoch(t, 1, 1)
	l.opt.Inject = func(op string) error {
		if op == "erase" {
			return errors.New("no space left")
		}
		return nil
	}
	if _, err := l.Erase(Erasure{Before: "2026-11-21"}, "zhou", "asked for"); err == nil || !strings.Contains(err.Error(), "ledger-1.db: no space left") || l.Fault() != nil {
		t.Errorf("got %v", err)
	}
	if said := erasures(t, l.opt.Dir); len(said) > 0 {
		t.Errorf("said %v", said)
	}
	guard := mustAppend(t, l, Event{Stamp: l.opt.Now(), Kind: SignOn, Personal: []Field{{"guard", "SECRET-GUARD"}}})[0].Seq
	ck.set("2026-11-26 08:00:00")
	if done, err := l.Retain([]Retention{{"resident", 0}, {"*", 0}}, nil); err == nil || !strings.Contains(err.Error(), "ledger-1.db") || len(done.Older) > 0 || done.Last != guard {
		t.Errorf("retention: %+v, %v", done, err) // it goes on with the current one
	}
	done, err := l.Retain([]Retention{{"resident", 0}}, func() error { t.Error("a pause without a chunk"); return nil })
	if err == nil || done.Fields > 0 {
		t.Errorf("the second time: %+v, %v", done, err)
	}
	crowd(t, l, ck, 600, 601)
	l.opt.Inject = nil
	if done, err := l.Erase(Erasure{Before: "2026-11-21"}, "zhou", "asked for"); err != nil || done.Older[0].Fields != 3200 {
		t.Errorf("the second time: %+v, %v", done, err)
	}
	if r := chain(t, l.opt.Dir); r[0].Erased != 3200 {
		t.Errorf("%d fields erased", r[0].Erased)
	}
	os.WriteFile(EpochFile(l.opt.Dir, 1), []byte("not a database, and long enough to be taken for one"), 0o600)
	if done, err := l.Erase(Erasure{Subject: "SECRET-000600-" + strings.Repeat("x", 600*37%211)}, "zhou", "asked for"); err == nil || !strings.Contains(err.Error(), "ledger-1.db") || done.Fields != 8 {
		t.Errorf("with a file that cannot be read: %+v, %v", done, err)
	}
}

func TestAReaderOfAnOlderEpochHoldsTheOverwritingBack(t *testing.T) {
	l, _, secret := secondEpoch(t, 1, 300)
	r, err := OpenFile(EpochFile(l.opt.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := true
	if err := r.Scan(1, 100, false, func(*Entry) error {
		if !first {
			return nil
		}
		first = false
		if _, err := l.Erase(Erasure{Before: "2026-11-21"}, "zhou", "asked for"); err != nil {
			t.Error(err)
		}
		if len(traces(t, l.opt.Dir, secret)) == 0 || !l.unswept.Load() {
			t.Error("the log was overwritten under a reader")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	await(t, "the overwriting", func() bool { return !l.unswept.Load() })
	if found := traces(t, l.opt.Dir, secret); len(found) > 0 {
		t.Errorf("traces: %v", found)
	}
	verify(t, l)
}

func TestWhatAnOlderEpochKeepsStaysKept(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
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
	ck.set("2026-11-24 08:00:00")
	opt := options(dir, ck)
	opt.Restored = true
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if d := cmp.Diff(map[int64]Span{2: {"2026-11-20", "2026-11-20"}}, l.Keeps()); d != "" {
		t.Fatalf("keeps (-want +got):\n%s", d)
	}
	if e, err := readEntry(t, l, 2); err != nil || e.Detail["why"] != "case 17" || e.Detail["origin"] != "east-gate" || e.Detail["entry"] != fmt.Sprint(kept) {
		t.Errorf("%s %v", e.Raw, err)
	}
	crowd(t, l, ck, 3, 4)
	who := "SECRET-000003-" + strings.Repeat("x", 3*37%211)
	for _, x := range []Erasure{{Before: "2026-11-21"}, {Subject: who}, {Seq: 2, Epoch: 1}} {
		if _, err := l.Erase(x, "zhou", "asked for"); !errors.As(err, new(KeptError)) {
			t.Errorf("%+v: %v", x, err)
		}
	}
	if said := erasures(t, dir); len(said) > 0 {
		t.Errorf("erased all the same, where it is not kept: %v", said)
	}
	if done, err := l.Retain([]Retention{{"*", 1}}, nil); err != nil || len(done.Older) > 0 && done.Fields+done.Older[0].Fields > 0 {
		t.Errorf("retention: %+v, %v", done, err)
	}
	if _, err := l.Lift(2, "zhou", "closed"); err != nil {
		t.Fatal(err)
	}
	if done, err := l.Retain([]Retention{{"*", 1}}, nil); err != nil || len(done.Older) != 1 || done.Older[0].Entries != 33 {
		t.Errorf("after it was lifted: %+v, %v", done, err)
	}
	size := l.Size()
	if done, err := l.Retain([]Retention{{"*", 1}}, nil); err != nil || len(done.Older) != 0 || l.Size() != size {
		t.Errorf("the second time: %+v, %v", done, err)
	}
	verify(t, l)
}

func TestAnOlderEpochOfAnOlderFormat(t *testing.T) {
	dir := t.TempDir()
	gunzip(t, "testdata/format-2.db.gz", EpochFile(dir, 1))
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	l := open(t, dir, ck)
	done, err := l.Erase(Erasure{Before: "2026-11-24"}, "zhou", "asked for")
	if err != nil || len(done.Older) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if r := chain(t, dir); len(r) != 2 || r[0].Personal != 0 || r[0].Entries != 277 {
		t.Errorf("%+v", r)
	}
}
