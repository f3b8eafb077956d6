package ledger

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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

// asked is an erasure that somebody asked for.
var asked = Event{Kind: Erase, Reason: "before", By: "unsigned", Personal: []Field{{"by", "zhou"}, {"note", "asked for"}}}

// seqs are the entries from..to.
func seqs(from, to int64) (list []int64) {
	for ; from <= to; from++ {
		list = append(list, from)
	}
	return list
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

// traces searches every file below dir for the values, and for their salts.
func traces(t *testing.T, dir string, secrets map[string][]byte) (found []string) {
	t.Helper()
	begin := map[uint64][]string{} // by their first eight bytes
	for name, s := range secrets {
		if len(s) < 8 {
			t.Fatalf("%s is too short to be searched for", name)
		}
		begin[binary.BigEndian.Uint64(s)] = append(begin[binary.BigEndian.Uint64(s)], name)
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
		var window uint64
		for i, c := range b {
			if window = window<<8 | uint64(c); window == 0 || i < 7 {
				continue
			}
			for _, name := range begin[window] {
				if bytes.HasPrefix(b[i-7:], secrets[name]) {
					seen[name]++
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
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	crowd(t, l, ck, 0, 400)
	ck.set("2026-11-21 08:00:00")
	crowd(t, l, ck, 400, 800)
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: SignOn, Personal: []Field{{"guard", "SECRET-GUARD"}}}) // 2401
	gone := secrets(t, l, 1, 1200)
	if found := traces(t, dir, gone); len(found) < len(gone) {
		t.Fatalf("%d of %d values and salts are found before the erasure: the search does not work", len(found), len(gone))
	}
	maps.Copy(gone, secrets(t, l, 1501, 1503))
	maps.Copy(gone, secrets(t, l, 2401, 2401))
	for _, s := range [][2]int64{{1, 1200}, {1501, 1503}, {2401, 2401}} {
		if _, err := l.Erase(0, seqs(s[0], s[1]), asked); err != nil {
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
		if _, err := l.Erase(0, seqs(1, 60), asked); err != nil {
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
			if _, err := l.Erase(0, seqs(i+1, i+1), asked); err != nil {
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
	if _, err := l.Erase(0, seqs(1, 1800), asked); err != nil {
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

// A large erasure goes in chunks, so that passages are answered in between; one field of an entry goes alone.
func TestAnErasureGoesInChunksAndSaysWhatItTook(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	l := open(t, t.TempDir(), ck)
	crowd(t, l, ck, 0, 400) // 1 to 1200
	done, err := l.Erase(0, seqs(1, 1100), asked)
	if err != nil || done.Entries != 1100 || done.First != 1 || done.Last != 1100 || !slices.Equal(done.Records, []int64{1201, 1202, 1203}) {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err = l.Erase(0, seqs(1, 1100), asked); err != nil || done.Fields != 0 || l.Size() != 1203 {
		t.Errorf("the second time: %+v, %v", done, err)
	}
	if done, err = l.EraseField(0, 1199, "plate", asked); err != nil || done.Fields != 1 {
		t.Errorf("one field: %+v, %v", done, err)
	}
	r := reader(t, l.opt.Dir)
	list, next, err := r.Readable(1, 1203, 50)
	if err != nil || len(list) != 50 || list[0].Seq != 1101 || next != 1151 {
		t.Errorf("%d entries have personal data, next %d, %v", len(list), next, err)
	}
	for _, e := range list {
		if e.Personal != nil {
			t.Errorf("entry %d: it was read", e.Seq)
		}
	}
	if list, next, err = r.Readable(1199, 1200, 50); err != nil || len(list) != 2 || next != 1201 {
		t.Errorf("at the end %d entries have personal data, next %d, %v", len(list), next, err)
	}
	verify(t, l)
}
