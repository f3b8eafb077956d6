package gate

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gated/ledger"
	"gated/register"
)

// A disk that hangs keeps nobody waiting and opens nothing: who was scanned first is answered a fault after two seconds, who
// comes then at once, both with what the check found. When the disk answers at last the barrier stays closed, and the verdict
// that it kept is taken back.
func TestADiskThatHangsOpensNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	trace := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(trace, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.end()
	s.hangs = 0 // as in production
	s.relay = relayTo(t, trace, t.TempDir())
	var hangs atomic.Bool
	free := make(chan struct{})
	s.inject = func(op string) error {
		if op == "committed" && hangs.CompareAndSwap(true, false) {
			<-free
		}
		return nil
	}
	release := sync.OnceFunc(func() { close(free) })
	t.Cleanup(release)
	s.start()
	for s.g.View().Lanes[0].Barrier == "" { // it closes them at the start
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	before := read(t, trace)

	first, second := s.pass("resident", s.subject("王小明"), time.Hour), s.pass("resident", s.subject("李芳"), time.Hour)
	hangs.Store(true)
	for i, scan := range []struct{ lane, code string }{{"in", first}, {"out", second}, {"in", second}} {
		start := time.Now()
		out := s.scan(scan.lane, scan.code)
		took := time.Since(start)
		if out.Verdict != Fault || took > 4*time.Second || i > 0 && took > time.Second {
			t.Errorf("scan %d: %s after %v", i+1, out.Verdict, took)
		}
		if last := s.last(scan.lane); last.Lane != scan.lane || last.Verdict != Fault || last.Found != "valid-pass" {
			t.Errorf("scan %d: the guard does not see what the check found: %+v", i+1, last)
		}
	}
	release()
	for late := time.Now().Add(time.Minute); s.g.Fault(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it does not heal")
		}
	}
	time.Sleep(500 * time.Millisecond)
	if now := read(t, trace); now != before {
		t.Errorf("the barrier was told %q, after %q before the disk hung", now[len(before):], before)
	}
	outages, decided, taken := 0, 0, 0
	for _, e := range s.records() {
		switch {
		case e.Kind == ledger.Outage:
			outages++
		case e.Kind == register.Decided && e.Verdict == "admit":
			decided++
		case e.Kind == register.Correction && e.Reason == "answered-fault":
			taken++
		}
	}
	if outages != 1 || decided != 1 || taken != 1 {
		t.Errorf("%d outages, %d passages admitted, %d taken back; want one of each", outages, decided, taken)
	}
	if out := s.scan("in", first); out.Verdict != "admit" {
		t.Errorf("after it: %s %s", out.Verdict, out.Reason)
	}
}
