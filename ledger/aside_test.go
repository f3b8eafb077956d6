package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gated/ledger/file"

	"github.com/google/go-cmp/cmp"
)

// secondEpoch has 500 people in its first epoch, of two days, and some of them again in the second. secret are the slots of
// the entries from..to of the first.
func secondEpoch(t *testing.T, from, to int64, inject func(op string) error) (l *Ledger, ck *clock, secret map[string][]byte) {
	t.Helper()
	ck = &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l = open(t, dir, ck)
	crowd(t, l, ck, 0, 400) // 1 to 1200
	ck.set("2026-11-21 08:00:00")
	crowd(t, l, ck, 400, 500) // 1201 to 1500
	_, secret = secrets(t, l, from, to)
	l.Close()
	ck.set("2026-11-24 08:00:00")
	opt := options(dir, ck)
	opt.Restored = true
	opt.Inject = inject
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

// saidErased are the erase entries of the current epoch.
func saidErased(t *testing.T, dir string) (said []string) {
	t.Helper()
	r, err := file.OpenReader(dir)
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
	t.Parallel()
	for _, x := range []struct {
		name     string
		parts    [][3]int64 // epoch, first, last
		from, to int64      // of the first epoch
		said     []string
		older    int64 // fields
		none     int64 // entries without any
	}{
		{"older days", [][3]int64{{1, 1, 1200}}, 1, 1200, []string{"before epoch=1 first=1 last=500 entries=500 fields=1334 by=zhou", "before epoch=1 first=501 last=1000 entries=500 fields=1331 by=zhou", "before epoch=1 first=1001 last=1200 entries=200 fields=535 by=zhou"}, 3200, 0},
		{"a person of both epochs", [][3]int64{{0, 8, 10}, {1, 1492, 1494}}, 1492, 1494, []string{"before epoch= first=8 last=10 entries=3 fields=8 by=zhou", "before epoch=1 first=1492 last=1494 entries=3 fields=8 by=zhou"}, 8, 0},
		{"an entry of the first", [][3]int64{{1, 22, 22}}, 22, 22, []string{"before epoch=1 first=22 last=22 entries=1 fields=1 by=zhou"}, 1, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			l, _, secret := secondEpoch(t, x.from, x.to, nil)
			dir := l.opt.Dir
			if found := traces(t, dir, secret); len(found) < len(secret) {
				t.Fatalf("%d of %d slots are found before the erasure: the search does not work", len(found), len(secret))
			}
			before := chain(t, dir)
			var done Erased // in the older epoch
			for _, p := range x.parts {
				var err error
				if done, err = l.Erase(int(p[0]), seqs(p[1], p[2]), asked); err != nil {
					t.Fatal(err)
				}
			}
			if done.Fields != x.older || done.Epoch != 1 || len(done.Records) == 0 {
				t.Errorf("done %+v", done)
			}
			if found := traces(t, dir, secret); len(found) > 0 {
				t.Errorf("%d traces while it runs:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
			}
			verify(t, l)
			l.Close()
			if found := traces(t, dir, secret); len(found) > 0 {
				t.Errorf("%d traces after the end:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
			}
			if d := cmp.Diff(x.said, saidErased(t, dir)); d != "" {
				t.Errorf("erase entries (-want +got):\n%s", d)
			}
			reports := chain(t, dir)
			if reports[0].Root != before[0].Root || reports[0].Personal+x.older != before[0].Personal || reports[0].Erased != x.to-x.from+1-x.none {
				t.Errorf("epoch 1: %d entries erased, %d fields not, before %d", reports[0].Erased, reports[0].Personal, before[0].Personal)
			}
		})
	}
}

// A kill between the erase entry and the slots of the older epoch: the next start does the rest.
func TestAnErasureInAnOlderEpochThatIsCutOff(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"commit", "committed", "erase", "erased"} {
		var killed atomic.Pointer[string]
		var armed atomic.Bool
		dir := ""
		l, ck, secret := secondEpoch(t, 1, 300, func(at string) error {
			if at == op && armed.Swap(false) {
				s := cutOff(t, dir)
				killed.Store(&s)
			}
			return nil
		})
		dir = l.opt.Dir
		armed.Store(true)
		if _, err := l.Erase(1, seqs(1, 300), asked); err != nil {
			t.Fatal(err)
		}
		at := *killed.Load()
		for range 2 { // the second start has nothing to do any more
			k := open(t, at, ck)
			verify(t, k)
			k.Close()
			found := traces(t, at, secret)
			if said := len(saidErased(t, at)) > 0; said != (op != "commit") || said && len(found) > 0 || !said && len(found) != len(secret) {
				t.Errorf("%s: said %v, %d of %d slots are there", op, said, len(found), len(secret))
			}
			chain(t, at)
		}
	}
}

// Slots of an older epoch that cannot be written keep nobody out: it is said, and tried again.
func TestAnErasureThatFailsInAnOlderEpochIsTriedAgain(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	l, ck, secret := secondEpoch(t, 1, 300, func(op string) error {
		if op == "erase" && full.Load() {
			return errors.New("no space left")
		}
		return nil
	})
	full.Store(true)
	done, err := l.Erase(1, seqs(1, 300), asked)
	if err == nil || !strings.Contains(err.Error(), "no space left: it is tried again") || l.Fault() != nil || len(done.Records) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	crowd(t, l, ck, 600, 601)
	if found := traces(t, l.opt.Dir, secret); len(found) != len(secret) || !l.erasing.Pending() {
		t.Errorf("%d slots are there, pending %v", len(found), l.erasing.Pending())
	}
	killed := cutOff(t, l.opt.Dir)
	full.Store(false)
	l.erasing.Lock()
	l.erasing.Finish(time.Now().Add(time.Hour))
	l.erasing.Unlock()
	if found := traces(t, l.opt.Dir, secret); len(found) != 0 || l.erasing.Pending() {
		t.Errorf("%d slots are there, pending %v", len(found), l.erasing.Pending())
	}
	l = open(t, killed, ck)
	if found := traces(t, killed, secret); len(found) != 0 || l.erasing.Pending() {
		t.Errorf("after a restart %d slots are there, pending %v", len(found), l.erasing.Pending())
	}
	chain(t, killed)
}

// One field of an entry of an older epoch: what is left is carried in the current one, and later in that after it.
func TestOneFieldOfAnOlderEpoch(t *testing.T) {
	t.Parallel()
	l, ck, _ := secondEpoch(t, 2, 2, nil)
	dir := l.opt.Dir
	shown := func() (names string) {
		r, err := file.OpenFile(file.OfEpoch(dir, 1))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.Scan(2, 2, true, func(e *Entry) error {
			for _, f := range e.Personal {
				names += f.Name + " "
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return names
	}
	if done, err := l.EraseField(1, 2, "name", asked); err != nil || done.Fields != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if got := shown(); got != "household phone plate subject " {
		t.Errorf("entry 2 shows %s", got)
	}
	chain(t, dir)
	l.Close()
	opt := options(dir, ck)
	opt.Restored = true
	l, err := Open(opt)
	if err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	defer l.Close()
	if got := shown(); got != "household phone plate subject " {
		t.Errorf("in the third epoch entry 2 shows %s", got)
	}
	if done, err := l.EraseField(1, 2, "phone", asked); err != nil || done.Fields != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if got := shown(); got != "household plate subject " {
		t.Errorf("entry 2 shows %s", got)
	}
	chain(t, dir)
	if _, err := l.Erase(1, seqs(1, 3), asked); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != "" {
		t.Errorf("entry 2 shows %s", got)
	}
	chain(t, dir)
}

// spoil puts something else in the place of a file, and returns what was there.
func spoil(t *testing.T, path string) []byte {
	t.Helper()
	was, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append([]byte("X"), was[1:]...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path + "-wal")
	os.Remove(path + "-shm")
	return was
}

// An epoch between that cannot be read may carry what is erased: what can be is erased, the rest is tried again.
func TestAnErasureBeyondAnEpochThatCannotBeRead(t *testing.T) {
	t.Parallel()
	l, ck, secret := secondEpoch(t, 1, 300, nil)
	dir := l.opt.Dir
	l.Close()
	begin(t, dir, ck, nil).Close()
	path := file.OfEpoch(dir, 2)
	was := spoil(t, path)
	l = open(t, dir, ck)
	_, err := l.Erase(1, seqs(1, 300), asked)
	if err == nil || !strings.Contains(err.Error(), "ledger-2.db") || !strings.Contains(err.Error(), "it is tried again") || l.Fault() != nil {
		t.Errorf("%v, fault %v", err, l.Fault())
	}
	if found := traces(t, dir, secret); len(found) > 0 || !l.erasing.Pending() {
		t.Errorf("%d slots are there, pending %v", len(found), l.erasing.Pending())
	}
	l.Close()
	l = open(t, dir, ck)
	if !l.erasing.Pending() {
		t.Error("it is forgotten after a restart")
	}
	if err := os.WriteFile(path, was, 0o600); err != nil {
		t.Fatal(err)
	}
	l.erasing.Lock()
	l.erasing.Finish(time.Now().Add(time.Hour))
	l.erasing.Unlock()
	if l.erasing.Pending() {
		t.Error("it is not carried out although the epoch can be read")
	}
	l.Close()
	chain(t, dir)
}

// What was postponed and said in an epoch that has ended is found again at each start, until it is carried out: also when a
// later erasure in the same epoch is.
func TestAnErasureSaidInAnOlderEpochIsNotForgotten(t *testing.T) {
	t.Parallel()
	for _, later := range []bool{false, true} {
		var full atomic.Bool
		inject := func(op string) error {
			if op == "erase" && full.Load() {
				return errors.New("no space left")
			}
			return nil
		}
		l, ck, secret := secondEpoch(t, 1, 300, inject)
		dir := l.opt.Dir
		full.Store(true)
		if _, err := l.Erase(1, seqs(1, 300), asked); err == nil || l.Fault() != nil {
			t.Fatal(err, l.Fault())
		}
		l.Close()
		l = begin(t, dir, ck, inject)
		if l.Fault() != nil || !l.erasing.Pending() {
			t.Fatalf("fault %v, pending %v", l.Fault(), l.erasing.Pending())
		}
		if later {
			full.Store(false)
			if _, err := l.Erase(1, seqs(301, 303), asked); err != nil {
				t.Fatal(err)
			}
		}
		killed := cutOff(t, dir)
		l = open(t, killed, ck)
		if found := traces(t, killed, secret); len(found) > 0 || l.erasing.Pending() {
			t.Errorf("later %v: after a restart %d slots are there, pending %v", later, len(found), l.erasing.Pending())
		}
		chain(t, killed)
	}
}

// An older epoch that could not be read carried what an older one still has lost: it is erased there once it can be.
func TestAnErasureOfWhatAnEpochCarriedThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	l, ck, _ := secondEpoch(t, 2, 2, nil)
	dir := l.opt.Dir
	if _, err := l.EraseField(1, 2, "name", asked); err != nil { // what is left is carried in the second
		t.Fatal(err)
	}
	all, _ := slots(t, reader(t, dir), l.Size(), l.Size())
	secret := map[string][]byte{"slot of the carrier": all[0][:]}
	if found := traces(t, dir, secret); len(found) != 1 {
		t.Fatalf("found %v before", found)
	}
	l.Close()
	l = begin(t, dir, ck, func(op string) error {
		if op == "erase" {
			return errors.New("no space left")
		}
		return nil
	})
	if _, err := l.Erase(1, seqs(2, 3), asked); err == nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	l.Close()
	path := file.OfEpoch(dir, 2)
	was := spoil(t, path)
	open(t, dir, ck).Close() // erases what it can
	begin(t, dir, ck, nil).Close()
	if found := traces(t, dir, secret); len(found) != 1 {
		t.Fatalf("found %v while the epoch cannot be read", found)
	}
	if err := os.WriteFile(path, was, 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, ck)
	if found := traces(t, dir, secret); len(found) > 0 || l.erasing.Pending() {
		t.Errorf("%v, pending %v", found, l.erasing.Pending())
	}
	chain(t, dir)
}
