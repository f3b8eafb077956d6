package writing

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gated/clock"
	"gated/gate/spool"
	"gated/ledger"
	"gated/register"
)

// site is a path to a real ledger, the disk of which can be broken.
type site struct {
	*Path
	ledger *ledger.Ledger
	broken atomic.Bool
	healed chan struct{} // gets a token when the ledger works again
	work   sync.WaitGroup
}

func newSite(t *testing.T) *site {
	t.Helper()
	s, box, log := &site{healed: make(chan struct{}, 1)}, clock.New(clock.System()), slog.New(slog.DiscardHandler)
	now := func() ledger.Stamp { return ledger.Stamp(box.Now()) }
	dir := t.TempDir()
	var err error
	s.ledger, err = ledger.Open(ledger.Options{Hangs: time.Minute, Dir: dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: now, Log: log,
		Inject: func(string) error {
			if s.broken.Load() {
				return syscall.EIO
			}
			return nil
		}, OnChange: func(f *ledger.Fault) {
			if f == nil {
				s.healed <- struct{}{}
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	s.Path = New(Options{Ledger: s.ledger, Spool: filepath.Join(dir, "pending.spool"), Log: log, Now: now,
		Recorded: func(ledger.Stamp) {}, Changed: func() {}, Work: &s.work})
	t.Cleanup(func() {
		s.work.Wait()
		s.spool.Close()
		s.ledger.Close()
	})
	return s
}

func (s *site) event(kind ledger.Kind, reason string) ledger.Event {
	return ledger.Event{Stamp: s.opt.Now(), Kind: kind, Reason: reason, By: "machine"}
}

func (s *site) append(t *testing.T, ev ledger.Event) (seq int64) {
	t.Helper()
	entries, err := s.Append(ev)
	if err != nil {
		t.Fatal(err)
	}
	return entries[0].Seq
}

// pending are the reasons of what is pending.
func (s *site) pending() (reasons []string) {
	for _, e := range s.Pending() {
		reasons = append(reasons, e.Reason)
	}
	return reasons
}

// Nothing stands before the start entry. What has happened before it, or in a fault, is written in order, before anything new.
func TestThePathKeepsTheOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := s.Append(s.event(register.Alive, "")); !errors.Is(err, ErrNotBegun) || s.Note(s.event(register.Alive, "")) || s.Begun() {
		t.Errorf("before the start: %v", err)
	}
	s.Record(s.event(register.Roster, "first"))
	if s.Announce(s.event(register.CloseByHand, "second")); s.ledger.Size() > 0 || !slices.Equal(s.pending(), []string{"first", "second"}) {
		t.Errorf("%d entries before the start, pending is %q", s.ledger.Size(), s.pending())
	}
	start := s.append(t, s.event(ledger.Start, ""))
	if seq := s.append(t, s.event(register.Alive, "")); seq != start+3 || len(s.Pending()) > 0 || !s.Begun() {
		t.Errorf("entry %d follows what was pending, want %d; left are %q", seq, start+3, s.pending())
	}

	s.broken.Store(true)
	if s.Note(s.event(register.Alive, "")) {
		t.Fatal("noted on a broken disk")
	}
	size := s.ledger.Size()
	s.Record(s.event(register.Roster, "third"))
	told := false
	if s.Deliver(s.event(register.CloseByHand, "third"), func() { told = true }); told || !slices.Equal(s.pending(), []string{"third"}) {
		t.Errorf("in the fault: told %t, pending is %q", told, s.pending())
	}
	s.broken.Store(false)
	<-s.healed
	healed := s.ledger.Size() // with the outage
	if seq := s.append(t, s.event(register.Alive, "")); seq != healed+2 || healed <= size || len(s.Pending()) > 0 {
		t.Errorf("entry %d after an outage that ended with %d of %d, want one in between; left are %q", seq, healed, size, s.pending())
	}
	if err := s.End(ledger.Event{Kind: ledger.Stop, By: "machine"}); err != nil {
		t.Error(err)
	}
}

// While the spool's disk hangs, nobody waits for it who opens or looks.
func TestNobodyWaitsForTheSpool(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.append(t, s.event(ledger.Start, ""))
	hangs, writing, done := make(chan bool), make(chan bool), make(chan bool)
	go s.spool.Write(func() []spool.Entry { close(writing); <-hangs; return nil })
	<-writing
	go func() {
		defer close(done)
		ev := s.event(register.CloseByHand, "closed")
		s.Announce(ev)
		s.Deliver(ev, func() {})
		s.Pending()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("they wait for the disk")
	}
	close(hangs)
	<-done
}

// Whether an entry is late is told by the clock that nobody sets.
func TestAStepOfTheClockMakesNothingLate(t *testing.T) {
	t.Parallel()
	at := ledger.Stamp{Time: time.Now(), Boot: "b", Mono: time.Hour}
	for _, c := range []struct {
		now  ledger.Stamp
		want string
	}{
		{ledger.Stamp{Time: at.Time.Add(48 * time.Hour), Boot: "b", Mono: time.Hour + time.Millisecond}, ""},
		{ledger.Stamp{Time: at.Time, Boot: "b", Mono: time.Hour + time.Minute}, "1m0s"},
		{ledger.Stamp{Time: at.Time.Add(time.Minute), Boot: "c", Mono: time.Minute}, "1m0s"},
	} {
		if got := late(ledger.Event{Stamp: at}, c.now).Detail["late"]; got != c.want {
			t.Errorf("%+v: late %q, want %q", c.now, got, c.want)
		}
	}
}
