package gate

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gated/barrier"
	"gated/policy"
)

// last is the newest answer on a lane's part of the stage; the zero one where there is none.
func (s *site) last(lane string) (last Shown) {
	for _, l := range s.g.View().Lanes {
		if l.ID == lane && l.Last != nil {
			last = *l.Last
		}
	}
	return last
}

// A guard who decides, finds somebody by room, or lets the time run out takes no lane's part of the stage: who stands there
// would read another one's answer. Only the question itself, while it stands there, is answered in its place.
func TestTheDeskTakesNoLanesStage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	asks := func(lane, code string) Outcome {
		t.Helper()
		out := s.scan(lane, code)
		if out.Verdict != policy.Hold || s.last(lane).Passage != out.Passage {
			t.Fatalf("got %+v, and the lane shows %+v", out, s.last(lane))
		}
		return out
	}
	decide := func(passage, verdict, reason string) {
		t.Helper()
		if _, err := s.g.Decide(passage, Ruling{Verdict: verdict, Reason: reason}); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(what, lane, passage, verdict string) {
		t.Helper()
		if last := s.last(lane); last.Passage != passage || last.Verdict != verdict {
			t.Errorf("%s: lane %s shows %s of %q, want %s of %q", what, lane, last.Verdict, last.Passage, verdict, passage)
		}
	}

	first := asks("in", s.pass("resident", s.subject("王小明"), -time.Minute))
	admitted := s.scan("in", s.pass("resident", s.subject("李芳"), month))
	second := asks("out", "GP1:6901234567892")
	shows("two lanes", "in", admitted.Passage, policy.Admit)
	decide(first.Passage, policy.Refuse, "not-known")
	shows("decided while another's answer stands there", "in", admitted.Passage, policy.Admit)
	decide(second.Passage, policy.Admit, "document-sighted")
	shows("decided while its question stands there", "out", second.Passage, policy.Admit)

	found, err := s.g.Present("in", s.subject("王小明"))
	if err != nil {
		t.Fatal(err)
	}
	shows("found by room", "in", admitted.Passage, policy.Admit)
	decide(found.Passage, policy.Admit, "dead-phone")
	shows("found by room and admitted", "in", admitted.Passage, policy.Admit)

	third := asks("out", "GP1:6901234567893")
	s.g.expire(s.g.desk.holds[third.Passage])
	if holds := s.g.View().Holds; len(holds) != 0 {
		t.Errorf("waiting: %+v", holds)
	}
	shows("its time was up", "out", third.Passage, policy.Hold) // which fades
}

// What the page says of the emergency key is what the barrier answers: a relay that is dead is told again with each press,
// and a press that works takes "not opened" back.
func TestTheEmergencyKeyFollowsTheBarrier(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	dead, slow := filepath.Join(s.dir, "dead"), filepath.Join(s.dir, "slow")
	s.relays = map[string]*barrier.Barrier{"in": relaySaying(t, "while [ -e "+slow+" ]; do sleep 0.01; done\n[ $1 = close ] || ! [ -e "+dead+" ]")} // the lane out is worked by hand: nothing says that it is open
	s.start()
	touch := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	press := func() {
		t.Helper()
		if _, err := s.g.Emergency("in"); err != nil {
			t.Fatal(err)
		}
	}
	latch := func(want string) {
		t.Helper()
		until(t, "the latch to be "+want, func() bool { return s.g.View().Lanes[0].Latch == want })
	}
	latch("")
	if _, err := s.g.Emergency("out"); err != nil || s.g.View().Lanes[1].Latch != "by-hand" {
		t.Errorf("without a barrier: %v, %+v", err, s.g.View().Lanes[1])
	}
	if err := s.g.Close("out"); err != nil {
		t.Fatal(err)
	}
	touch(dead)
	touch(slow)
	press()
	latch("opening")
	if last := s.last("in"); !last.Emergency {
		t.Errorf("the lane shows %+v", last)
	}
	os.Remove(slow)
	latch("failed")
	s.scan("in", s.pass("resident", s.subject("王小明"), -time.Minute))
	os.Remove(dead)
	press()
	latch("open")
	if last := s.last("in"); !last.Emergency || last.Repeat {
		t.Errorf("after another press the lane shows %+v", last)
	}
	touch(dead)
	press()
	latch("failed")
	if err := s.g.Close("in"); err != nil {
		t.Fatal(err)
	}
	latch("")
	until(t, "one opening of each lane to account for", func() bool {
		v := s.g.View()
		return len(v.ToAccountFor) == 2 && v.ToAccountFor[0].What == "who-passed" && v.ToAccountFor[1].What == "who-passed"
	})
}

// relaySaying is a barrier whose program is a script.
func relaySaying(t *testing.T, script string) *barrier.Barrier {
	t.Helper()
	dir := t.TempDir()
	b := relayTo(t, filepath.Join(dir, "trace"), dir)
	if err := os.WriteFile(filepath.Join(dir, "relay"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return b
}
