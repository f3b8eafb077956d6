package gate

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gated/barrier"
	"gated/gate/spool"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

func opening(passage string) ledger.Event {
	return ledger.Event{Kind: register.Opening, Passage: passage, Lane: "in", Direction: "in", Class: "unknown",
		Verdict: policy.Admit, Reason: "emergency-key", Rule: "emergency-key", By: "unauthenticated"}
}

// logFunc is a log that hands over what it is told.
type logFunc func(slog.Record)

func (f logFunc) Handle(_ context.Context, r slog.Record) error { f(r); return nil }
func (f logFunc) Enabled(context.Context, slog.Level) bool      { return true }
func (f logFunc) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f logFunc) WithGroup(string) slog.Handler                 { return f }

func until(t testing.TB, what string, is func() bool) {
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
	s.end()
	hangs, writing, written := make(chan bool), make(chan bool), make(chan bool)
	s.log = logFunc(func(r slog.Record) {
		if strings.HasPrefix(r.Message, "more entries are pending than their file holds") { // said in the middle of a write
			close(writing)
			<-hangs
		}
	})
	s.start()
	defer s.block()()
	s.scan("in", s.pass("resident", s.subject("王小明"), month)) // finds the fault
	go func() {
		defer close(written)
		for range 30 {
			s.g.RosterChanged(ledger.Event{Kind: register.Roster, Reason: "imported", By: unauthenticated, Detail: map[string]string{"source": strings.Repeat("x", 3000)}})
		}
	}()
	<-writing
	done := make(chan error)
	go func() {
		_, err := s.g.Emergency("in")
		s.g.View()
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil || !s.g.lanes.Of("in").Latched() {
			t.Errorf("the lane is not open: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the key waits for the disk")
	}
	close(hangs)
	<-written
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
	var list []spool.Entry
	for _, ev := range events {
		list = append(list, spool.Entry{Event: ev})
	}
	part, _ := spool.Format(1, list)
	if err := os.WriteFile(filepath.Join(s.dir, "pending.spool"), part, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	until(t, "what is pending to be settled", func() bool { return s.g.writing.WritePending() })
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
		until(t, "what is pending to be written", func() bool { return !s.g.Fault() && s.g.writing.WritePending() })
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
	part, _ := spool.Format(1, []spool.Entry{{Event: a}, {Event: unasked}})
	if err := os.WriteFile(filepath.Join(s.dir, "pending.spool"), part, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.g.lanes.Of("in").Sensed(barrier.OpenedUnasked, barrier.Opening{})
	until(t, "what is pending to be written", func() bool { s.g.work.Wait(); return s.g.writing.WritePending() })
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

// A contact that chatters in a fault crowds nothing out, and fills no log.
func TestAChatteringContactInAFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	var lines atomic.Int64
	s.log = logFunc(func(slog.Record) { lines.Add(1) })
	s.start()
	release := s.block()
	s.scan("in", s.pass("resident", s.subject("王小明"), month)) // finds the fault
	lane := s.g.lanes.Of("in")
	for range 2000 {
		lane.Sensed(barrier.Passed, barrier.Opening{})
	}
	s.g.work.Wait() // or else one of them may come after the opening
	s.g.Emergency("out")
	until(t, "the opening in the file", func() bool {
		list, _, _, _ := spool.Parse(must(os.ReadFile(filepath.Join(s.dir, "pending.spool"))))
		return len(list) > 0 && list[len(list)-1].Lane == "out"
	})
	s.g.work.Wait()
	if n := lines.Load(); n == 0 || n > 10 {
		t.Errorf("%d lines in the log", n)
	}
	release()
	until(t, "what is pending to be written", func() bool { return !s.g.Fault() && s.g.writing.WritePending() })
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

// Where nothing is pending the spool's disk is left in peace.
func TestNothingPendingNothingWritten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := must(os.ReadFile(filepath.Join(s.dir, "pending.spool")))
	for range 20 {
		s.g.writing.Record(ledger.Event{Stamp: s.g.clock.Now(), Kind: register.Opening, Lane: "in", Direction: "in", Reason: "pulse", By: "machine"})
	}
	if !bytes.Equal(before, must(os.ReadFile(filepath.Join(s.dir, "pending.spool")))) {
		t.Error("the spool was written")
	}
}
