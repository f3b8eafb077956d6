package gate

import (
	"errors"
	"testing"
	"time"
)

func TestALostPassIsSuspended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.g.SignOn("孙门岗"); err != nil {
		t.Fatal(err)
	}
	lost, other := s.pass("resident", s.subject("王小明"), time.Hour), s.pass("resident", s.subject("李芳"), time.Hour)
	id := s.subject("王小明")
	if out := s.scan("in", lost); out.said() != "admit valid-pass" {
		t.Fatalf("%+v", out)
	}
	change := s.people.Snapshot().Change()
	if err := s.g.Counter().Suspend(id, "手机丢了"); err != nil {
		t.Fatal(err)
	}
	s.takeAway()
	for _, direction := range []string{"in", "out"} { // also the way out: whoever found it may be inside
		if out := s.scan(direction, lost); out.said() != "hold suspended" || out.Rule != "suspended-pass" {
			t.Errorf("%s: %+v", direction, out)
		}
	}
	if out := s.scan("in", other); out.Verdict != "admit" {
		t.Errorf("of the same flat: %+v", out)
	}
	all := s.records()
	var first, done int64
	for _, e := range all {
		if e.Kind != "roster" || e.Reason != "pass-suspended" {
			continue
		}
		if e.Personally("subject") != id || e.Personally("note") != "手机丢了" || e.Personally("guard") != "孙门岗" {
			t.Errorf("the entry is %+v", e)
		}
		if e.Ref == 0 {
			first = e.Seq
		} else if done = e.Ref; e.Detail["roster_change"] == "" {
			t.Errorf("%v", e.Detail)
		}
	}
	if first == 0 || done != first || s.people.Snapshot().Change() != change+1 || s.g.RosterFault() {
		t.Errorf("entries %d and %d, %d changes", first, done, s.people.Snapshot().Change()-change)
	}
	s.end()
	s.start()
	if out := s.scan("in", lost); out.said() != "hold suspended" {
		t.Errorf("after a restart: %+v", out)
	}
	if _, err := s.people.Lift(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.takeAway()
	s.scan("out", lost)
	s.takeAway()
	if out := s.scan("in", lost); out.said() != "admit valid-pass" {
		t.Errorf("lifted: %+v", out)
	}
}

func TestASuspensionIsAnEntryFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.subject("王小明")
	if err := s.g.Counter().Suspend("r-nobody", "x"); !errors.Is(err, ErrUnknownPerson) {
		t.Errorf("nobody: %v", err)
	}
	if err := s.g.Counter().Suspend(id, ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("nobody says why: %v", err)
	}
	s.broken.Store(true)
	if err := s.g.Counter().Suspend(id, "x"); !errors.Is(err, ErrLedger) {
		t.Errorf("in a fault: %v", err)
	}
	if s.people.Snapshot().Suspended(id, time.Time{}) {
		t.Error("suspended without an entry")
	}
}

// Somebody waits with the pass at that moment: the guard sees what it is now.
func TestWhoWaitsWithAPassThatIsSuspended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	lost := s.pass("resident", s.subject("王小明"), time.Hour)
	s.scan("in", lost)
	s.takeAway()
	hold := s.scan("in", lost)
	if hold.said() != "hold passed-back" {
		t.Fatalf("%+v", hold)
	}
	if err := s.g.Counter().Suspend(s.subject("王小明"), "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.g.Decide(hold.Passage, Ruling{Verdict: "admit", Reason: "known-by-sight"}); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
	if v := s.g.View(); len(v.Holds) != 1 || v.Holds[0].Reason != "suspended" {
		t.Errorf("%+v", v.Holds)
	}
}
