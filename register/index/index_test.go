package index

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gated/register/blind"
	"gated/register/presence"
	"gated/register/trips"
)

var (
	shanghai, _ = time.LoadLocation("Asia/Shanghai")
	quiet       = slog.New(slog.NewTextHandler(io.Discard, nil))
	box         = blind.New([]byte("box"))
)

func open(t *testing.T, dir string) *Index {
	t.Helper()
	x := Open(dir, box, quiet)
	t.Cleanup(func() { x.Close() })
	if !x.Usable() {
		t.Fatal("it cannot be used")
	}
	return x
}

// changes are those of a passage of one entry, found by keys.
func changes(seq int64, verdict string, keys ...blind.Key) *Changes {
	c := NewChanges()
	at := time.Date(2026, 11, 23, 8, 0, int(seq), 0, shanghai)
	c.Passages[seq] = &Passage{ID: fmt.Sprint("p", seq), First: seq, Last: seq, Day: "2026-11-23", At: at, Decided: at.Add(time.Second),
		Lane: "north", Direction: "in", Class: "visitor", Credential: "card", Verdict: verdict, Reason: "ok", By: "machine", Emergency: seq%2 == 0}
	if len(keys) > 0 {
		c.Found = []Finding{{Seq: seq, First: seq, Day: "2026-11-23", Keys: keys}}
	}
	c.Head = Head{Origin: "east-gate", Size: seq, Last: fmt.Sprint("hash", seq), State: fmt.Sprintf(`{"n":%d}`, seq)}
	return c
}

func write(t *testing.T, x *Index, list ...*Changes) {
	t.Helper()
	if err := x.Write(list, nil); err != nil {
		t.Fatal(err)
	}
}

// What was written is there after opening it again, for the daemon and for a reader.
func TestWhatWasWrittenIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	a, b := changes(1, "admit"), changes(2, "refuse")
	b.Passages[2].Decided = time.Time{}
	a.People[7], a.People[8], a.People[9] = &presence.Place{Seq: 1, Inside: true, Class: "vehicle", At: 7}, &presence.Place{Seq: 1}, &presence.Place{Seq: 2, Unknown: true, Back: true}
	b.People[8] = nil
	a.Trips[1], a.Trips[2] = &trips.Trip{Household: 5, Day: "2026-11-23"}, &trips.Trip{Household: 6, Day: "2026-11-23", Who: 9, Due: 7}
	b.Trips[1] = nil
	b.Later = []Later{{9, 3, 4}, {10, 4, 8}}
	write(t, x, a, b)
	x.Close()
	reader, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for name, x := range map[string]*Index{"daemon": open(t, dir), "reader": reader} {
		people, counted := map[blind.Key]presence.Place{}, map[int64]trips.Trip{}
		var list, wanted []Passage
		var later []int64
		var head Head
		if err := x.AtOnce(func() error {
			var err1, err2, err3, err4 error
			head, err1 = x.Head()
			list, err2 = x.Passages([]int64{2, 3, 1}, shanghai)
			wanted, err3 = x.Newest(Filter{Verdict: "admit", Lane: "north", Limit: 5}, 1, 2, shanghai)
			later, err4 = x.Later(9, 4, 4)
			return errors.Join(err1, err2, err3, err4, x.People(func(who blind.Key, at presence.Place) { people[who] = at }),
				x.Trips(func(seq int64, t trips.Trip) { counted[seq] = t }))
		}); err != nil {
			t.Fatal(err)
		}
		got := []any{head, list, wanted, later, people, counted, x.Known("east-gate"), x.Known("west-gate")}
		want := []any{b.Head, []Passage{*b.Passages[2], *a.Passages[1]}, []Passage{*a.Passages[1]}, []int64{9}, map[blind.Key]presence.Place{7: {Seq: 1, Inside: true, Class: "vehicle", At: 7}, 9: {Seq: 2, Unknown: true, Back: true}},
			map[int64]trips.Trip{2: {Household: 6, Day: "2026-11-23", Who: 9, Due: 7}}, int64(2), int64(0)}
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// Entries are found by their keys wherever the rows stand: fresh, merged, or written again with fewer keys.
func TestEntriesAreFoundFreshAndMerged(t *testing.T) {
	t.Parallel()
	for _, mergeAt := range []int{1, 3, 100} {
		x := open(t, t.TempDir())
		x.MergeAt = mergeAt
		for seq := range int64(7) {
			write(t, x, changes(seq+1, "admit", blind.Key(seq%2), -blind.Key(seq+1)))
		}
		find := func(k blind.Key) (seqs []int64) {
			t.Helper()
			f, err := x.Finder()
			if err != nil {
				t.Fatal(err)
			}
			found, err := f.Entries(k)
			if err != nil || !slices.IsSortedFunc(found, func(a, b Finding) int { return cmp.Compare(a.Seq, b.Seq) }) {
				t.Errorf("found %v, %v", found, err)
			}
			for _, g := range found {
				seqs = append(seqs, g.Seq)
			}
			return seqs
		}
		if got := fmt.Sprint(find(0), find(1), find(-7), find(9)); got != "[1 3 5 7] [2 4 6] [7] []" {
			t.Errorf("merged at %d: found %s", mergeAt, got)
		}
		if err := x.Write(nil, func(w *Writer) error {
			w.FindAgain([]Finding{{Seq: 1, Day: "2026-11-23"}, {Seq: 7, Day: "2026-11-23", Keys: []blind.Key{0}}})
			f, err := w.Finder()
			if err != nil {
				return err
			}
			if found, err := f.Entries(0); err != nil || len(found) != 3 || found[2].First != 7 {
				t.Errorf("merged at %d: within the transaction %v, %v", mergeAt, found, err)
			}
			w.Put(changes(8, "admit", 9))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(find(0), find(-1), find(-7), find(9)); got != "[3 5 7] [] [] [8]" {
			t.Errorf("merged at %d: after it found %s", mergeAt, got)
		}
	}
}

// A transaction is written whole or not at all.
func TestAnErrorWritesNothing(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	write(t, x, changes(1, "admit", 1))
	disk := errors.New("EIO")
	if err := x.Write([]*Changes{changes(2, "admit", 1)}, func(w *Writer) error { w.Put(changes(3, "admit", 1)); return disk }); !errors.Is(err, disk) {
		t.Errorf("got %v", err)
	}
	if n := x.Known("east-gate"); n != 1 || x.fresh != 1 {
		t.Errorf("it has heard of %d entries, with %d fresh ones; want 1 and 1", n, x.fresh)
	}
}

// A file that does not fit the box or the program begins anew; what cannot be used says so and never panics.
func TestWhatDoesNotFitBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"another version": func(t *testing.T, dir string) {
			x := open(t, dir)
			if _, err := x.db.Exec("UPDATE meta SET value = 'old' WHERE key = 'version'"); err != nil {
				t.Fatal(err)
			}
			if n := x.Known("east-gate"); n != 1 { // a ledger that is gone is noticed all the same
				t.Errorf("known of an older version: %d", n)
			}
			if _, err := x.Head(); err == nil || !strings.Contains(err.Error(), "version") {
				t.Errorf("head of an older version: %v", err)
			}
			x.Close()
		},
		"another box": func(t *testing.T, dir string) { Open(dir, blind.New([]byte("other")), quiet).Close() },
		"garbage": func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "index.db"), []byte(strings.Repeat("garbage ", 4096)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		x := open(t, dir)
		write(t, x, changes(1, "admit"))
		x.Close()
		spoil(t, dir)
		x = open(t, dir)
		if h, err := x.Head(); err != nil || h != (Head{}) {
			t.Errorf("%s: head %+v, %v", name, h, err)
		}
		write(t, x, changes(1, "admit"))
		x.GiveUp(errors.New("EIO"))
		_, err1 := x.Head()
		_, err2 := x.Finder()
		_, err3 := x.Passages(nil, shanghai)
		for _, err := range []error{err1, err2, err3, x.Write(nil, nil), x.AtOnce(func() error { return nil })} {
			if !errors.Is(err, ErrNone) {
				t.Errorf("%s: given up: %v", name, err)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); x.Usable() || x.Known("east-gate") != 0 || len(left) > 0 {
			t.Errorf("%s: given up, and left %v", name, left)
		}
	}
}

// One made beside it takes its place, with all that it has and nothing of the old one.
func TestOneMadeBesideTakesItsPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	write(t, x, changes(1, "admit", 1))
	anew, err := x.Beside()
	if err != nil {
		t.Fatal(err)
	}
	write(t, anew, changes(2, "admit", 2))
	if n := x.Known("east-gate"); n != 1 {
		t.Errorf("meanwhile it has heard of %d entries", n)
	}
	if err := x.Replace(anew); err != nil {
		t.Fatal(err)
	}
	list, err := x.Passages([]int64{1, 2}, shanghai)
	if err != nil || len(list) != 1 || list[0].ID != "p2" || x.fresh != 1 {
		t.Errorf("in its place: %+v, %d fresh, %v", list, x.fresh, err)
	}
	x.Close()
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
