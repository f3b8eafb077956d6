package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/ledger/epoch"
	"gated/ledger/file"
	"gated/ledger/tlog"

	"github.com/google/go-cmp/cmp"
)

// worked is the state directory of a gate that has worked for so many entries and was stopped, and an older copy of its anchor.
func worked(t *testing.T, entries int) (dir string, older []byte) {
	t.Helper()
	dir, ck := t.TempDir(), &clock{}
	ck.set("2026-11-23 08:00:00")
	l := open(t, dir, ck)
	mustAppend(t, l, startOf(l))
	many(t, l, ck, 99)
	signNow(t, l)
	older, err := os.ReadFile(file.AnchorOf(l.path))
	if err != nil {
		t.Fatal(err)
	}
	many(t, l, ck, entries-101)
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Stop})
	l.Close()
	return dir, older
}

// attack changes a ledger without its key: nothing but heads could tell. Heads of more than size entries are deleted.
func attack(t *testing.T, dir string, size int64, sql string, invented ...Event) {
	t.Helper()
	c := unlocked(t, dir)
	defer c.Close()
	if err := c.exec(sql+"; DELETE FROM tile; DELETE FROM head WHERE size > ?; DELETE FROM segment WHERE first > (SELECT max(seq) FROM entry)", size); err != nil {
		t.Fatal(err)
	}
	var n int64
	err := c.QueryRow("SELECT max(seq) FROM entry").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range invented {
		n++
		if err := c.exec("INSERT INTO entry VALUES(?, ?, ?, NULL)", n, ev.Time.UnixMicro(), string(recordOf(t, ev, n, shanghai))); err != nil {
			t.Fatal(err)
		}
	}
	var tree tlog.Tree
	var full []tlog.Tile
	if err := c.query(func(v []any) error {
		full = append(full, tree.Push(tlog.LeafHash([]byte(v[0].(string))))...)
		return nil
	}, "SELECT record FROM entry ORDER BY seq"); err != nil {
		t.Fatal(err)
	}
	for _, x := range full {
		if err := c.exec("INSERT INTO tile VALUES(?, ?, ?)", tileAt(x.Level, x.N), x.Root[:], x.Data); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever has the box and not its key cannot change what was recorded before the last few entries, nor take it away, nor add
// to it, without being found by verify and by the daemon; and one command begins a new epoch that says so.
func TestHistoryRewrittenWithoutTheKeyIsFound(t *testing.T) {
	const change = "UPDATE entry SET record = replace(record, '\"alive\"', '\"alife\"') WHERE seq = 400"
	const none = "SELECT 1"
	ck := &clock{}
	ck.set("2026-11-23 08:00:05")
	passage := append(passage(ck, "p", "in", "admit"), register(ck, "p", "in", "admit", "resident"))
	for i := range passage {
		passage[i].Personal = nil
	}
	start := Event{Stamp: ck.now(), Kind: Start, Detail: map[string]string{"gate": "East gate", "time_zone": "Asia/Shanghai"}}
	for _, c := range []struct {
		name     string
		size     int64 // heads of more entries are deleted
		sql      string
		invented []Event
		anchor   string // what becomes of it: stays, older, zeros, half of it zeros, or gone
		known    int64  // entries that index.db knows
		entries  int    // 1000 where it is 0
		want     string
	}{
		{"an entry of today changed, newer heads deleted", 100, change, nil, "stays", 0, 0, "have the root"},
		{"and the anchor too", 100, change, nil, "gone", 0, 0, "anchor is not there, and the ledger has 1000 entries"},
		{"and an older anchor in its place", 100, change, nil, "older", 0, 0, "more than 512 entries after entry 100 are signed by no tree head"},
		{"and zeros in the anchor", 100, change, nil, "zeros", 0, 0, "anchor holds no tree head, and the ledger has 1000 entries"},
		{"the end of today cut off, and zeros in the anchor", 800, "DELETE FROM entry WHERE seq > 800", nil, "zeros", 0, 0, "anchor holds no tree head"},
		{"and in its first half", 800, "DELETE FROM entry WHERE seq > 800", nil, "half", 0, 0, "anchor holds no tree head"},
		{"all heads deleted", 0, none, nil, "stays", 0, 0, "entry 1000 is a stop, and the tree head that was signed with it is not there"},
		{"all heads deleted, and the anchor too", 0, none, nil, "gone", 0, 0, "anchor is not there"},
		{"an entry changed and all heads deleted", 0, change, nil, "gone", 0, 0, "anchor is not there"},
		{"a passage invented after stop", 1000, none, passage, "stays", 0, 0, "entry 1001 is signed by no tree head and stands behind entry 1000, a stop"},
		{"a start and a passage invented after stop", 1000, none, append([]Event{start}, passage...), "stays", 0, 0, ""}, // as if the power had gone
		{"a passage invented, and then a start", 1000, none, append(passage, start), "stays", 0, 0, "stands behind entry 1000, a stop"},
		{"the end of today cut off", 800, "DELETE FROM entry WHERE seq > 800", nil, "stays", 0, 0, "anchor counts 1000 entries, and 800 are there"},
		{"and the anchor too, of a day cut off", 800, "DELETE FROM entry WHERE seq > 800", nil, "gone", 0, 0, "anchor is not there"},
		{"and an older anchor in its place, of a day cut off", 500, "DELETE FROM entry WHERE seq > 500", nil, "older", 1000, 0, "has heard of 1000 entries, and 500 are there"},
		{"and an older anchor, of a year cut off", 500, "DELETE FROM entry WHERE seq > 500", nil, "older", 0, 13_000, "there are slots for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries := 1000
			if c.entries > 0 {
				entries = c.entries
			}
			dir, older := worked(t, entries)
			attack(t, dir, c.size, c.sql, c.invented...)
			anchor := filepath.Join(dir, "anchor")
			switch c.anchor {
			case "gone":
				if err := os.Remove(anchor); err != nil {
					t.Fatal(err)
				}
			case "zeros":
				if err := os.WriteFile(anchor, make([]byte, len(older)), 0o600); err != nil {
					t.Fatal(err)
				}
			case "half":
				if err := os.WriteFile(anchor, append(make([]byte, len(older)/2), bytes.Repeat([]byte("x"), len(older)/2)...), 0o600); err != nil {
					t.Fatal(err)
				}
			case "older":
				if err := os.WriteFile(anchor, older, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			opt := options(dir, &clock{t: time.Now()})
			if c.known > 0 {
				opt.Known = func(origin string) int64 {
					if origin != "east-gate" {
						return 0
					}
					return c.known
				}
			}
			r, err := file.OpenReader(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, err = verifyReader(r, Given{Known: opt.Known})
			r.Close()
			holds(t, "verify", err, c.want)
			l, err := Open(opt)
			if err != nil {
				t.Fatal(err)
			}
			var fault error
			if f := l.Fault(); f != nil {
				fault = errors.New(f.Cause)
			}
			holds(t, "the daemon", fault, c.want)
			if fault != nil && !strings.Contains(fault.Error(), "gated ledger begin") {
				t.Errorf("it does not say what to do: %v", fault)
			}
			l.Close()
			if c.want == "" {
				return
			}
			begun(t, opt, c.want)
		})
	}
}

// Each tree head that came with a day, a start, a stop or a key is missed, by the daemon where it is among the newest.
func TestATreeHeadThatIsDeletedIsFound(t *testing.T) {
	dir, ck := t.TempDir(), &clock{}
	ck.set("2026-11-22 08:00:00")
	for run := range 3 {
		l := open(t, dir, ck)
		mustAppend(t, l, startOf(l))
		many(t, l, ck, 100)
		if run == 1 {
			mustAppend(t, l, Event{Stamp: ck.now(), Kind: KeyChange, Reason: "witness"})
			ck.set("2026-11-23 08:00:00")
		}
		many(t, l, ck, 100)
		if run != 1 {
			mustAppend(t, l, Event{Stamp: ck.now(), Kind: Stop})
		}
		l.Close()
	}
	var sizes []int64
	c := unlocked(t, dir)
	defer c.Close()
	if err := c.query(func(v []any) error { sizes = append(sizes, v[0].(int64)); return nil }, "SELECT size FROM head ORDER BY size"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int64{202, 304, 404, 606}, sizes); d != "" {
		t.Fatal("tree heads (-want +got):", d)
	}
	for _, size := range sizes {
		if err := c.exec("CREATE TEMP TABLE kept AS SELECT * FROM head WHERE size = ?1; DELETE FROM head WHERE size = ?1", size); err != nil {
			t.Fatal(err)
		}
		r, err := file.OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = verifyReader(r, Given{})
		holds(t, fmt.Sprint("verify, without the tree head of ", size), err, "is not there")
		err = r.Check(0, nil)
		r.Close()
		want := "is not there"
		if size == 202 {
			want = "" // only who reads the whole ledger comes upon it
		}
		holds(t, fmt.Sprint("the daemon, without the tree head of ", size), err, want)
		if err := c.exec("INSERT INTO head SELECT * FROM kept; DROP TABLE kept"); err != nil {
			t.Fatal(err)
		}
	}
}

func holds(t *testing.T, who string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: %v, want %q", who, err, want)
	}
}

// wholly is what the command that begins an epoch brings.
func wholly(r *file.Reader) error {
	_, err := verifyReader(r, Given{})
	return err
}

// begun lets a new epoch begin, whose first entry names what was found, and which goes on.
func begun(t *testing.T, opt Options, found string) {
	t.Helper()
	opt.Begin = &Begin{By: "root", Why: "the manager has seen it", Verify: wholly}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	} else if f := l.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	l.Close()
	opt.Begin = nil
	for range 2 { // as the daemon does
		if l, err = Open(opt); err != nil || l.Fault() != nil {
			t.Fatalf("after it: %v, %+v", err, l.Fault())
		}
		mustAppend(t, l, startOf(l), Event{Stamp: opt.Now(), Kind: Stop})
		verify(t, l)
		l.Close()
	}
	r, err := file.OpenReader(opt.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Scan(1, 1, true, func(e *Entry) error {
		if e.Kind != Epoch || e.Reason != "finding" || !strings.Contains(e.Detail["found"], found) || e.Detail["origin"] != "east-gate" || e.Personally("note") != "the manager has seen it" {
			t.Errorf("the first entry: %s %v", e.Raw, e.Personal)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	reports, err := VerifyChain(r.Path(), Given{Known: opt.Known})
	if err != nil || len(reports) != 2 || !strings.Contains(reports[1].Proved, "east-gate: it did not hold when east-gate/2 began, and counts for nothing: ") {
		t.Errorf("verified: %v, %+v", err, reports)
	}
}

// What lies before the newest entries the daemon does not read again. Who begins an epoch does, or else verify would find it for ever:
// also where the process that put the ledger aside got no further.
func TestANewEpochNamesWhatVerifyFinds(t *testing.T) {
	t.Parallel()
	change := func(t *testing.T, dir string) {
		if err := unlocked(t, dir).exec("UPDATE entry SET record = replace(record, '\"alive\"', '\"alife\"') WHERE seq = 16"); err != nil {
			t.Fatal(err)
		}
	}
	for name, aside := range map[string]bool{"in its place": false, "put aside already": true} {
		t.Run(name, func(t *testing.T) {
			dir, _ := worked(t, 1000)
			opt := options(dir, &clock{t: time.Now()})
			change(t, dir)
			if aside {
				files := epoch.Files{Dir: dir, Origin: "east-gate", Log: opt.Log}
				if err := files.PutAside(1); err != nil {
					t.Fatal(err)
				}
			}
			begun(t, opt, "entry 16 was changed")
		})
	}
}

// A ledger that cannot be opened at all, and one that holds, can be put aside as well.
func TestANewEpochBeginsWhateverTheLedgerHolds(t *testing.T) {
	dir, _ := worked(t, 1000)
	path := filepath.Join(dir, "ledger.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("gate", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	opt := options(dir, &clock{t: time.Now()})
	opt.Begin = &Begin{By: "root", Why: "nothing can read it"}
	l, err := Open(opt)
	if err != nil || l.Fault() != nil {
		t.Fatalf("begin: %v, %+v", err, l.Fault())
	}
	mustAppend(t, l, startOf(l))
	verify(t, l)
	l.Close()
	reports, err := VerifyChain(path, Given{})
	if err != nil || len(reports) != 1 || !strings.Contains(reports[0].Proved, "the epoch before it did not hold when it began") {
		t.Errorf("verified: %v, %+v", err, reports)
	}

	dir, _ = worked(t, 1000)
	opt = options(dir, &clock{t: time.Now()})
	opt.Begin = &Begin{By: "root", Why: "the gate was moved"}
	if l, err = Open(opt); err != nil || l.Fault() != nil {
		t.Fatalf("begin: %v, %+v", err, l.Fault())
	}
	verify(t, l)
	l.Close()
	if reports, err = VerifyChain(filepath.Join(dir, "ledger.db"), Given{}); err != nil || len(reports) != 2 || reports[0].Entries != 1000 {
		t.Errorf("verified: %v, %+v", err, reports)
	}
	if l, err = Open(Options{Dir: t.TempDir(), Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Begin: opt.Begin, Now: opt.Now, Log: opt.Log}); err == nil {
		l.Close()
		t.Error("an epoch began where there is no ledger")
	}
}
