package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gated/credential"
	"gated/gate/spool"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/register"
	"gated/register/erasure"

	"golang.org/x/sys/unix"
)

// pages returns those pages of the disk that are not empty, as they are after a sync. Blocks that no file has any more are
// among them.
func (d *disk) pages(t *testing.T) []byte {
	t.Helper()
	root, err := os.Open(d.dir)
	if err == nil {
		err = errors.Join(unix.Syncfs(int(root.Fd())), root.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(d.image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []byte
	page, empty := make([]byte, 4096), make([]byte, 4096)
	for {
		if _, err := io.ReadFull(f, page); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(page, empty) {
			all = append(all, page...)
		}
	}
}

// among names the secrets that are found in what a disk holds.
func among(disk []byte, secrets map[string][]byte) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if n := bytes.Count(disk, secrets[name]); n > 0 {
			found = append(found, fmt.Sprintf("%d × %s", n, name))
		}
	}
	return found
}

// plaintext is what the entries say of people, as it must stand nowhere.
func (s *site) plaintext() map[string][]byte {
	values := map[string][]byte{}
	for _, e := range s.records() {
		for _, f := range e.Personal {
			if len(f.Value) >= 6 { // less may stand anywhere by chance
				values[fmt.Sprintf("%s of entry %d: %s", f.Name, e.Seq, f.Value)] = []byte(f.Value)
			}
		}
	}
	return values
}

// slots are those of the entries whose personal fields can be read. derived are the keys that are made from them.
func (s *site) slots() (slots, derived map[string][]byte) {
	s.t.Helper()
	all, err := os.ReadFile(filepath.Join(s.dir, "personal.keys"))
	if err != nil {
		s.t.Fatal(err)
	}
	slots, derived = map[string][]byte{}, map[string][]byte{}
	var keys [][]byte // of a page of entries
	for i, e := range s.records() {
		if i%file.MaxKeys == 0 {
			if keys, err = s.l.Keys(1, e.Seq, min(e.Seq+file.MaxKeys-1, s.l.Size())); err != nil {
				s.t.Fatal(err)
			}
		}
		if e.Personal != nil {
			name := fmt.Sprintf("entry %d (%s)", e.Seq, e.Kind)
			slots[name], derived[name] = all[32*e.Seq:32*e.Seq+32], keys[i%file.MaxKeys] // docs/formats.md
		}
	}
	return slots, derived
}

// TestAnErasureLeavesNoTraceOnTheGatesDisk lets people pass at a gate whose state, with a backup of it, has a disk of its
// own: by code, by document, on hold, and through a fault in which the emergency key is pressed. What is told of them stands
// nowhere on that disk in the clear, and once it is erased its slots do not either: in no file, and in no block that a file
// once had. Only the roster, which says who belongs here, lies elsewhere.
func TestAnErasureLeavesNoTraceOnTheGatesDisk(t *testing.T) {
	s := newSite(t)
	s.end()
	d := newDisk(t, 96<<20)
	s.dir = d.dir
	t.Cleanup(s.end) // before it is unmounted
	s.start()
	copied := filepath.Join(s.dir, "backup", "copy.db")
	if err := os.Mkdir(filepath.Dir(copied), 0o700); err != nil {
		t.Fatal(err)
	}
	backUp := func() {
		t.Helper()
		if _, err := file.BackUp(s.dir, copied); err != nil {
			t.Fatal(err)
		}
	}
	must(0, s.g.SignOn("SECRET-GUARD-ZHANG"))
	codes := map[string][]byte{}
	many := func(times int) {
		t.Helper()
		for i := range times {
			lane := []string{"in", "out"}[i%2]
			for _, code := range []string{
				s.pass("resident", s.subject("王小明"), month+time.Duration(i)*time.Second), s.pass("vehicle", s.subject("粤B12345"), month+time.Duration(i)*time.Second),
				s.dcc(credential.Health{Kind: credential.Recovery, Date: "2026-01-01", From: "2020-01-01", Until: "2099-01-01"}), "110105194912310" + fmt.Sprint(100+i)} {
				codes["code "+code] = []byte(code)
				s.scan(lane, code)
			}
			held := s.scan(lane, s.pass("resident", s.subject("李芳"), -time.Minute-time.Duration(i)*time.Second))
			if _, err := s.g.Decide(held.Passage, Ruling{Verdict: "admit", Reason: "document-sighted", Note: fmt.Sprint("SECRET-NOTE-OF-A-HOLD-", i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	many(10)

	release := s.block()
	if out := s.scan("in", s.pass("resident", s.subject("李芳"), month)); out.Verdict != Fault {
		t.Fatalf("got %+v, want a fault", out)
	}
	s.g.RosterChanged(ledger.Event{Kind: register.Roster, Reason: "imported", By: unauthenticated, Detail: map[string]string{"residents": "3"}, Personal: []ledger.Field{{Name: "by", Value: "SECRET-OFFICE-WANG"}}})
	if out := must(s.g.Emergency("in")); out.Verdict != policy.Admit {
		t.Fatalf("got %+v", out)
	}
	must(0, s.g.Close("in"))
	until(t, "what is pending to be in the spool", func() bool {
		list, _, _, _ := spool.Parse(must(os.ReadFile(filepath.Join(s.dir, "pending.spool"))))
		return len(list) >= 3
	})
	during := d.pages(t)
	release()
	until(t, "what is pending to be written", func() bool { return !s.g.Fault() && s.g.writing.WritePending() })
	if err := s.g.AccountFor(s.g.View().ToAccountFor[0].ID, "SECRET-NOTE-OF-AN-AMBULANCE"); err != nil {
		t.Fatal(err)
	}
	backUp()
	// What a backup leaves that is killed while it copies the slots.
	if err := os.WriteFile(filepath.Join(filepath.Dir(copied), ".copy.keys.17"), must(os.ReadFile(filepath.Join(s.dir, "personal.keys"))), 0o600); err != nil {
		t.Fatal(err)
	}
	s.end() // frees the blocks of the write-ahead logs
	s.start()
	many(5)

	values := s.plaintext()
	for _, want := range []string{"王小明", "SECRET-GUARD-ZHANG", "SECRET-OFFICE-WANG", "SECRET-NOTE-OF-A-HOLD-7", "SECRET-NOTE-OF-AN-AMBULANCE"} {
		if !slices.ContainsFunc(slices.Collect(maps.Values(values)), func(v []byte) bool { return bytes.Contains(v, []byte(want)) }) {
			t.Errorf("%s is in no entry: what is looked for is not what was recorded", want)
		}
	}
	maps.Copy(values, codes)
	slots, derived := s.slots()
	nowhere := func(when string, secrets map[string][]byte) {
		t.Helper()
		if found := among(d.pages(t), secrets); len(found) > 0 {
			t.Errorf("%s %d of %d are on the disk, such as %q", when, len(found), len(secrets), found[:min(len(found), 10)])
		}
	}
	if found := among(during, values); len(found) > 0 {
		t.Errorf("in a fault %d values are on the disk, such as %q", len(found), found[:min(len(found), 10)])
	}
	nowhere("before the erasure, of the values", values)
	nowhere("before the erasure, of the keys", derived)
	if found := among(d.pages(t), slots); len(found) != len(slots) {
		t.Fatalf("%d of %d slots are found before the erasure: the search does not work", len(found), len(slots))
	}

	eraser := func() *erasure.Eraser {
		return erasure.New(erasure.Options{Dir: s.dir, Ledger: s.l, Register: s.register, Now: func() ledger.Stamp { return ledger.Stamp(s.g.clock.Now()) }})
	}
	for _, step := range []struct {
		name  string
		later time.Duration
		what  erasure.Selection
		least int // entries
	}{
		{"one person", 0, erasure.Selection{Subject: s.subject("王小明")}, 40},
		{"all days before today", 48 * time.Hour, // the shipped policy counts trips over two days
			erasure.Selection{Before: "today"}, 150},
	} {
		if step.later > 0 {
			s.end()
			s.mu.Lock()
			s.shift += step.later
			s.mu.Unlock()
			s.start()
		}
		if _, err := eraser().Erase(step.what, "SECRET-CLERK", "SECRET-REASON"); err != nil {
			t.Fatal(err)
		}
		left, _ := s.slots()
		gone := maps.Clone(slots)
		maps.DeleteFunc(gone, func(name string, _ []byte) bool { return left[name] != nil })
		if len(gone) < step.least {
			t.Errorf("%s: %d entries were erased, want %d at least", step.name, len(gone), step.least)
		}
		backUp()
		nowhere(step.name+", while the gate runs, of the slots", gone)
		s.end()
		nowhere(step.name+", after the end, of the slots", gone)
		nowhere(step.name+", after the end, of the values", s.plaintext())
		nowhere(step.name+", after the end, of the values that were", values)
		nowhere(step.name+", after the end, of the keys", derived)
		s.start()
	}
}
