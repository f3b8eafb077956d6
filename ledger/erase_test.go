package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gated/ledger/file"
	"gated/ledger/seal"
)

// someone passes at once: check, query and register, with what the gate keeps of them.
func someone(ck *clock, passage, who, class, direction string) []Event {
	s := ck.now()
	household := Field{Name: "household", Value: "3-2-" + who}
	return []Event{
		{Stamp: s, Kind: Check, Passage: passage, Direction: direction, Proof: "signed", Reason: "ok", Personal: []Field{{Name: "code", Value: "code-of-" + who}}},
		{Stamp: s, Kind: Query, Passage: passage, Direction: direction, Class: class, Personal: []Field{{Name: "subject", Value: who}, household, {Name: "name", Value: "name-of-" + who}}},
		{Stamp: s, Kind: Register, Passage: passage, Direction: direction, Class: class, Verdict: "admit", Reason: "ok", By: "machine", Personal: []Field{{Name: "subject", Value: who}, household}},
	}
}

// asked is an erasure that somebody asked for.
var asked = Event{Kind: Erase, Reason: "before", By: "unauthenticated", Personal: []Field{{Name: "by", Value: "zhou"}, {Name: "note", Value: "asked for"}}}

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
	r, err := file.OpenReader(l.opt.Dir)
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
	keys, _ := filepath.Glob(filepath.Join(to, "keys", "*.key"))
	for _, k := range keys {
		if err := os.Chmod(k, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.Remove(filepath.Join(to, "ledger.db-shm"))
	os.Remove(filepath.Join(to, "index.db-shm"))
	return to
}

// traces searches every file below dir for the secrets.
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

// secrets are what nobody may find once the entries from..to of a state directory's ledger are erased: the values, which
// stand nowhere in the clear even before, and the slots.
func secrets(t *testing.T, l *Ledger, from, to int64) (values, hidden map[string][]byte) {
	t.Helper()
	r := reader(t, l.opt.Dir)
	values, hidden = map[string][]byte{}, map[string][]byte{}
	keys, here := slots(t, r, from, to)
	if err := r.Scan(from, to, true, func(e *Entry) error {
		for _, f := range e.Personal {
			values[fmt.Sprintf("%d %s", e.Seq, f.Name)] = []byte(f.Value)
		}
		if i := e.Seq - from; e.Personal != nil && here[i] {
			hidden[fmt.Sprintf("slot of %d", e.Seq)] = keys[i][:]
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return values, hidden
}

// crowd fills a ledger with people of whom every field is unlike all others, in sizes that split and fill pages.
func crowd(t *testing.T, l *Ledger, ck *clock, from, to int) {
	t.Helper()
	var events []Event
	for i := from; i < to; i++ {
		who := fmt.Sprintf("SECRET-%06d-%s", i, strings.Repeat("x", i*37%211))
		ev := someone(ck, fmt.Sprint("p", i), who, "resident", []string{"in", "out"}[i%2])
		ev[1].Personal = append(ev[1].Personal, Field{Name: "plate", Value: fmt.Sprintf("PLATE-%06d", i)}, Field{Name: "phone", Value: strings.Repeat(fmt.Sprintf("PHONE-%06d-", i), 1+i%50)})
		if events = append(events, ev...); i%25 == 24 || i == to-1 {
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
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: SignOn, Personal: []Field{{Name: "guard", Value: "SECRET-GUARD"}}}) // 2401
	values, all := secrets(t, l, 1, 2401)
	if found := traces(t, dir, values); len(found) > 0 {
		t.Errorf("%d values stand in the clear:\n%s", len(found), strings.Join(found[:min(len(found), 10)], "\n"))
	}
	_, gone := secrets(t, l, 1, 1200)
	if found := traces(t, dir, gone); len(found) != len(gone) {
		t.Fatalf("%d of %d slots are found before the erasure: the search does not work", len(found), len(gone))
	}
	for _, s := range [][2]int64{{1, 1200}, {1501, 1503}, {2401, 2401}} {
		_, more := secrets(t, l, s[0], s[1])
		maps.Copy(gone, more)
		if _, err := l.Erase(0, seqs(s[0], s[1]), asked); err != nil {
			t.Fatal(err)
		}
	}
	for _, when := range []string{"while it runs", "after the end"} {
		if found := traces(t, dir, gone); len(found) > 0 {
			t.Errorf("%d traces %s:\n%s", len(found), when, strings.Join(found[:min(len(found), 10)], "\n"))
		}
		if found := traces(t, dir, all); len(found) != len(all)-len(gone) {
			t.Errorf("%d slots are left %s, want %d", len(found), when, len(all)-len(gone))
		}
		verify(t, l)
		l.Close()
	}
}

// snapshot hashes what is in a ledger: erasing adds rows, and changes none.
func snapshot(t *testing.T, dir string, size int64) string {
	t.Helper()
	c, err := connect("file:" + filepath.Join(dir, "ledger.db") + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := sha256.New()
	for _, q := range []string{"SELECT seq, ts, record, sealed FROM entry WHERE seq <= ? ORDER BY seq", "SELECT first, day FROM segment WHERE first <= ? ORDER BY first",
		"SELECT at, root, data FROM tile WHERE ? ORDER BY at LIMIT 4", "SELECT key, value FROM meta WHERE ? ORDER BY key"} {
		if err := c.query(func(v []any) error { fmt.Fprintf(h, "%v\n", v); return nil }, q, size); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestAnErasureChangesNoRow(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	crowd(t, l, ck, 0, 400)
	size := l.Size()
	before := snapshot(t, dir, size)
	if _, err := l.Erase(0, seqs(1, 900), asked); err != nil {
		t.Fatal(err)
	}
	if _, err := l.EraseField(0, 1001, "name", asked); err != nil {
		t.Fatal(err)
	}
	if snapshot(t, dir, size) != before {
		t.Error("rows have changed")
	}
	verify(t, l)
}

// What a copy of the ledger still says depends on the slots of today, not on those of its time.
func TestARestoredLedgerDoesNotSayWhatWasErasedSince(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir, old := t.TempDir(), filepath.Join(t.TempDir(), "copy.db")
	l := open(t, dir, ck)
	crowd(t, l, ck, 0, 20)
	if _, err := l.Erase(0, seqs(1, 3), asked); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := reader(t, dir).Copy(old); err != nil { // last week's
		t.Fatal(err)
	}
	ck.set("2026-11-27 08:00:00")
	l = open(t, dir, ck)
	crowd(t, l, ck, 20, 40)
	if _, err := l.Erase(0, seqs(4, 30), asked); err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, f := range []string{"ledger.db", "ledger.db-wal", "ledger.db-shm", "index.db"} {
		os.Remove(filepath.Join(dir, f))
	}
	if err := os.Rename(old, filepath.Join(dir, "ledger.db")); err != nil {
		t.Fatal(err)
	}
	opt := options(dir, ck)
	opt.Restored = true
	l, err := Open(opt)
	if err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	defer l.Close()
	r, err := file.OpenFile(file.OfEpoch(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Scan(1, 30, true, func(e *Entry) error {
		if e.Personal != nil {
			t.Errorf("entry %d still says %v", e.Seq, e.Personal)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if list, _, err := r.Readable(1, 60, 100); err != nil || len(list) != 30 || list[0].Seq != 31 {
		t.Errorf("%d entries have personal data: %v", len(list), err)
	}
	if err := reader(t, dir).Scan(1, 1, false, func(e *Entry) error {
		if e.Detail["erased"] != "27" {
			t.Errorf("the first entry says that %q were erased after the copy, want 27", e.Detail["erased"])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	chain(t, dir)
}

// Whoever wipes a slot and then begins an epoch has not erased it: what is not known to be a restored copy has erase entries for all
// that is gone. Verify does not believe another first entry either.
func TestWhatWasWipedIsNotErasedByANewEpoch(t *testing.T) {
	t.Parallel()
	wiped := func(t *testing.T) Options {
		dir, ck := t.TempDir(), &clock{}
		ck.set("2026-11-20 08:00:00")
		l := open(t, dir, ck)
		crowd(t, l, ck, 0, 200)
		l.Close()
		f, err := os.OpenFile(filepath.Join(dir, "personal.keys"), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(make([]byte, 32), 2*32); err != nil {
			t.Fatal(err)
		}
		return options(dir, ck)
	}
	const says = "entry 2: its personal data was erased, and no entry says so"
	t.Run("who verifies first", func(t *testing.T) { begun(t, wiped(t), says) })
	for name, said := range map[string]string{"unseen": "", "as an older version did": "1"} {
		t.Run(name, func(t *testing.T) {
			opt := wiped(t)
			opt.Begin = &Begin{By: "root", Why: "new disk"}
			opt.Carry = func(*file.Reader, time.Time) (map[string]string, []Event, error) {
				if said == "" {
					return nil, nil, nil
				}
				return map[string]string{"erased": said}, nil, nil
			}
			l, err := Open(opt)
			if err != nil || l.Fault() != nil {
				t.Fatal(err, l.Fault())
			}
			l.Close()
			if err := reader(t, opt.Dir).Scan(1, 1, false, func(e *Entry) error {
				if e.Reason != "begun" || e.Detail["erased"] != said {
					t.Errorf("the first entry: %s", e.Raw)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyChain(filepath.Join(opt.Dir, "ledger.db"), Given{}); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("verified: %v", err)
			}
		})
	}
}

// The other way round: the slots are last night's, and the ledger knows what was erased since.
func TestOlderSlotsAreErasedAgain(t *testing.T) {
	t.Parallel()
	for _, restored := range []bool{false, true} {
		ck := &clock{}
		ck.set("2026-11-20 08:00:00")
		dir := t.TempDir()
		l := open(t, dir, ck)
		crowd(t, l, ck, 0, 20)
		path := filepath.Join(dir, "personal.keys")
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, gone := secrets(t, l, 1, 30)
		if _, err := l.Erase(0, seqs(1, 30), asked); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
		if found := traces(t, dir, gone); len(found) != len(gone) {
			t.Fatalf("%d of %d are back", len(found), len(gone))
		}
		opt := options(dir, ck)
		opt.Restored = restored
		l, err = Open(opt)
		if err != nil || l.Fault() != nil {
			t.Fatal(err, l.Fault())
		}
		if found := traces(t, dir, gone); len(found) > 0 {
			t.Errorf("restored %v: %v", restored, found)
		}
		chain(t, dir)
		l.Close()
	}
}

// A kill between the erase entry and the slots, at each step: the next start does the rest.
func TestAnErasureCutOffIsFinishedAtTheNextStart(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		op    string
		times int // so often it was asked before
		said  bool
	}{{"commit", 0, false}, {"committed", 0, true}, {"erase", 0, true}, {"erased", 0, true}, {"committed", 1, true}, {"erase", 1, true}} {
		t.Run(fmt.Sprint(x.op, x.times), func(t *testing.T) {
			ck := &clock{}
			ck.set("2026-11-20 08:00:00")
			dir := t.TempDir()
			opt := options(dir, ck)
			var killed atomic.Pointer[string]
			var armed atomic.Int32
			armed.Store(-1)
			opt.Inject = func(op string) error {
				if op == x.op && armed.Load() >= 0 && armed.Add(-1) < 0 {
					s := cutOff(t, dir)
					killed.Store(&s)
				}
				return nil
			}
			l, err := Open(opt)
			if err != nil || l.Fault() != nil {
				t.Fatal(err, l.Fault())
			}
			defer l.Close()
			crowd(t, l, ck, 0, 220)
			size := l.Size()
			_, gone := secrets(t, l, 1, 30)
			if x.times > 0 {
				_, gone = secrets(t, l, 501, 600)
			}
			armed.Store(int32(x.times))
			if _, err := l.Erase(0, seqs(1, 600), asked); err != nil { // two chunks
				t.Fatal(err)
			}
			at := *killed.Load()
			k := open(t, at, ck)
			if said := k.Size() > size+int64(x.times); said != x.said {
				t.Errorf("said %v", said)
			}
			found := traces(t, at, gone)
			if x.said && len(found) > 0 || !x.said && len(found) != len(gone) {
				t.Errorf("%d of %d slots are there", len(found), len(gone))
			}
			verify(t, k)
		})
	}
}

// The blocks of a disk that no file has any more are searched as well.
func TestAnErasureLeavesNoTraceOnTheDisk(t *testing.T) {
	t.Parallel()
	d := newImage(t)
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	l := open(t, d.dir, ck)
	crowd(t, l, ck, 0, 300)
	l.Close() // frees the log's blocks
	l = open(t, d.dir, ck)
	crowd(t, l, ck, 300, 600)
	values, gone := secrets(t, l, 1, 1800)
	ck.set("2026-11-21 08:00:00")
	crowd(t, l, ck, 600, 700)
	search := func(when string, want map[string][]byte, n int) {
		t.Helper()
		tool(t, "sync")
		if found := traces(t, filepath.Dir(d.path), want); len(found) != n {
			t.Errorf("%s: %d traces on the disk, want %d:\n%s", when, len(found), n, strings.Join(found[:min(len(found), 10)], "\n"))
		}
	}
	search("before", values, 0)
	search("before", gone, len(gone))
	if _, err := l.Erase(0, seqs(1, 1800), asked); err != nil {
		t.Fatal(err)
	}
	search("after", gone, 0)
	verify(t, l)
	l.Close()
	search("at the end", gone, 0)
	search("at the end", values, 0)
}

func TestOneFieldIsErasedAndTheOthersAreCarriedOn(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	crowd(t, l, ck, 0, 5)
	_, first := secrets(t, l, 2, 2)
	if done, err := l.EraseField(0, 2, "name", asked); err != nil || done.Fields != 1 || done.Entries != 1 { // 16 says it, 17 carries
		t.Fatalf("%+v, %v", done, err)
	}
	_, second := slotOf(t, l, 17)
	if found := traces(t, dir, first); len(found) > 0 {
		t.Errorf("its slot is still there: %v", found)
	}
	names := func() (list []string) {
		r := reader(t, dir)
		if err := r.Scan(1, 1<<62, true, func(e *Entry) error {
			if e.Kind == Carried && (e.Personal != nil || e.Ref != 2) {
				t.Errorf("entry %d shows what it carries: %v", e.Seq, e.Personal)
			}
			if e.Seq != 2 {
				return nil
			}
			for _, f := range e.Personal {
				list = append(list, f.Name)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := names(); !slices.Equal(got, []string{"household", "phone", "plate", "subject"}) {
		t.Errorf("entry 2 shows %v", got)
	}
	verify(t, l)
	if done, err := l.EraseField(0, 2, "name", asked); err != nil || done.Fields != 0 || l.Size() != 17 {
		t.Errorf("the second time: %+v, %v", done, err)
	}
	if _, err := l.EraseField(0, 2, "plate", asked); err != nil { // 18, 19
		t.Fatal(err)
	}
	if found := traces(t, dir, second); len(found) > 0 {
		t.Errorf("the slot of the entry that carried it is still there: %v", found)
	}
	if got := names(); !slices.Equal(got, []string{"household", "phone", "subject"}) {
		t.Errorf("entry 2 shows %v", got)
	}
	if list, _, err := reader(t, dir).Readable(1, 100, 100); err != nil || len(list) != 15 || list[1].Seq != 2 {
		t.Errorf("%d have personal data, %v", len(list), err)
	}
	k := open(t, cutOff(t, dir), ck) // a restart changes nothing
	verify(t, k)
	_, third := slotOf(t, l, 19)
	if _, err := l.Erase(0, seqs(1, 3), asked); err != nil {
		t.Fatal(err)
	}
	if found := traces(t, dir, third); len(found) > 0 || names() != nil {
		t.Errorf("the rest is still there: %v, %v", found, names())
	}
	verify(t, l)
}

// slotOf is the slot of an entry, as secrets has it.
func slotOf(t *testing.T, l *Ledger, seq int64) (seal.Slot, map[string][]byte) {
	t.Helper()
	keys, here := slots(t, reader(t, l.opt.Dir), seq, seq)
	if !here[0] || keys[0] == (seal.Slot{}) {
		t.Fatal(here)
	}
	return keys[0], map[string][]byte{fmt.Sprint("slot of ", seq): keys[0][:]}
}

func TestWhatErasuresSayIsSpared(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	l := open(t, t.TempDir(), ck)
	crowd(t, l, ck, 0, 5)
	if _, err := l.Erase(0, []int64{1, 2, 3, 7, 9}, asked); err != nil { // 16
		t.Fatal(err)
	}
	if done, err := l.Erase(0, seqs(4, 16), asked); err != nil || done.Last != 15 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := left(t, l); !slices.Equal(got, []string{"16 by zhou", "16 entries 1-3,7,9", "16 note asked for", "17 by zhou", "17 entries 4-6,8,10-15", "17 note asked for"}) {
		t.Errorf("left: %q", got)
	}
	verify(t, l)
}

// A large erasure goes in chunks, so that passages are answered in between; one field of an entry goes alone.
func TestAnErasureGoesInChunksAndSaysWhatItTook(t *testing.T) {
	t.Parallel()
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
