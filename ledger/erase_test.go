package ledger

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// someone passes at once: check, query and register, with what the gate keeps of them.
func someone(ck *clock, passage, who, class, direction string) []Event {
	s := ck.now()
	household := Field{"household", "3-2-" + who}
	return []Event{
		{Stamp: s, Kind: Check, Passage: passage, Direction: direction, Proof: "signed", Reason: "ok", Personal: []Field{{"code", "code-of-" + who}}},
		{Stamp: s, Kind: Query, Passage: passage, Direction: direction, Class: class, Personal: []Field{{"subject", who}, household, {"name", "name-of-" + who}}},
		{Stamp: s, Kind: Register, Passage: passage, Direction: direction, Class: class, Verdict: "admit", Reason: "ok", By: "machine", Personal: []Field{{"subject", who}, household}},
	}
}

// left are the personal values that the ledger still has.
func left(t testing.TB, l *Ledger) (values []string) {
	t.Helper()
	r, err := OpenReader(l.opt.Dir)
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

func TestAnErasureTakesWhatWasAskedAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		what   Erasure
		gone   []int64 // entries that lose all their fields
		fields int64
		inside string
		trips  string
		no     string
	}{
		{name: "all days before one", what: Erasure{Before: "2026-11-22"}, gone: []int64{1, 2, 3, 4, 5, 6}, fields: 12, inside: "map[di:9]", trips: "map[3-2-bo:1]"},
		{name: "a class of them", what: Erasure{Before: "2026-11-23", Class: "courier"}, gone: []int64{4, 5, 6}, fields: 6, inside: "map[di:9]", trips: "map[3-2-bo:1]"},
		{name: "up to today, on which trips are counted", what: Erasure{Before: "2026-11-23"}, gone: []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}, fields: 18, inside: "map[]", trips: "map[3-2-bo:1]"},
		{name: "a person", what: Erasure{Subject: "bo"}, gone: []int64{1, 2, 3, 10, 11, 12, 13}, fields: 13, inside: "map[cy:6 di:9]", trips: "map[]"},
		{name: "who came in again", what: Erasure{Subject: "di"}, gone: []int64{7, 8, 9}, fields: 6, inside: "map[cy:6]", trips: "map[3-2-bo:1]"},
		{name: "an entry that let someone out", what: Erasure{Seq: 12}, gone: []int64{12}, fields: 2, inside: "map[bo:3 cy:6 di:9]", trips: "map[]"},
		{name: "a field that counts nothing", what: Erasure{Seq: 11, Field: "name"}, fields: 1, inside: "map[cy:6 di:9]", trips: "map[3-2-bo:1]"},
		{name: "the household alone", what: Erasure{Seq: 12, Field: "household"}, fields: 1, inside: "map[cy:6 di:9]", trips: "map[]"},
		{name: "the subject alone", what: Erasure{Seq: 12, Field: "subject"}, fields: 1, inside: "map[bo:3 cy:6 di:9]", trips: "map[]"},
		{name: "an entry that let someone in", what: Erasure{Seq: 6}, gone: []int64{6}, fields: 2, inside: "map[di:9]", trips: "map[3-2-bo:1]"},
		{name: "nobody", what: Erasure{Subject: "ed"}, no: "nothing to erase"},
		{name: "nothing yet", what: Erasure{Before: "2026-11-20"}, no: "nothing to erase"},
		{name: "no field of that name", what: Erasure{Seq: 1, Field: "phone"}, no: "nothing to erase"},
		{name: "an entry that is not there", what: Erasure{Seq: 99}, no: "there is no entry 99"},
		{name: "tomorrow", what: Erasure{Before: "2026-11-24"}, no: "--before 2026-11-24: it is 2026-11-23 today"},
		{name: "no day", what: Erasure{Before: "yesterday"}, no: `--before "yesterday": write a date`},
		{name: "two things", what: Erasure{Before: "2026-11-22", Subject: "bo"}, no: "by one of"},
		{name: "everything", no: "by one of"},
		{name: "a field of a person", what: Erasure{Subject: "bo", Field: "name"}, no: "--field goes with --seq"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ck := &clock{}
			dir := t.TempDir()
			ck.set("2026-11-21 08:00:00")
			l := open(t, dir, ck)
			mustAppend(t, l, someone(ck, "p1", "bo", "resident", "in")...) // 1 to 3
			mustAppend(t, l, someone(ck, "p2", "cy", "courier", "in")...)  // 4 to 6
			ck.set("2026-11-22 08:00:00")
			mustAppend(t, l, someone(ck, "p3", "di", "staff", "in")...) // 7 to 9
			ck.set("2026-11-23 08:00:00")
			mustAppend(t, l, someone(ck, "p4", "bo", "resident", "out")...)                                                                                             // 10 to 12
			mustAppend(t, l, Event{Stamp: ck.now(), Kind: Correction, Passage: "p4", Direction: "out", Ref: 11, Verdict: "admit", Personal: []Field{{"note", "typo"}}}) // 13
			verify(t, l)
			want := left(t, l)
			done, err := l.Erase(c.what, "zhou", "asked for")
			if c.no != "" {
				if err == nil || !strings.Contains(err.Error(), c.no) || l.Size() != 13 {
					t.Fatalf("got %v and %d entries, want %q and 13", err, l.Size(), c.no)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want = slices.DeleteFunc(want, func(v string) bool {
				var seq int64
				var field string
				fmt.Sscan(v, &seq, &field)
				return slices.Contains(c.gone, seq) || seq == c.what.Seq && field == c.what.Field
			})
			if d := cmp.Diff(append(want, "14 by zhou", "14 note asked for"), left(t, l)); d != "" {
				t.Errorf("what is left (-want +got):\n%s", d)
			}
			if done.Fields != c.fields || !slices.Equal(done.Records, []int64{14}) {
				t.Errorf("erased %+v, want %d fields", done, c.fields)
			}
			check := func(l *Ledger) {
				t.Helper()
				verify(t, l)
				l.View(func(s *State) {
					if in, trips := fmt.Sprint(s.Inside), fmt.Sprint(s.Trips); in != c.inside || trips != c.trips {
						t.Errorf("inside %s, trips %s, want %s and %s", in, trips, c.inside, c.trips)
					}
				})
			}
			check(l)
			check(open(t, cutOff(t, dir), ck))
			if _, err := l.Erase(c.what, "", "again"); !errors.Is(err, ErrNothingErased) {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// Whatever is erased and in whatever order, the running state is what the entries that are left add up to; so it is
// after a kill at any moment, with an index that has not heard of the erasure.
func TestTheStateAfterErasuresIsThatOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	for seed := range uint64(sample(6, 2)) {
		rng := rand.New(rand.NewPCG(seed, 7))
		ck := &clock{}
		ck.set("2026-11-01 06:00:00")
		dir := t.TempDir()
		l := open(t, dir, ck)
		stale := "" // the directory as it was some steps ago
		for i := range 120 {
			who := fmt.Sprint("r-", rng.IntN(5))
			class := []string{"resident", "courier", "staff"}[rng.IntN(3)]
			direction := []string{"in", "out"}[rng.IntN(2)]
			day := ck.now().Time.In(shanghai)
			var err error
			switch n := rng.IntN(20); {
			case n < 10:
				es := mustAppend(t, l, someone(ck, fmt.Sprint("p", i), who, class, direction)...)
				if rng.IntN(4) == 0 {
					mustAppend(t, l, corrections(es, ck.now())...)
				}
			case n < 13:
				ck.set(day.Add(time.Duration(rng.IntN(40)) * time.Hour).Format(time.DateTime))
			case n == 13:
				ck.set(day.Add(-time.Duration(rng.IntN(60)) * time.Hour).Format(time.DateTime))
			case n == 14:
				l.do(func() error { l.flushIndex(); return nil })
				stale = cutOff(t, dir)
			case n < 16:
				_, err = l.Erase(Erasure{Subject: who}, "zhou", "asked for")
			case n < 18:
				_, err = l.Erase(Erasure{Seq: 1 + rng.Int64N(l.Size()+1), Field: []string{"", "subject", "household"}[rng.IntN(3)]}, "", "asked for")
			case n == 18:
				_, err = l.Erase(Erasure{Before: day.AddDate(0, 0, -rng.IntN(3)).Format(time.DateOnly), Class: []string{"", class}[rng.IntN(2)]}, "", "asked for")
			default:
				_, err = l.Retain([]Retention{{"resident", 1}, {"*", 2}}, func() error { return nil })
			}
			if err != nil && !errors.Is(err, ErrNothingErased) && !strings.Contains(err.Error(), "no entry") {
				t.Fatal(err)
			}
			if i%10 == 0 {
				verify(t, l)
			}
		}
		verify(t, l)
		if stale != "" {
			verify(t, open(t, withIndexOf(t, dir, stale), ck))
		}
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
}

// withIndexOf is the ledger of now with the index of then: a kill before the index heard of anything since.
func withIndexOf(t *testing.T, now, then string) string {
	t.Helper()
	dir := cutOff(t, now)
	for _, f := range []string{"index.db", "index.db-wal"} {
		os.Remove(filepath.Join(dir, f))
		if b, err := os.ReadFile(filepath.Join(then, f)); err == nil {
			if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestAnIndexThatHasNotHeardOfAnErasureIsBuiltAnew(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, someone(ck, "p1", "bo", "resident", "in")...)
	mustAppend(t, l, someone(ck, "p2", "cy", "resident", "out")...)
	l.do(func() error { l.flushIndex(); return nil })
	then := cutOff(t, dir)
	for _, who := range []string{"bo", "cy"} {
		if _, err := l.Erase(Erasure{Subject: who}, "", "asked for"); err != nil {
			t.Fatal(err)
		}
	}
	killed := withIndexOf(t, dir, then)
	l = open(t, killed, ck)
	verify(t, l)
	l.View(func(s *State) {
		if len(s.Inside)+len(s.Trips)+len(s.Out) != 0 {
			t.Errorf("remembered: inside %v, trips %v", s.Inside, s.Trips)
		}
	})
}

func TestALargeErasureLetsPassagesThrough(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-01 08:00:00")
	l := open(t, t.TempDir(), ck)
	people := sample(2000, 500)
	for i := range people {
		mustAppend(t, l, someone(ck, fmt.Sprint("p", i), fmt.Sprint("r-", i), "resident", "in")...)
	}
	ck.set("2026-11-20 08:00:00")
	mustAppend(t, l, someone(ck, "now", "r-now", "resident", "in")...)
	done := make(chan error)
	var erased Erased
	go func() {
		var err error
		erased, err = l.Erase(Erasure{Before: "2026-11-20"}, "", "old")
		done <- err
	}()
	var worst time.Duration
	n := 0
	for running := true; running; n++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
			at := time.Now()
			mustAppend(t, l, someone(ck, fmt.Sprint("q", n), "r-q", "resident", "out")...)
			worst = max(worst, time.Since(at))
		}
	}
	t.Logf("%d passages during %d erase entries, the slowest took %v", n, len(erased.Records), worst)
	if want := 3 * people / erasedAtOnce; len(erased.Records) != want || erased.Entries != 3*people || erased.Fields != int64(6*people) {
		t.Errorf("erased %d entries, %d fields in %d chunks, want %d, %d, %d", erased.Entries, erased.Fields, len(erased.Records), 3*people, 6*people, want)
	}
	if worst > 2*time.Second {
		t.Errorf("a passage waited %v", worst)
	}
	verify(t, l)
}

// traces searches every file below dir for the values, and for their salts.
func traces(t *testing.T, dir string, secrets map[string][]byte) (found []string) {
	t.Helper()
	begin := map[string][]string{} // by their first twelve bytes, or eight if they are shorter
	var maybe [1 << 16]bool        // by the seventh and eighth of these, which is quicker than the map
	zeros := make([]byte, 4096)
	for name, s := range secrets {
		if len(s) < 8 {
			t.Fatalf("%s is too short to be searched for", name)
		}
		key := string(s[:8])
		if len(s) >= 12 {
			key = string(s[:12])
		}
		begin[key] = append(begin[key], name)
		maybe[binary.BigEndian.Uint16(s[6:])] = true
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		seen := map[string]int{}
		for i := 0; i+8 <= len(b); i++ {
			if b[i] == 0 && bytes.HasPrefix(b[i:], zeros) { // most of a disk
				i += len(zeros) - 9 // but for what begins with zeros
				continue
			}
			if !maybe[uint16(b[i+6])<<8|uint16(b[i+7])] {
				continue
			}
			for _, n := range []int{8, 12} {
				for _, name := range begin[string(b[i:min(i+n, len(b))])] {
					if bytes.HasPrefix(b[i:], secrets[name]) {
						seen[name]++
					}
				}
			}
		}
		for name, n := range seen {
			found = append(found, fmt.Sprintf("%s: %d × %s", filepath.Base(path), n, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// secrets are the values and salts of the entries from..to.
func secrets(t *testing.T, l *Ledger, from, to int64) map[string][]byte {
	t.Helper()
	r, err := OpenReader(l.opt.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := map[string][]byte{}
	err = r.c.query(func(v []driver.Value) error {
		s[fmt.Sprintf("%v %s", v[0], text(v[1]))] = []byte(text(v[2]))
		s[fmt.Sprintf("%v %s salt", v[0], text(v[1]))] = []byte(text(v[3]))
		return nil
	}, "SELECT seq, field, value, salt FROM personal WHERE seq BETWEEN ? AND ? AND value IS NOT NULL", from, to)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// crowd fills a ledger with people of whom every field is unlike all others, in sizes that split and fill pages.
func crowd(t *testing.T, l *Ledger, ck *clock, from, to int) {
	t.Helper()
	var events []Event
	for i := from; i < to; i++ {
		who := fmt.Sprintf("SECRET-%06d-%s", i, strings.Repeat("x", i*37%211))
		ev := someone(ck, fmt.Sprint("p", i), who, "resident", []string{"in", "out"}[i%2])
		ev[1].Personal = append(ev[1].Personal, Field{"plate", fmt.Sprintf("PLATE-%06d", i)}, Field{"phone", strings.Repeat(fmt.Sprintf("PHONE-%06d-", i), 1+i%50)})
		if events = append(events, ev...); i%5 == 4 || i == to-1 {
			mustAppend(t, l, events...)
			events = nil
		}
	}
}

func TestAnErasureLeavesNoTraceInTheFiles(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	crowd(t, l, ck, 0, 400)
	ck.set("2026-11-21 08:00:00")
	crowd(t, l, ck, 400, 800)
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: SignOn, Personal: []Field{{"guard", "SECRET-GUARD"}}}) // 2401
	l.do(func() error { l.flushIndex(); return nil })
	gone := secrets(t, l, 1, 1200)
	if found := traces(t, dir, gone); len(found) < len(gone) {
		t.Fatalf("%d of %d values and salts are found before the erasure: the search does not work", len(found), len(gone))
	}
	who := fmt.Sprintf("SECRET-%06d-%s", 500, strings.Repeat("x", 500*37%211))
	maps.Copy(gone, secrets(t, l, 1501, 1503))
	maps.Copy(gone, secrets(t, l, 2401, 2401))
	for _, what := range []Erasure{{Before: "2026-11-21"}, {Subject: who}, {Seq: 2401}} {
		if _, err := l.Erase(what, "zhou", "asked for"); err != nil {
			t.Fatal(err)
		}
	}
	if l.traces.Load() {
		t.Error("the write-ahead log was not overwritten")
	}
	if found := traces(t, dir, gone); len(found) > 0 {
		t.Errorf("%d traces while it runs:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
	}
	verify(t, l)
	l.Close()
	if found := traces(t, dir, gone); len(found) > 0 {
		t.Errorf("%d traces after the end:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
	}
}

func TestAReaderHoldsTheOverwritingBackAndNotTheErasure(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	crowd(t, l, ck, 0, 20)
	gone := secrets(t, l, 1, 60)
	ck.set("2026-11-21 08:00:00")
	crowd(t, l, ck, 20, 40)
	r, err := OpenReader(dir)
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
		if len(traces(t, dir, gone)) == 0 || !l.traces.Load() {
			t.Error("the log was overwritten under a reader")
		}
		crowd(t, l, ck, 40, 60) // the gate goes on
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); l.traces.Load(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the reader has ended and the log is not overwritten")
		}
	}
	if found := traces(t, dir, gone); len(found) > 0 {
		t.Errorf("traces: %v", found)
	}
	verify(t, l)
}

// A kill between an erasure and the overwriting leaves the old log: the next start overwrites it.
func TestAnErasureCutOffIsFinishedAtTheNextStart(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	crowd(t, l, ck, 0, 20)
	gone := secrets(t, l, 1, 60)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	killed := ""
	if err := r.Scan(1, 1, false, func(*Entry) error {
		for i := range int64(60) {
			if _, err := l.Erase(Erasure{Seq: i + 1}, "", "asked for"); err != nil {
				return err
			}
		}
		killed = cutOff(t, dir)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(traces(t, killed, gone)) == 0 {
		t.Fatal("nothing was left to overwrite")
	}
	l = open(t, killed, ck)
	for deadline := time.Now().Add(time.Minute); l.traces.Load(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the log is not overwritten")
		}
	}
	if found := traces(t, killed, gone); len(found) > 0 {
		t.Errorf("traces: %v", found)
	}
	verify(t, l)
}

// The blocks of a disk that no file has any more are searched as well.
func TestAnErasureLeavesNoTraceOnTheDisk(t *testing.T) {
	d := newImage(t)
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	l := open(t, d.dir, ck)
	crowd(t, l, ck, 0, 300)
	l.Close() // frees the log's blocks
	l = open(t, d.dir, ck)
	crowd(t, l, ck, 300, 600)
	gone := secrets(t, l, 1, 1800)
	ck.set("2026-11-21 08:00:00")
	crowd(t, l, ck, 600, 700)
	tool(t, "sync")
	if len(traces(t, filepath.Dir(d.path), gone)) < len(gone) {
		t.Fatal("the search of the image does not work")
	}
	if _, err := l.Erase(Erasure{Before: "2026-11-21"}, "zhou", "asked for"); err != nil {
		t.Fatal(err)
	}
	tool(t, "sync")
	if found := traces(t, filepath.Dir(d.path), gone); len(found) > 0 {
		t.Errorf("%d traces on the disk:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
	}
	verify(t, l)
	l.Close()
	tool(t, "sync")
	if found := traces(t, filepath.Dir(d.path), gone); len(found) > 0 {
		t.Errorf("%d traces on the disk after the end:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
	}
}

func TestDaysThatAreKeptAreNotErased(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	for _, day := range []string{"20", "21", "22"} {
		ck.set("2026-11-" + day + " 08:00:00")
		mustAppend(t, l, someone(ck, "p"+day, "r-"+day, "resident", "in")...) // 1 to 3, 4 to 6, 7 to 9
	}
	ck.set("2026-11-23 08:00:00")
	for _, c := range []struct{ from, to, why, want string }{
		{"2026-11-22", "2026-11-21", "case 17", "--from 2026-11-22 is after --to 2026-11-21"},
		{"21", "2026-11-21", "case 17", `--from "21": write a date`},
		{"2026-11-21", "", "case 17", `--to "": write a date`},
		{"2026-11-21", "2026-11-21", "", "--reason: say why"},
		{"2026-11-21", "2026-11-21", strings.Repeat("x", 501), "--reason: say why"},
	} {
		if _, err := l.Keep(c.from, c.to, "zhou", c.why); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("keep %s to %s: got %v, want %s", c.from, c.to, err, c.want)
		}
	}
	seq, err := l.Keep("2026-11-21", "2026-12-31", "zhou", "case 17")
	if err != nil || seq != 10 {
		t.Fatal(seq, err)
	}
	before := left(t, l)
	for _, e := range []Erasure{{Before: "2026-11-22"}, {Before: "2026-11-23"}, {Subject: "r-21"}, {Seq: 6}, {Seq: 10}} {
		var kept KeptError
		if done, err := l.Erase(e, "zhou", "asked for"); !errors.As(err, &kept) || kept.Seq != 10 || done.Fields != 0 {
			t.Errorf("%+v: %+v, %v, want a refusal by entry 10", e, done, err)
		}
	}
	if d := cmp.Diff(before, left(t, l)); d != "" {
		t.Errorf("a refused erasure changed something:\n%s", d)
	}
	if _, err := l.Erase(Erasure{Before: "2026-11-21"}, "zhou", "asked for"); err != nil { // not kept
		t.Error(err)
	}
	pause := func() error { return nil }
	rules := []Retention{{"*", 1}}
	if done, err := l.Retain(rules, pause); err != nil || done.Fields != 0 {
		t.Errorf("retention erased %+v of days that are kept (%v)", done, err)
	}
	verify(t, l)
	l.Close()
	l = open(t, dir, ck)
	if d := cmp.Diff(map[int64]Span{10: {"2026-11-21", "2026-12-31"}}, l.Keeps()); d != "" {
		t.Errorf("after the next start (-want +got):\n%s", d)
	}
	if _, err := l.Lift(9, "zhou", "closed"); !errors.Is(err, ErrNotKept) {
		t.Errorf("lifted what does not keep: %v", err)
	}
	if _, err := l.Lift(10, "zhou", "closed"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Lift(10, "zhou", "closed"); !errors.Is(err, ErrNotKept) {
		t.Errorf("lifted twice: %v", err)
	}
	done, err := l.Retain(rules, pause)
	if err != nil || done.Entries != 3 || done.First != 4 || done.Last != 6 {
		t.Errorf("retention after the lift: %+v, %v, want entries 4 to 6", done, err)
	}
	verify(t, l)
}

func TestRetentionGoesByTheClassOfThePassage(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	l := open(t, t.TempDir(), ck)
	for _, day := range []string{"01", "05", "09"} {
		ck.set("2026-11-" + day + " 08:00:00")
		mustAppend(t, l, Event{Stamp: ck.now(), Kind: SignOn, Personal: []Field{{"guard", "guard-" + day}}})
		mustAppend(t, l, someone(ck, "r"+day, "r-"+day, "resident", "in")...)
		mustAppend(t, l, someone(ck, "c"+day, "c-"+day, "courier", "in")...)
	}
	ck.set("2026-11-10 08:00:00")
	who := func() (names []string) {
		for _, v := range left(t, l) {
			if f := strings.Fields(v); f[1] == "code" || f[1] == "guard" {
				names = append(names, strings.TrimPrefix(f[2], "code-of-"))
			}
		}
		return names
	}
	rules := []Retention{{"courier", 1}, {"*", 7}}
	chunks := 0
	done, err := l.Retain(rules, func() error { chunks++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	// A courier's check does not say whose it is: it goes with the query that does.
	if d := cmp.Diff([]string{"guard-05", "r-05", "guard-09", "r-09", "c-09"}, who()); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if want := []int64{22, 23}; !slices.Equal(done.Records, want) {
		t.Errorf("erase entries %v, want %v", done.Records, want)
	}
	verify(t, l)
	if done, err = l.Retain(rules, nil); err != nil || done.Fields != 0 || l.Size() != 23 {
		t.Errorf("the second time: %+v, %v, %d entries", done, err, l.Size())
	}
	ck.set("2026-11-13 03:30:00")
	if _, err = l.Retain(rules, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"guard-09", "r-09"}, who()); d != "" {
		t.Errorf("three days later (-want +got):\n%s", d)
	}
	verify(t, l)

	l.opt.Now = func() Stamp { s := ck.now(); s.Trusted = false; return s }
	if _, err = l.Retain(rules, nil); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("with a clock that is not trusted: %v", err)
	}
}

func TestSubjectIsToldAllOfTheirPassages(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, someone(ck, "p1", "bo", "resident", "in")...)                                                      // 1 to 3
	mustAppend(t, l, someone(ck, "p2", "cy", "resident", "in")...)                                                      // 4 to 6
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Opening, Passage: "p1", Reason: "pulse"})                             // 7
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Check, Passage: "p3", Personal: []Field{{"stated_subject", "bo"}}})   // 8
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Export, Reason: "subject", Personal: []Field{{"subject", "bo"}}})     // 9
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Register, Passage: "p1", Verdict: "refuse", Ref: 3, Direction: "in"}) // 10
	tell := func() (told []string) {
		n, err := Subject(dir, "bo", func(e *Entry) error {
			told = append(told, fmt.Sprint(e.Seq, " ", e.Personally("name")))
			return nil
		})
		if err != nil || n != len(told) {
			t.Fatal(n, err)
		}
		return told
	}
	if d := cmp.Diff([]string{"1 ", "2 name-of-bo", "3 ", "7 ", "8 ", "9 ", "10 "}, tell()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := l.Erase(Erasure{Subject: "bo"}, "", "asked for"); err != nil {
		t.Fatal(err)
	}
	if told := tell(); len(told) != 0 {
		t.Errorf("after the erasure: %v", told)
	}
	for _, v := range left(t, l) {
		if strings.Contains(v, "bo") {
			t.Errorf("left: %s", v)
		}
	}
	verify(t, l)
}
