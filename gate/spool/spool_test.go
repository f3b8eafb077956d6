package spool

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gated/ledger"
	"gated/register"
)

func opening(passage string) ledger.Event {
	return ledger.Event{Kind: register.Opening, Passage: passage, Lane: "in", Direction: "in", Class: "unknown",
		Verdict: "admit", Reason: "emergency-key", Rule: "emergency-key", By: "unauthenticated"}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A write that a power cut cuts short at any sector loses nothing that the disk had before it.
func TestATornSpoolKeepsWhatItHad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pending.spool")
	read := func() []byte { return must(os.ReadFile(path)) }
	var s File
	if list := s.Open(path, slog.New(slog.DiscardHandler)); len(list) > 0 {
		t.Fatalf("a new one holds %v", list)
	}
	defer s.Close()
	var entries []Entry
	list := func() []Entry { return entries }
	for n := range 14 {
		had := read()
		entries = append(entries, Entry{Event: opening(fmt.Sprint("passage ", n)), After: int64(n)})
		if n%3 == 2 { // two writes before the disk has to have them
			s.Write(list)
			entries = append(entries, Entry{Event: opening(fmt.Sprint("passage ", n, " b")), After: int64(n)})
		}
		s.Save(list)
		has := read()
		for _, sector := range []int{512, 4096} {
			for cut := 0; cut <= len(has); cut += sector {
				if cut%spoolPart > 16<<10 {
					continue // nothing is that long
				}
				if cut > 0 && (bytes.Equal(had[:cut], has[:cut]) || bytes.Equal(had[cut:], has[cut:])) {
					continue // outside of what was written: as if all of it were on the disk, or nothing
				}
				for _, torn := range [][]byte{append(bytes.Clone(has[:cut]), had[cut:]...), append(bytes.Clone(had[:cut]), has[cut:]...)} {
					got, _, _, damaged := Parse(torn)
					if damaged || len(got) < n || n > 0 && got[n-1].Passage != entries[n-1].Passage {
						t.Fatalf("cut at byte %d the write of opening %d leaves %d (damaged: %t)", cut, n, len(got), damaged)
					}
				}
			}
		}
	}
	var again File
	if got := again.Open(path, slog.New(slog.DiscardHandler)); len(got) != len(entries) || got[3].After != 2 || got[3].Passage != entries[3].Passage {
		t.Errorf("%d are read again, want %d", len(got), len(entries))
	}
	again.Close()
}

// What a save has promised is not written over by whoever comes before it has returned.
func TestWhatIsSavedIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pending.spool")
	var s File
	s.Open(path, slog.New(slog.DiscardHandler))
	defer s.Close()
	var entries []Entry
	list := func() []Entry { return entries }
	for n := range 8 {
		entries = append(entries, Entry{Event: opening(fmt.Sprint("saved ", n))})
		if err := s.Write(list); err != nil {
			t.Fatal(err)
		}
		s.saving = s.newest // as save does, and waits for the disk
		had := must(os.ReadFile(path))
		for m := range 3 {
			was := s.newest
			if err := s.Write(func() []Entry {
				return append(slices.Clone(entries), Entry{Event: opening(fmt.Sprint("later ", m))})
			}); err != nil {
				t.Fatal(err)
			}
			if s.newest == was {
				t.Error("what was written last is written over")
			}
			torn := bytes.Clone(had) // what the disk has, and the beginning of what the kernel is to write there
			copy(torn[s.newest*spoolPart:], must(os.ReadFile(path))[s.newest*spoolPart:][:200])
			if got, _, _, damaged := Parse(torn); damaged || len(got) < n+1 || got[n].Passage != entries[n].Passage {
				t.Errorf("%d: a power cut while the next one is written leaves %d (damaged: %t)", n, len(got), damaged)
			}
		}
		s.safe = s.saving
	}
}

// The file has one part, shorter than its place, and the process is killed at once or after it wrote another.
func TestASpoolOutlivesItsSecondRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pending.spool")
	old, _ := Format(1, []Entry{{Event: opening("old")}})
	for name, do := range map[string]func(s *File){
		"": func(s *File) {},
		"new": func(s *File) {
			s.Write(func() []Entry { return []Entry{{Event: opening("new")}} })
		},
		"saved": func(s *File) {
			s.Save(func() []Entry { return []Entry{{Event: opening("saved")}} })
		},
	} {
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
		var s, again File
		if list := s.Open(path, slog.New(slog.DiscardHandler)); len(list) != 1 || list[0].Passage != "old" {
			t.Fatalf("found %v", list)
		}
		s.Write(func() []Entry { return nil }) // all written
		do(&s)
		s.Close() // killed
		list := again.Open(path, slog.New(slog.DiscardHandler))
		again.Close()
		if name == "" && len(list) > 0 || name != "" && (len(list) != 1 || list[0].Passage != name) {
			t.Errorf("%q is pending, and %v found", name, list)
		}
		if kept, _ := filepath.Glob(path + ".unreadable-*"); len(kept) > 0 {
			t.Errorf("a sound spool is taken for unreadable: %v", kept)
		}
	}
}

func TestASpoolThatCannotBeReadIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pending.spool")
	part, _ := Format(7, []Entry{{Event: opening("a")}})
	part[len(part)-4] ^= 1
	for name, text := range map[string]string{"a part of which a bit fell over": string(part), "another's": "hello", "a list cut short": `[{"Kind":"open`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var s File
		var log bytes.Buffer
		list := s.Open(path, slog.New(slog.NewTextHandler(&log, nil)))
		s.Save(func() []Entry { return []Entry{{Event: opening("b")}} })
		s.Close()
		kept, _ := filepath.Glob(path + ".unreadable-*")
		if len(list) > 0 || len(kept) != 1 || string(must(os.ReadFile(kept[0]))) != text || !strings.Contains(log.String(), kept[0]) {
			t.Errorf("%s: got %v, kept %v, said %s", name, list, kept, &log)
		}
		if list := s.Open(path, slog.New(slog.DiscardHandler)); len(list) != 1 || list[0].Passage != "b" {
			t.Errorf("%s: the new one holds %v", name, list)
		}
		s.Close()
		for _, f := range append(kept, path) {
			os.Remove(f)
		}
	}
}

// More than the file holds: the openings stay, and the newest of the rest go.
func TestAFullSpoolKeepsTheOpenings(t *testing.T) {
	t.Parallel()
	var list []Entry
	for i := range 1000 {
		if i%50 == 49 {
			list = append(list, Entry{Event: opening(fmt.Sprint("e", i)), After: 0})
		} else {
			list = append(list, Entry{Event: ledger.Event{Kind: register.Roster, Reason: "imported", Passage: fmt.Sprint("r", i)}})
		}
	}
	part, left := Format(1, list)
	got, _, err := parsePart(part)
	if err != nil || len(part) > spoolPart || len(got)+left != len(list) || len(got) < 100 {
		t.Fatalf("%d bytes of %d events, %d left out, %v", len(part), len(got), left, err)
	}
	openings := 0
	for i, d := range got {
		if d.Kind == register.Opening {
			openings++
		} else if i > 0 && got[i-1].Kind != register.Opening && d.Passage <= "r0" {
			t.Errorf("out of order: %s", d.Passage)
		}
	}
	if openings != 20 || got[0].Passage != "r0" {
		t.Errorf("%d openings are kept, want 20; the first is %s", openings, got[0].Passage)
	}
}

func FuzzSpool(f *testing.F) {
	part, _ := Format(3, []Entry{{Event: opening("a"), After: 1}})
	f.Add(part)
	f.Add([]byte("[]"))
	f.Add(append(append(bytes.Clone(part), make([]byte, spoolPart-len(part))...), part...))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, number, part, damaged := Parse(b)
		if damaged && len(list) > 0 || part < 0 || part >= spoolParts {
			t.Errorf("%d events, number %d, part %d, damaged %t", len(list), number, part, damaged)
		}
	})
}

// The spool is not sealed: nothing in it tells of people.
func TestNothingAboutPeopleIsInTheSpool(t *testing.T) {
	t.Parallel()
	part, _ := Format(1, []Entry{{Event: ledger.Event{Kind: "signon", Passage: "p1", Personal: []ledger.Field{{Name: "guard", Value: "王小明"}}}}})
	if list, _, err := parsePart(part); err != nil || len(list) != 1 || list[0].Passage != "p1" || list[0].Personal != nil || strings.Contains(string(part), "王") {
		t.Errorf("got %+v, %v: %s", list, err, part)
	}
}

// What is pending in the spool says how many entries its ledger had.
func TestTheSpoolKnowsOfEntries(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pending.spool")
	if n := Known(path, "east-gate"); n != 0 {
		t.Errorf("without a spool: %d", n)
	}
	part, _ := Format(1, []Entry{{After: 800, Of: "east-gate"}, {After: 1200, Of: "east-gate"}, {After: 5000, Of: "east-gate/2"}})
	if err := os.WriteFile(path, part, 0o600); err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]int64{"east-gate": 1200, "east-gate/2": 5000, "east-gate/3": 0} {
		if n := Known(path, origin); n != want {
			t.Errorf("%s: %d, want %d", origin, n, want)
		}
	}
}
