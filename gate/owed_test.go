package gate

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gated/ledger"
	"gated/policy"
)

// While the spool's disk hangs, the emergency key and the page must not.
func TestNobodyWaitsForTheSpoolsDisk(t *testing.T) {
	o := owed{log: slog.New(slog.DiscardHandler)}
	o.filing.Lock() // as save does while it syncs
	done := make(chan int)
	go func() {
		o.add(ledger.Event{Kind: ledger.Opening, Passage: "a", Verdict: policy.Admit})
		done <- len(o.openings())
	}()
	select {
	case n := <-done:
		if n != 1 {
			t.Errorf("got %d debts, want 1", n)
		}
	case <-time.After(time.Minute):
		t.Fatal("the key waits for the disk")
	}
}

// The process was killed after the ledger had taken all that was owed and before the spool was emptied: none of it is
// written again.
func TestWhatWasOwedIsNotWrittenTwiceAfterACrash(t *testing.T) {
	s := newSite(t)
	var events []ledger.Event
	for _, passage := range []string{"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"} {
		events = append(events, ledger.Event{Stamp: s.g.clock.Now(), Kind: ledger.Opening, Passage: passage, Lane: "in", Direction: "in", Class: "unknown",
			Verdict: policy.Admit, Reason: "emergency-key", Rule: "emergency-key", By: "unsigned"})
	}
	if _, err := s.l.Append(events...); err != nil {
		t.Fatal(err)
	}
	s.end()
	b, err := json.Marshal(events)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, "owed.spool"), append(b, make([]byte, spoolSize-len(b))...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	for deadline := time.Now().Add(time.Minute); len(s.g.owed.all()) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("what is owed is not settled")
		}
		s.g.pay()
	}
	times := map[string]int{}
	for _, e := range s.records() {
		if e.Kind == ledger.Opening {
			times[e.Passage]++
		}
	}
	if len(times) != len(events) || times[events[0].Passage] != 1 || times[events[1].Passage] != 1 || times[events[2].Passage] != 1 {
		t.Errorf("the openings stand in the ledger so often: %v, want each once", times)
	}
}
