package register

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sumdb "golang.org/x/mod/sumdb/tlog"

	"gated/ledger"
	"gated/ledger/tlog"
	"gated/register/blind"
	"gated/register/index"
)

type (
	Event  = ledger.Event
	Entry  = ledger.Entry
	Record = ledger.Record
	Field  = ledger.Field
	Stamp  = ledger.Stamp
)

var shanghai, _ = time.LoadLocation("Asia/Shanghai")

// clock is a settable time that moves on by a millisecond at each look.
type clock struct {
	mu    sync.Mutex
	t     time.Time
	doubt bool // nobody trusts it
}

func (c *clock) now() Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(time.Millisecond)
	return Stamp{Time: c.t, Boot: "b00t", Mono: time.Duration(c.t.UnixNano() % 1e15), Trusted: !c.doubt}
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

// box is a ledger with the register that follows it.
type box struct {
	*ledger.Ledger
	reg *Register
	dir string
}

func (b *box) View(f func(*State)) { b.reg.View(f) }

// Close ends both, as a daemon does.
func (b *box) Close() {
	b.Ledger.Close()
	b.reg.Close()
}

func options(dir string, ck *clock) (ledger.Options, Options) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	return ledger.Options{Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: ck.now, Log: log, Hangs: time.Minute},
		Options{Dir: dir, Key: []byte("k"), Now: ck.now, Log: log}
}

// start opens a ledger with its register, which may be in fault.
func start(t testing.TB, lo ledger.Options, ro Options) *box {
	t.Helper()
	return startNear(t, lo, ro, shortTail, 0)
}

// startNear is start, where only so many entries are waited for, and so many rows are merged (0: as many as at a gate).
func startNear(t testing.TB, lo ledger.Options, ro Options, near int64, merge int) *box {
	t.Helper()
	reg, err := New(ro)
	if err != nil {
		t.Fatal(err)
	}
	reg.near = near
	if merge > 0 {
		reg.index.MergeAt = merge
	}
	lo.Known, lo.Follow, lo.Recovered = reg.Known, reg.Follow, reg.Recovered
	l, err := ledger.Open(lo)
	if err != nil {
		t.Fatal(err)
	}
	b := &box{l, reg, lo.Dir}
	reg.Start(l)
	t.Cleanup(b.Close)
	return b
}

func open(t testing.TB, dir string, ck *clock) *box {
	t.Helper()
	lo, ro := options(dir, ck)
	b := start(t, lo, ro)
	if f := b.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	return b
}

// healing returns a channel that gets a token whenever the ledger works again.
func healing(opt *ledger.Options) <-chan struct{} {
	healed := make(chan struct{}, 1)
	opt.OnChange = func(f *ledger.Fault) {
		if f == nil {
			healed <- struct{}{}
		}
	}
	return healed
}

// verify compares the running state, and the index, with what is made anew from the entries alone; what the index says of
// later entries with what a reader without it finds; and the entries with their tree.
func verify(t testing.TB, b *box) {
	t.Helper()
	if b.Fault() == nil {
		if err := b.reg.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	b.reg.flush()
	r, err := OpenReader(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x := index.Open(t.TempDir(), b.reg.hash, b.reg.opt.Log)
	defer x.Close()
	anew := newState(b.reg.hash)
	anew.changed = index.NewChanges()
	var hashes hashes
	if err := r.Scan(1, 1<<62, true, func(e *Entry) error {
		h, err := sumdb.StoredHashes(e.Seq-1, e.Raw, &hashes)
		hashes = append(hashes, h...)
		anew.apply(e)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var about []int64
	for _, l := range anew.changed.Later {
		about = append(about, l.Seq)
	}
	if anew.Size > 0 {
		want, err1 := sumdb.TreeHash(anew.Size, &hashes)
		if root, err := tlog.RootAt(r, anew.Size); err != nil || err1 != nil || root != want {
			t.Errorf("root by tiles %v, by entries %v (%v, %v)", root, want, err, err1)
		}
		if err := x.Write([]*index.Changes{anew.take("east-gate")}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]*Reader{"index": r, "none": {Reader: r.Reader}} {
		if name == "index" && r.index == nil && b.reg.index.Usable() && anew.Size > 0 {
			t.Error("the index does not fit")
		}
		if got, err := r.Later(1, 1<<62); err != nil || fmt.Sprint(got) != fmt.Sprint(about) {
			t.Errorf("later entries by the index (%s): %v, want %v (%v)", name, got, about, err)
		}
	}
	running := ""
	b.View(func(s *State) { running = s.digest() })
	if d := cmp.Diff(anew.digest(), running); d != "" {
		t.Fatalf("the running state is not what the entries add up to (-entries +running):\n%s", d)
	}
	if b.reg.index.Usable() && anew.Size > 0 {
		if d := cmp.Diff(dump(t, x.Path), dump(t, b.reg.index.Path)); d != "" {
			t.Errorf("the index is not what the entries add up to (-entries +running):\n%s", d)
		}
	}
}

// dump is all that an index file holds.
func dump(t testing.TB, path string) (rows []string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for table, q := range map[string]string{"passage": "SELECT * FROM passage", "person": "SELECT * FROM person", "trip": "SELECT * FROM trip",
		"later": "SELECT * FROM later", "meta": "SELECT key, value FROM meta WHERE key IN ('size', 'last', 'state')", "term": "SELECT day, key, seq, first FROM term",
		"fresh": "SELECT day, keys, seq, first FROM fresh"} {
		found, err := db.Query(q)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := found.Columns()
		v, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range to {
			to[i] = &v[i]
		}
		for found.Next() {
			if err := found.Scan(to...); err != nil {
				t.Fatal(err)
			}
			if table != "fresh" {
				rows = append(rows, fmt.Sprint(table, v))
				continue
			}
			for keys := v[1].([]byte); len(keys) > 0; keys = keys[8:] { // as if they were in the table term
				rows = append(rows, fmt.Sprint("term", []any{v[0], int64(binary.BigEndian.Uint64(keys)), v[2], v[3]}))
			}
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(rows)
	return rows
}

// insideOf says of people who are inside by which entry they are.
func insideOf(b *box, names ...string) map[string]int64 {
	who := map[string]int64{}
	b.View(func(s *State) {
		for _, n := range names {
			if at, known := s.people[s.hash.Key(blind.OfSubject, n)]; known && at.Inside {
				who[n] = at.Seq
			}
		}
		if n := insideAt(s); len(who) != n {
			who["others"] = int64(n - len(who))
		}
	})
	return who
}

// insideAt counts who is inside, however long.
func insideAt(s *State) int {
	people, vehicles := s.Inside(time.Time{}, 0)
	return people + vehicles
}

// hashes are the stored hashes of a tree in memory.
type hashes []sumdb.Hash

func (h *hashes) ReadHashes(at []int64) (list []sumdb.Hash, err error) {
	for _, i := range at {
		list = append(list, (*h)[i])
	}
	return list, nil
}

func passage(ck *clock, id, direction, verdict string) []Event {
	s := ck.now()
	return []Event{
		{Stamp: s, Kind: Check, Passage: id, Lane: direction, Direction: direction, Credential: "gated-pass", Proof: "signed", Reason: "ok"},
		{Stamp: s, Kind: Query, Passage: id, Lane: direction, Direction: direction, Class: "resident", Verdict: verdict, Reason: "resident", Rule: "residents",
			Personal: []Field{{Name: "subject", Value: "r-" + id}, {Name: "household", Value: "3-2-501"}, {Name: "name", Value: "王小明"}}},
	}
}

func decided(ck *clock, id, direction, verdict, reason string) Event {
	return Event{Stamp: ck.now(), Kind: Decided, Passage: id, Lane: direction, Direction: direction, Class: "resident", Verdict: verdict, Reason: reason, By: "machine",
		Personal: []Field{{Name: "subject", Value: "r-" + id}, {Name: "household", Value: "3-2-501"}}}
}

// someone passes at once: check, query and register, with what the gate keeps of them.
func someone(ck *clock, passage, who, class, direction string) []Event {
	s := ck.now()
	household := Field{Name: "household", Value: "3-2-" + who}
	return []Event{
		{Stamp: s, Kind: Check, Passage: passage, Direction: direction, Proof: "signed", Reason: "ok", Personal: []Field{{Name: "code", Value: "code-of-" + who}}},
		{Stamp: s, Kind: Query, Passage: passage, Direction: direction, Class: class, Personal: []Field{{Name: "subject", Value: who}, household, {Name: "name", Value: "name-of-" + who}}},
		{Stamp: s, Kind: Decided, Passage: passage, Direction: direction, Class: class, Verdict: "admit", Reason: "ok", By: "machine", Personal: []Field{{Name: "subject", Value: who}, household}},
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

// many appends n entries of no passage.
func many(t testing.TB, b *box, ck *clock, n int) {
	t.Helper()
	for n > 0 {
		var events []Event
		for range min(n, 250) {
			events = append(events, Event{Stamp: ck.now(), Kind: Alive})
		}
		mustAppend(t, b, events...)
		n -= len(events)
	}
}

// erase erases entries, or a field of the only one.
func erase(t testing.TB, b *box, seqs []int64, field string) {
	t.Helper()
	ev := Event{Kind: ledger.Erase, Reason: "entry", By: "unauthenticated", Personal: []Field{{Name: "by", Value: "zhou"}}}
	if err := b.reg.Erasing(func(lose func([]int64)) (err error) {
		lose(seqs)
		if field != "" {
			_, err = b.EraseField(0, seqs[0], field, ev)
		} else {
			_, err = b.Erase(0, seqs, ev)
		}
		return err
	}); err != nil && !errors.Is(err, errNotRead) {
		t.Fatal(err)
	}
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
