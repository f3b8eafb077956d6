package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// restore copies what a backup holds: the ledger, not the index, and the key only where one was careless.
func restore(t *testing.T, from string, files ...string) string {
	t.Helper()
	to := t.TempDir()
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(from, f))
		if err != nil {
			t.Fatal(err)
		}
		os.MkdirAll(filepath.Dir(filepath.Join(to, f)), 0o700)
		if err := os.WriteFile(filepath.Join(to, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestARestoredBoxBeginsANewEpoch(t *testing.T) {
	dir := small(t)
	key, err := PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := OpenReader(dir)
	old, err := r.Head()
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		files    []string
		set      func(*Options)
		question string
	}{
		"the ledger alone": {[]string{"ledger.db"}, func(o *Options) { o.Restored = true }, ""},
		"a whole clone":    {[]string{"ledger.db", "index.db", "keys/ledger.key", "keys/ledger.pub"}, func(o *Options) { o.Restored = true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := restore(t, dir, x.files...)
			ck := &clock{}
			ck.set("2026-11-24 08:00:00")
			opt := options(dir, ck)
			x.set(&opt)
			l, err := Open(opt)
			if err != nil {
				t.Fatal(err)
			}
			if f := l.Fault(); f != nil {
				t.Fatal(f.Cause)
			}
			l.View(func(s *State) {
				if got := s.Trusted.Time.Format("2006-01-02 15:04"); got != "2026-11-24 08:00" || s.Size != 1 {
					t.Errorf("trusted %s, size %d", got, s.Size)
				}
			})
			many(t, l, ck, 300)
			verify(t, l)
			l.Close()
			opt.Restored = false
			l, err = Open(opt) // and goes on with it
			if err != nil || l.Fault() != nil {
				t.Fatal(err, l.Fault())
			}
			many(t, l, ck, 1)
			l.Close()

			path := filepath.Join(dir, "ledger.db")
			reports, err := VerifyChain(path, Given{Keys: key, Since: &old})
			if len(x.files) == 1 && err == nil {
				key := append(key, reports[1].Key)
				reports, err = VerifyChain(path, Given{Keys: key})
			}
			if err != nil || len(reports) != 2 || reports[0].Entries != 258 || reports[1].Entries != 302 || reports[1].Meta.Origin != "east-gate/2" {
				t.Fatalf("%v, %+v", err, reports)
			}
			if text := strings.Join(Proved(reports, Given{}), "\n"); !strings.Contains(text, "east-gate/2 follows east-gate, which ended with entry 258") {
				t.Error(text)
			}
			if _, err := os.Stat(filepath.Join(dir, "keys", "ledger.key")); err == nil {
				t.Error("the old key is still there: two boxes could sign in one name")
			}
			// Another old epoch in its place is found.
			c, err := connect("file:" + epochFile(dir, 1))
			if err != nil {
				t.Fatal(err)
			}
			err = c.exec("INSERT INTO entry SELECT seq + 1, ts, replace(replace(record, '\"seq\":258', '\"seq\":259'), '\"personal\":', '\"x\":') FROM entry WHERE seq = 258")
			c.Close()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyChain(path, Given{}); err == nil || !strings.Contains(err.Error(), "ended with entry 258") {
				t.Errorf("an entry more in the old epoch: %v", err)
			}
			os.Remove(epochFile(dir, 1))
			if _, err := VerifyChain(path, Given{}); err == nil || !strings.Contains(err.Error(), "epoch 1 of 2") {
				t.Errorf("without the old epoch: %v", err)
			}
		})
	}
}

func TestACloneIsKnownByItsMachine(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-22 08:00:00")
	dir := t.TempDir()
	opt := options(dir, ck)
	opt.Machine = "one"
	for i, x := range []struct {
		machine  string
		unsigned bool
		origin   string
	}{{"one", false, "east-gate"}, {"one", false, "east-gate"}, {"", false, "east-gate"}, {"two", true, ""}, {"two", false, "east-gate/2"}, {"two", false, "east-gate/2"}, {"three", false, "east-gate/3"}} {
		opt.Machine, opt.Unsigned = x.machine, x.unsigned
		l, err := Open(opt)
		if x.origin == "" {
			if err == nil || !strings.Contains(err.Error(), "start the daemon first") {
				t.Errorf("step %d: %v", i, err)
			}
			continue
		}
		if err != nil || l.Fault() != nil {
			t.Fatal(i, err, l.Fault())
		}
		many(t, l, ck, 3)
		if l.meta.Origin != x.origin {
			t.Errorf("step %d: %s, want %s", i, l.meta.Origin, x.origin)
		}
		verify(t, l)
		l.Close()
	}
	reports, err := VerifyChain(filepath.Join(dir, "ledger.db"), Given{})
	if err != nil || len(reports) != 3 {
		t.Fatal(err, len(reports))
	}
	if got := fmt.Sprint(reports[0].Entries, reports[1].Entries, reports[2].Entries); got != "9 7 4" {
		t.Errorf("entries %s", got)
	}
}

// TestAnEpochThatHadNoTimeToBegin: the power went between putting the old file aside and the first entry.
func TestAnEpochThatHadNoTimeToBegin(t *testing.T) {
	dir := small(t)
	if err := os.Rename(filepath.Join(dir, "ledger.db"), epochFile(dir, 1)); err != nil {
		t.Fatal(err)
	}
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	l := open(t, dir, ck)
	many(t, l, ck, 2)
	verify(t, l)
	l.Close()
	if reports, err := VerifyChain(filepath.Join(dir, "ledger.db"), Given{}); err != nil || len(reports) != 2 {
		t.Fatal(err, reports)
	}
	// But one that had begun and is gone is a fault.
	os.Remove(filepath.Join(dir, "ledger.db"))
	l, err := Open(options(dir, ck))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "is gone") {
		t.Errorf("fault %+v", f)
	}
}
