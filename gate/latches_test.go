package gate

import (
	"testing"

	"gated/ledger"
	"gated/register"
)

// lost are the lanes of which the page says that their emergency opening was lost.
func (s *site) lost() (lanes []string) {
	for _, l := range s.g.View().Lanes {
		if l.LatchLost {
			lanes = append(lanes, l.ID)
		}
	}
	return lanes
}

// alarms are the lanes whose lost openings are on record, with the openings.
func (s *site) alarms() (lanes []string, of []int64) {
	for _, e := range s.records() {
		if e.Kind == register.Alarm && e.Reason == register.LatchLost {
			lanes, of = append(lanes, e.Lane), append(of, e.Ref)
		}
	}
	return lanes, of
}

// A stop or a crash closes a barrier that the emergency key holds open. The next run says so, once, until the key is pressed again, the
// lane is closed, or ten minutes have passed.
func TestAnEmergencyOpeningThatARestartEndedIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	press := func(lane string) {
		t.Helper()
		if _, err := s.g.Emergency(lane); err != nil {
			t.Fatal(err)
		}
	}
	restart := func() { s.end(); s.start() }
	press("in")
	press("out")
	if err := s.g.Close("out"); err != nil {
		t.Fatal(err)
	}
	restart()
	until(t, "lane in is told of", func() bool { return len(s.lost()) == 1 && s.lost()[0] == "in" })
	lanes, of := s.alarms()
	if len(lanes) != 1 || lanes[0] != "in" || s.records()[of[0]-1].Kind != register.Opening {
		t.Fatalf("on record %v, of %v", lanes, of)
	}
	if n := gauge(t, s.g, "gated_latches_lost"); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	press("in")
	if len(s.lost()) != 0 {
		t.Errorf("pressed again, and told of: %v", s.lost())
	}
	restart() // it was lost once more
	until(t, "lane in is told of again", func() bool { return len(s.lost()) == 1 })
	if err := s.g.Close("in"); err != nil || len(s.lost()) != 0 {
		t.Errorf("closed, and told of: %v, %v", s.lost(), err)
	}
	restart()
	until(t, "this run has looked", func() bool { return s.told() })
	if lanes, _ := s.alarms(); len(s.lost()) != 0 || len(lanes) != 2 {
		t.Errorf("told once more: %v, on record %v", s.lost(), lanes)
	}
}

// told tells whether this run has looked for lost openings: what it does in its loop is over.
func (s *site) told() bool {
	s.stop()
	<-s.ended
	told := s.g.lostTold
	s.l.Close()
	s.register.Close()
	s.start()
	return told
}

// The ledger did not have the opening when the box went down: the spool tells it, while the ledger is in fault, and later the ledger.
func TestALostOpeningThatOnlyTheSpoolKnows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	release := s.block()
	for _, lane := range []string{"in", "out"} {
		if _, err := s.g.Emergency(lane); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.g.Close("out"); err != nil {
		t.Fatal(err)
	}
	s.end()
	s.start() // in the fault
	if lost := s.lost(); !s.g.Fault() || len(lost) != 1 || lost[0] != "in" {
		t.Fatalf("fault %t, lost %v", s.g.Fault(), lost)
	}
	release()
	until(t, "it is on record", func() bool { lanes, of := s.alarms(); return len(lanes) == 1 && lanes[0] == "in" && of[0] > 0 })
	if lost := s.lost(); len(lost) != 1 {
		t.Errorf("lost %v", lost)
	}
}

// The key that is pressed while the box starts is of this run, whatever the ledger has of it already.
func TestAnOpeningOfThisRunIsNotLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := s.g.Emergency("in"); err != nil {
		t.Fatal(err)
	}
	s.end()
	s.open()
	s.g.Begin()
	before := s.l.Size()
	if _, err := s.g.Emergency("in"); err != nil {
		t.Fatal(err)
	}
	until(t, "its entry", func() bool { return s.l.Size() > before })
	s.run()
	s.stop()
	<-s.ended
	if !s.g.lostTold {
		t.Error("this run has not looked")
	}
	if lanes, _ := s.alarms(); len(lanes) != 0 || len(s.lost()) != 0 {
		t.Errorf("lost %v, on record %v", s.lost(), lanes)
	}
	s.g.opt.Register.View(func(st *register.State) {
		if st.Latched["in"] == (register.Latch{}) {
			t.Error("the register has forgotten it")
		}
	})
}

// An alarm about the older opening comes late: the newer one counts on.
func TestALateAlarmForgetsNoNewerOpening(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	open := ledger.Event{Stamp: s.g.clock.Now(), Kind: register.Opening, Passage: "a", Lane: "in", Direction: "in", Verdict: "admit", Reason: "emergency-key"}
	newer := open
	newer.Passage = "b"
	es, err := s.l.Append(open, newer)
	if err != nil {
		t.Fatal(err)
	}
	alarm := ledger.Event{Stamp: s.g.clock.Now(), Kind: register.Alarm, Lane: "in", Reason: register.LatchLost, Ref: es[0].Seq}
	if _, err := s.l.Append(alarm); err != nil {
		t.Fatal(err)
	}
	s.register.View(func(st *register.State) {
		if st.Latched["in"].Seq != es[1].Seq {
			t.Errorf("latched: %+v", st.Latched)
		}
	})
}
