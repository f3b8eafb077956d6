package gate

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/barrier"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

func opening(passage string) ledger.Event {
	return ledger.Event{Kind: register.Opening, Passage: passage, Lane: "in", Direction: "in", Class: "unknown",
		Verdict: policy.Admit, Reason: "emergency-key", Rule: "emergency-key", By: "unauthenticated"}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// While the spool's disk hangs, neither the emergency key nor the page waits for it.
func TestNobodyWaitsForTheSpoolsDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.g.pending.spool.mu.Lock() // as one does whose write hangs
	done := make(chan error)
	go func() {
		_, err := s.g.Emergency("in")
		s.g.View()
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil || s.g.lanes["in"].latched() == nil {
			t.Errorf("the lane is not open: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the key waits for the disk")
	}
	s.g.pending.spool.mu.Unlock()
}

// That the emergency key is about to open stands in the spool before the barrier is told, so that no kill in between
// leaves an opening without its entry.
func TestAnEmergencyOpeningIsOnFileBeforeItOpens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	defer s.block()()
	s.g.lanes["in"].commanding.Lock() // nobody gets to the barrier without it
	done := make(chan error)
	go func() { _, err := s.g.Emergency("in"); done <- err }()
	until(t, "the opening in the file", func() bool {
		b, err := os.ReadFile(filepath.Join(s.dir, "pending.spool"))
		if err != nil {
			t.Fatal(err)
		}
		list, _, _, _ := parseSpool(b)
		return len(list) == 1 && list[0].Reason == "emergency-key"
	})
	if s.g.lanes["in"].latched() != nil {
		t.Error("it opened before")
	}
	s.g.lanes["in"].commanding.Unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The process was killed after the ledger had taken all that was pending and before the spool was emptied: none of it is
// written again, not even where the guard has said since who passed.
func TestWhatWasPendingIsNotWrittenTwiceAfterACrash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var events []ledger.Event
	for _, passage := range []string{"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"} {
		ev := opening(passage)
		ev.Stamp = s.g.clock.Now()
		events = append(events, ev)
	}
	events = append(events, ledger.Event{Stamp: s.g.clock.Now(), Kind: register.CloseByHand, Lane: "in", Direction: "in", By: "unauthenticated"})
	entries, err := s.l.Append(events...)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.g.AccountFor(fmt.Sprint("e", entries[0].Seq), "fire engine"); err != nil {
		t.Fatal(err)
	}
	s.end()
	var list []pendingEntry
	for _, ev := range events {
		list = append(list, pendingEntry{Event: ev})
	}
	part, _ := formatPart(1, list)
	if err := os.WriteFile(filepath.Join(s.dir, "pending.spool"), part, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	until(t, "what is pending to be settled", func() bool { return s.g.writePending() })
	times := map[string]int{}
	for _, e := range s.records() {
		if e.Kind == register.Opening || e.Kind == register.CloseByHand {
			times[string(e.Kind)+" "+e.Passage]++
		}
	}
	if len(times) != len(events) || times["open "+events[0].Passage] != 1 || times["open "+events[1].Passage] != 1 || times["open "+events[2].Passage] != 1 || times["close-by-hand "] != 1 {
		t.Errorf("what was pending stands in the ledger so often: %v, want each once", times)
	}
	if v := s.g.View(); len(v.ToAccountFor) != 2 {
		t.Errorf("the guard is asked about %+v, want the two that nobody told of", v.ToAccountFor)
	}
}

// A write that a power cut cuts short at any sector loses nothing that the disk had before it.
func TestATornSpoolKeepsWhatItHad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pending.spool")
	read := func() []byte { return must(os.ReadFile(path)) }
	var s spool
	if list := s.open(path, slog.New(slog.DiscardHandler)); len(list) > 0 {
		t.Fatalf("a new one holds %v", list)
	}
	defer s.close()
	var entries []pendingEntry
	list := func() []pendingEntry { return entries }
	for n := range 14 {
		had := read()
		entries = append(entries, pendingEntry{Event: opening(fmt.Sprint("passage ", n)), After: int64(n)})
		if n%3 == 2 { // two writes before the disk has to have them
			s.write(list)
			entries = append(entries, pendingEntry{Event: opening(fmt.Sprint("passage ", n, " b")), After: int64(n)})
		}
		s.save(list)
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
					got, _, _, damaged := parseSpool(torn)
					if damaged || len(got) < n || n > 0 && got[n-1].Passage != entries[n-1].Passage {
						t.Fatalf("cut at byte %d the write of opening %d leaves %d (damaged: %t)", cut, n, len(got), damaged)
					}
				}
			}
		}
	}
	var again spool
	if got := again.open(path, slog.New(slog.DiscardHandler)); len(got) != len(entries) || got[3].After != 2 || got[3].Passage != entries[3].Passage {
		t.Errorf("%d are read again, want %d", len(got), len(entries))
	}
	again.close()
}

// What a save has promised is not written over by whoever comes before it has returned.
func TestWhatIsSavedIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pending.spool")
	var s spool
	s.open(path, slog.New(slog.DiscardHandler))
	defer s.close()
	var entries []pendingEntry
	list := func() []pendingEntry { return entries }
	for n := range 8 {
		entries = append(entries, pendingEntry{Event: opening(fmt.Sprint("saved ", n))})
		if err := s.write(list); err != nil {
			t.Fatal(err)
		}
		s.saving = s.newest // as save does, and waits for the disk
		had := must(os.ReadFile(path))
		for m := range 3 {
			was := s.newest
			if err := s.write(func() []pendingEntry {
				return append(slices.Clone(entries), pendingEntry{Event: opening(fmt.Sprint("later ", m))})
			}); err != nil {
				t.Fatal(err)
			}
			if s.newest == was {
				t.Error("what was written last is written over")
			}
			torn := bytes.Clone(had) // what the disk has, and the beginning of what the kernel is to write there
			copy(torn[s.newest*spoolPart:], must(os.ReadFile(path))[s.newest*spoolPart:][:200])
			if got, _, _, damaged := parseSpool(torn); damaged || len(got) < n+1 || got[n].Passage != entries[n].Passage {
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
	old, _ := formatPart(1, []pendingEntry{{Event: opening("old")}})
	for name, do := range map[string]func(s *spool){
		"": func(s *spool) {},
		"new": func(s *spool) {
			s.write(func() []pendingEntry { return []pendingEntry{{Event: opening("new")}} })
		},
		"saved": func(s *spool) {
			s.save(func() []pendingEntry { return []pendingEntry{{Event: opening("saved")}} })
		},
	} {
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
		var s, again spool
		if list := s.open(path, slog.New(slog.DiscardHandler)); len(list) != 1 || list[0].Passage != "old" {
			t.Fatalf("found %v", list)
		}
		s.write(func() []pendingEntry { return nil }) // all written
		do(&s)
		s.close() // killed
		list := again.open(path, slog.New(slog.DiscardHandler))
		again.close()
		if name == "" && len(list) > 0 || name != "" && (len(list) != 1 || list[0].Passage != name) {
			t.Errorf("%q is pending, and %v found", name, list)
		}
		if kept, _ := filepath.Glob(path + ".unreadable-*"); len(kept) > 0 {
			t.Errorf("a sound spool is taken for unreadable: %v", kept)
		}
	}
}

// Who changed the roster in a fault is a name: the ledger gets it sealed, and after a kill it is lost rather than in the clear.
func TestNoNameIsInTheSpool(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		s := newSite(t)
		path := filepath.Join(s.dir, "pending.spool")
		release := s.block()
		s.scan("in", s.pass("resident", s.subject("王小明"), month)) // finds the fault
		for range 5 {
			s.g.RosterChanged(ledger.Event{Kind: register.Roster, Reason: "imported", By: unauthenticated, Detail: map[string]string{"residents": "3"}, Personal: []ledger.Field{{Name: "by", Value: "OFFICE-WANG"}}})
		}
		entries := must(os.ReadFile(path))
		if bytes.Contains(entries, []byte("OFFICE-WANG")) || !bytes.Contains(entries, []byte("imported")) {
			t.Errorf("in the file: %s", bytes.TrimRight(entries, "\x00"))
		}
		if kill {
			s.end()
			if err := os.WriteFile(path, entries, 0o600); err != nil {
				t.Fatal(err)
			}
			release()
			s.start()
		} else {
			release()
		}
		until(t, "what is pending to be written", func() bool { return !s.g.Fault() && s.g.writePending() })
		changes, named := 0, 0
		for _, e := range s.records() {
			if e.Reason == "imported" {
				changes++
				if e.Personally("by") == "OFFICE-WANG" {
					named++
				}
			}
		}
		if changes != 5 || named != 5 && !kill || named != 0 && kill {
			t.Errorf("killed %t: %d changes are recorded, %d with who made them", kill, changes, named)
		}
	}
}

// What a contact tells now is not counted to something of the last run, which may have its entry.
func TestWhatHappensNowIsNotCountedToTheLastRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := opening("aaaaaaaaaaaaaaaa")
	a.Stamp = s.g.clock.Now()
	unasked := ledger.Event{Stamp: s.g.clock.Now(), Kind: register.Sensor, Lane: "in", Direction: "in", Reason: barrier.OpenedUnasked, By: "machine"}
	if _, err := s.l.Append(a, unasked); err != nil {
		t.Fatal(err)
	}
	s.end()
	part, _ := formatPart(1, []pendingEntry{{Event: a}, {Event: unasked}})
	if err := os.WriteFile(filepath.Join(s.dir, "pending.spool"), part, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.g.sensed(s.g.lanes["in"], barrier.OpenedUnasked, barrier.Opening{})
	until(t, "what is pending to be written", func() bool { s.g.work.Wait(); return s.g.writePending() })
	n := 0
	for _, e := range s.records() {
		if e.Kind == register.Sensor {
			n++
		}
	}
	if n != 2 {
		t.Errorf("the barrier was opened twice, and %d entries tell of it", n)
	}
}

func TestASpoolThatCannotBeReadIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pending.spool")
	part, _ := formatPart(7, []pendingEntry{{Event: opening("a")}})
	part[len(part)-4] ^= 1
	for name, text := range map[string]string{"a part of which a bit fell over": string(part), "another's": "hello", "a list cut short": `[{"Kind":"open`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var s spool
		var log bytes.Buffer
		list := s.open(path, slog.New(slog.NewTextHandler(&log, nil)))
		s.save(func() []pendingEntry { return []pendingEntry{{Event: opening("b")}} })
		s.close()
		kept, _ := filepath.Glob(path + ".unreadable-*")
		if len(list) > 0 || len(kept) != 1 || string(must(os.ReadFile(kept[0]))) != text || !strings.Contains(log.String(), kept[0]) {
			t.Errorf("%s: got %v, kept %v, said %s", name, list, kept, &log)
		}
		if list := s.open(path, slog.New(slog.DiscardHandler)); len(list) != 1 || list[0].Passage != "b" {
			t.Errorf("%s: the new one holds %v", name, list)
		}
		s.close()
		for _, f := range append(kept, path) {
			os.Remove(f)
		}
	}
}

// A contact that chatters in a fault crowds nothing out, and fills no log.
func TestAChatteringContactInAFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var log bytes.Buffer
	s.g.pending.log = slog.New(slog.NewTextHandler(&log, nil))
	release := s.block()
	s.scan("in", s.pass("resident", s.subject("王小明"), month)) // finds the fault
	lane := s.g.lanes["in"]
	for range 2000 {
		s.g.sensed(lane, barrier.Passed, barrier.Opening{})
	}
	s.g.work.Wait() // or else one of them may come after the opening
	s.g.Emergency("out")
	until(t, "the opening in the file", func() bool {
		list, _, _, _ := parseSpool(must(os.ReadFile(filepath.Join(s.dir, "pending.spool"))))
		return len(list) > 0 && list[len(list)-1].Lane == "out"
	})
	s.g.work.Wait()
	if n := strings.Count(log.String(), "\n"); n > 10 {
		t.Errorf("%d lines in the log", n)
	}
	release()
	until(t, "what is pending to be written", func() bool { return !s.g.Fault() && s.g.writePending() })
	passed := 0
	for _, e := range s.records() {
		if e.Kind == register.Sensor {
			n := 1
			fmt.Sscan(e.Detail["times"], &n)
			passed += n
		}
	}
	if passed != 2000 {
		t.Errorf("%d are told of, want 2000", passed)
	}
}

// More than the file holds: the openings stay, and the newest of the rest go.
func TestAFullSpoolKeepsTheOpenings(t *testing.T) {
	t.Parallel()
	var list []pendingEntry
	for i := range 1000 {
		if i%50 == 49 {
			list = append(list, pendingEntry{Event: opening(fmt.Sprint("e", i)), After: 0})
		} else {
			list = append(list, pendingEntry{Event: ledger.Event{Kind: register.Roster, Reason: "imported", Passage: fmt.Sprint("r", i)}})
		}
	}
	part, left := formatPart(1, list)
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

// Where nothing is pending the spool's disk is left in peace.
func TestNothingPendingNothingWritten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := must(os.ReadFile(filepath.Join(s.dir, "pending.spool")))
	for range 20 {
		s.g.record(ledger.Event{Stamp: s.g.clock.Now(), Kind: register.Opening, Lane: "in", Direction: "in", Reason: "pulse", By: "machine"})
	}
	if !bytes.Equal(before, must(os.ReadFile(filepath.Join(s.dir, "pending.spool")))) || s.g.pending.spool.number != 0 {
		t.Error("the spool was written")
	}
}

func FuzzSpool(f *testing.F) {
	part, _ := formatPart(3, []pendingEntry{{Event: opening("a"), After: 1}})
	f.Add(part)
	f.Add([]byte("[]"))
	f.Add(append(append(bytes.Clone(part), make([]byte, spoolPart-len(part))...), part...))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, number, part, damaged := parseSpool(b)
		if damaged && len(list) > 0 || part < 0 || part >= spoolParts {
			t.Errorf("%d events, number %d, part %d, damaged %t", len(list), number, part, damaged)
		}
	})
}

// The spool is not sealed: nothing in it tells of people.
func TestNothingAboutPeopleIsInTheSpool(t *testing.T) {
	t.Parallel()
	part, _ := formatPart(1, []pendingEntry{{Event: ledger.Event{Kind: "signon", Passage: "p1", Personal: []ledger.Field{{Name: "guard", Value: "王小明"}}}}})
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
	part, _ := formatPart(1, []pendingEntry{{After: 800, Of: "east-gate"}, {After: 1200, Of: "east-gate"}, {After: 5000, Of: "east-gate/2"}})
	if err := os.WriteFile(path, part, 0o600); err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]int64{"east-gate": 1200, "east-gate/2": 5000, "east-gate/3": 0} {
		if n := Known(path, origin); n != want {
			t.Errorf("%s: %d, want %d", origin, n, want)
		}
	}
}
