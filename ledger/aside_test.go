package ledger

import (
	"fmt"
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
	for _, x := range []struct {
		name     string
		parts    [][3]int64 // epoch, first, last
		from, to int64      // of the first epoch
		said     []string
		older    int64 // fields
		kept     string
	}{
		{"older days", [][3]int64{{1, 1, 1200}}, 1, 1200, []string{"before epoch=1 first=1 last=500 entries=500 fields=1334 by=zhou", "before epoch=1 first=501 last=1000 entries=500 fields=1331 by=zhou", "before epoch=1 first=1001 last=1200 entries=200 fields=535 by=zhou"}, 3200, "SECRET-000400"},
		{"a person of both epochs", [][3]int64{{0, 8, 10}, {1, 1492, 1494}}, 1492, 1494, []string{"before epoch= first=8 last=10 entries=3 fields=8 by=zhou", "before epoch=1 first=1492 last=1494 entries=3 fields=8 by=zhou"}, 8, "SECRET-000496"},
		{"an entry of the first", [][3]int64{{1, 22, 22}}, 22, 22, []string{"before epoch=1 first=22 last=22 entries=1 fields=1 by=zhou"}, 1, "SECRET-000008"},
	} {
		t.Run(x.name, func(t *testing.T) {
			l, _, secret := secondEpoch(t, x.from, x.to)
			dir := l.opt.Dir
			if found := traces(t, dir, secret); len(found) < len(secret) {
				t.Fatalf("%d of %d values and salts are found before the erasure: the search does not work", len(found), len(secret))
			}
			before := chain(t, dir)
			var done Erased // in the older epoch
			for _, p := range x.parts {
				var err error
				if done, err = l.Erase(int(p[0]), seqs(p[1], p[2]), asked); err != nil {
					t.Fatal(err)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "ledger-1.db-*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if done.Fields != x.older || done.Epoch != 1 || len(done.Records) == 0 {
				t.Errorf("done %+v", done)
			}
			if found := traces(t, dir, secret); len(found) > 0 {
				t.Errorf("%d traces while it runs:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
			}
			if l.unswept.Load() {
				t.Error("something is left to be swept")
			}
			verify(t, l)
			l.Close()
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
	if _, err := l.Erase(1, seqs(1, 1200), asked); err != nil {
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
		if _, err := l.Erase(1, seqs(1, 1200), asked); err != nil {
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
