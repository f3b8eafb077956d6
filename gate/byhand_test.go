package gate

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gated/barrier"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/byhand"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// byHand is what the ledger tells of openings by hand, an entry as "lane reason heads".
func (s *site) byHand() (told []string) {
	s.t.Helper()
	first := map[string]int64{}
	for _, e := range s.records() {
		if e.Kind != register.ByHand {
			continue
		}
		line := e.Lane + " " + e.Reason
		if e.Ref == 0 {
			first[e.Lane] = e.Seq
		} else {
			line += " " + e.Detail["heads"]
			if e.Ref != first[e.Lane] || e.Detail["why"] == "" {
				s.t.Errorf("entry %d refers to %d as %q, the opening is %d", e.Seq, e.Ref, e.Detail["why"], first[e.Lane])
			}
		}
		told = append(told, line)
	}
	return told
}

func (s *site) tells(want ...string) {
	s.t.Helper()
	var told []string
	defer func() {
		if !slices.Equal(told, want) {
			s.t.Logf("the ledger tells %q", told)
		}
	}()
	until(s.t, fmt.Sprintf("the ledger to tell %q", want), func() bool { told = s.byHand(); return slices.Equal(told, want) })
}

// shown is what the page shows of a lane's opening by hand, as "reason barrier"; empty: nothing.
func (s *site) shown(lane int) string {
	if b := s.g.View().Lanes[lane].ByHand; b != nil {
		return b.Reason + " " + b.Barrier
	}
	return ""
}

func (s *site) openByHand(lane, reason string) {
	s.t.Helper()
	if err := s.g.OpenByHand(lane, reason); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) shut(lane, heads string) {
	s.t.Helper()
	if err := s.g.ShutByHand(lane, heads); err != nil {
		s.t.Fatal(err)
	}
}

// once does something at the next operation of that name on the ledger's disk, each time that it was armed. It is set before the gate starts.
func (s *site) once(op string, do func() error) (arm func()) {
	s.end()
	var armed atomic.Bool
	s.inject = func(is string) error {
		if is == op && armed.Swap(false) {
			return do()
		}
		return nil
	}
	s.start()
	return func() { armed.Store(true) }
}

// withRelay gives the site's lane in a relay whose program writes down what it is told, and returns that so far.
func withRelay(t *testing.T, s *site) (told func() string) {
	s.end()
	trace := filepath.Join(s.dir, "trace")
	s.relays = map[string]*barrier.Barrier{"in": relayTo(t, trace, s.dir)}
	s.relays["in"].Begin(false)()
	s.start()
	return func() string {
		s.g.work.Wait()
		return strings.Join(strings.Fields(read(t, trace)), " ")
	}
}

// Who passes while the lane stands open is judged and recorded as ever, and the barrier hears nothing of it.
func TestALaneOpenedByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	told := withRelay(t, s)
	if err := s.g.SignOn("保安甲"); err != nil {
		t.Fatal(err)
	}
	s.openByHand("in", "school-run")
	opening := s.records()[s.l.Size()-1]
	if opening.By != unauthenticated || opening.Personally("guard") != "保安甲" || opening.Direction != "in" || opening.Passage != "" {
		t.Errorf("its entry is %+v", opening)
	}
	if got := told(); got != "close open" {
		t.Errorf("the barrier was told %q", got)
	}
	if got := s.shown(0); got != "school-run open" {
		t.Errorf("the page shows %q", got)
	}
	code := s.pass("resident", s.subject("王小明"), month)
	if out := s.scan("in", code); out.Verdict != policy.Admit {
		t.Errorf("a resident: %+v", out)
	}
	if out := s.scan("in", s.pass("resident", s.subject("李芳"), -time.Minute)); out.Verdict != policy.Hold {
		t.Errorf("an expired pass: %+v", out)
	} else if out, err := s.g.Decide(out.Passage, Ruling{Verdict: policy.Admit, Reason: "known-by-sight"}); err != nil || out.Verdict != policy.Admit {
		t.Errorf("decided: %+v, %v", out, err)
	}
	if out := s.scan("in", s.pass("resident", "r-999999", month)); out.Verdict != policy.Refuse {
		t.Errorf("a stranger: %+v", out)
	}
	if out := s.scan("out", code); out.Verdict != policy.Admit {
		t.Errorf("the other lane: %+v", out)
	}
	if got := told(); got != "close open" {
		t.Errorf("with passages the barrier was told %q", got)
	}
	kinds := map[ledger.Kind]int{}
	for _, e := range s.records()[opening.Seq:] {
		kinds[e.Kind]++
	}
	if kinds[register.Check] != 4 || kinds[register.Decided] != 4 || kinds[register.Opening] != 0 {
		t.Errorf("of four passages there are %v", kinds)
	}
	if got := testutil.ToFloat64(s.g.m.ByHand.WithLabelValues("in", "school-run")); got != 1 || gauge(t, s.g, "gated_lanes_open_by_hand") != 1 {
		t.Errorf("%v openings counted", got)
	}
	s.shut("in", "20")
	if got := told(); got != "close open close" || s.shown(0) != "" {
		t.Errorf("shut: the barrier was told %q, the page shows %q", got, s.shown(0))
	}
	s.tells("in school-run", "in shut 20")
	if got := testutil.ToFloat64(s.g.m.Heads.WithLabelValues("in")); got != 20 || gauge(t, s.g, "gated_lanes_open_by_hand") != 0 {
		t.Errorf("%v heads counted", got)
	}
	if out := s.scan("in", s.pass("staff", s.subject("赵六"), month)); out.Verdict != policy.Admit {
		t.Errorf("afterwards: %+v", out)
	}
	if s.pulsed(1); told() != "close open close pulse" {
		t.Errorf("afterwards the barrier was told %q", told())
	}
}

// Several lanes, one of them without a barrier; and what cannot be done is said, and done by nobody.
func TestLanesOpenedByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	told := withRelay(t, s)
	for _, c := range []struct {
		lane, reason string
		want         error
		says         string
	}{
		{"roof", "school-run", ErrUnknownLane, "roof"},
		{"in", "because", ErrInvalid, "school-run, rush-hour, moving-van, relay-dead, other-need"},
		{"in", "", ErrInvalid, "one of"},
	} {
		if err := s.g.OpenByHand(c.lane, c.reason); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q for %q: %v", c.lane, c.reason, err)
		}
	}
	s.openByHand("in", "moving-van")
	s.openByHand("out", "rush-hour")
	if err := s.g.OpenByHand("in", "school-run"); !errors.Is(err, ErrIsOpen) || !strings.Contains(err.Error(), `"in"`) {
		t.Errorf("the same lane twice: %v", err)
	}
	told()
	if in, out := s.shown(0), s.shown(1); in != "moving-van open" || out != "rush-hour by-hand" {
		t.Errorf("the page shows %q and %q", in, out)
	}
	for _, c := range []struct {
		lane, heads string
		want        error
		says        string
	}{
		{"roof", "1", ErrUnknownLane, "roof"},
		{"in", "6", ErrInvalid, "0, 1, 2, 3, 4, 5, 10, 20, 50, uncounted"},
		{"in", "-1", ErrInvalid, "one of"},
		{"in", "", ErrInvalid, "one of"},
	} {
		if err := s.g.ShutByHand(c.lane, c.heads); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q with %q: %v", c.lane, c.heads, err)
		}
	}
	s.shut("out", byhand.Uncounted)
	if s.shown(0) == "" || s.shown(1) != "" {
		t.Errorf("the page shows %q and %q", s.shown(0), s.shown(1))
	}
	s.shut("in", "0")
	if err := s.g.ShutByHand("in", "1"); !errors.Is(err, ErrNotByHand) {
		t.Errorf("shut twice: %v", err)
	}
	s.tells("in moving-van", "out rush-hour", "out shut uncounted", "in shut 0")
	if n := testutil.ToFloat64(s.g.m.Uncounted.WithLabelValues("out")); n != 1 {
		t.Errorf("%v uncounted", n)
	}
}

// The emergency key wins: the lane is held open by it, and closed as ever. What closes after an emergency closes at any time.
func TestTheEmergencyKeyOnALaneOpenedByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	arm := s.once("commit", func() error {
		go s.g.Emergency("in")
		until(t, "the key", func() bool { return s.g.lanes.Of("in").Latched() })
		return nil
	})
	told := withRelay(t, s)
	press := func() {
		t.Helper()
		if out, err := s.g.Emergency("in"); err != nil || out.Repeat {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	s.openByHand("in", "school-run")
	told()
	press()
	told()
	if v := s.g.View().Lanes[0]; v.Latch != "open" || v.ByHand != nil {
		t.Errorf("pressed: %q, %+v", v.Latch, v.ByHand)
	}
	if err := s.g.ShutByHand("in", "5"); !errors.Is(err, ErrNotByHand) {
		t.Errorf("shut by hand: %v", err)
	}
	if err := s.g.OpenByHand("in", "rush-hour"); !errors.Is(err, ErrIsOpen) {
		t.Errorf("opened by hand: %v", err)
	}
	if err := s.g.Close("in"); err != nil {
		t.Fatal(err)
	}
	if got := told(); !strings.HasSuffix(got, "open close") || s.shown(0) != "" {
		t.Errorf("the barrier was told %q, the page shows %q", got, s.shown(0))
	}
	s.tells("in school-run", "in emergency-key uncounted")

	s.openByHand("in", "rush-hour")
	told()
	if err := s.g.Close("in"); err != nil {
		t.Fatal(err)
	}
	if got := told(); !strings.HasSuffix(got, "open close") || s.shown(0) != "" {
		t.Errorf("closed: the barrier was told %q, the page shows %q", got, s.shown(0))
	}
	s.tells("in school-run", "in emergency-key uncounted", "in rush-hour", "in closed uncounted")

	// The key is pressed while the opening is being written.
	arm()
	s.openByHand("in", "rush-hour")
	if s.shown(0) != "" || !s.g.lanes.Of("in").Latched() {
		t.Errorf("the page shows %q, latched is %t", s.shown(0), s.g.lanes.Of("in").Latched())
	}
	s.tells("in school-run", "in emergency-key uncounted", "in rush-hour", "in closed uncounted", "in rush-hour", "in emergency-key uncounted")
}

// Nothing opens that is not on record: in a fault the emergency key is there for what cannot wait. What stands open can be shut, and
// counted, in a fault, too.
func TestInAFaultNothingIsOpenedByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	told := withRelay(t, s)
	s.openByHand("out", "rush-hour")
	release := s.block()
	err := s.g.OpenByHand("in", "school-run") // which finds the fault, and is there after all
	if !errors.Is(err, ErrLedger) || !strings.Contains(err.Error(), "emergency key") || s.shown(0) != "" || told() != "close" {
		t.Errorf("in a fault: %v; the page shows %q, the barrier was told %q", err, s.shown(0), told())
	}
	if err := s.g.OpenByHand("in", "school-run"); !errors.Is(err, ErrLedger) || told() != "close" {
		t.Errorf("once more: %v, the barrier was told %q", err, told())
	}
	s.shut("out", "50")
	if s.shown(1) != "" {
		t.Errorf("shut in a fault, the page shows %q", s.shown(1))
	}
	release()
	s.tells("out rush-hour", "out shut 50")
}

// A commit that failed and is on the disk all the same opened nothing, and the register is told.
func TestAnOpeningThatNeverWas(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.once("committed", func() error { return errors.New("the disk has it and says that it has not") })()
	if err := s.g.OpenByHand("in", "school-run"); !errors.Is(err, ErrLedger) || s.shown(0) != "" {
		t.Errorf("%v, the page shows %q", err, s.shown(0))
	}
	s.tells("in school-run", "in answered-fault uncounted")
	s.register.View(func(st *register.State) {
		if len(st.ByHand) != 0 {
			t.Errorf("the register has %v", st.ByHand)
		}
	})
	s.openByHand("in", "school-run")
}

// A stop and a crash end it; the next run says so, once, and nothing is open.
func TestARestartEndsAnOpeningByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openByHand("in", "moving-van")
	s.openByHand("out", "rush-hour")
	s.shut("out", "3")
	s.end()
	s.start()
	s.tells("in moving-van", "out rush-hour", "out shut 3", "in restart uncounted")
	if s.shown(0) != "" {
		t.Errorf("after a restart the page shows %q", s.shown(0))
	}
	s.openByHand("in", "moving-van") // of this run
	told := s.told()                 // which starts another one
	s.tells("in moving-van", "out rush-hour", "out shut 3", "in restart uncounted", "in moving-van", "in restart uncounted")
	if !told {
		t.Error("this run has not looked")
	}
}

// Shut in a fault, and down before the ledger could take that: the count is kept.
func TestACountThatOnlyTheSpoolKnows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openByHand("in", "school-run")
	release := s.block()
	s.shut("in", "10")
	s.end()
	s.start()
	release()
	until(t, "this run has looked", func() bool { return !s.g.Fault() && s.g.Ready() })
	s.tells("in school-run", "in shut 10")
}

// nextHour sets the clock on to when an hour has just begun, so that none begins by itself within a test.
func (s *site) nextHour() {
	now := s.now()
	s.later(now.Truncate(time.Hour).Add(time.Hour + time.Second).Sub(now))
}

// Each hour it is told of once more, for the day that begins then.
func TestAnOpeningByHandIsToldOfEachHour(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openByHand("in", "moving-van")
	s.nextHour()
	s.tells("in moving-van", "in goes-on ")
}

// What has ended goes on no more, also where it ends while that is written.
func TestAnOpeningByHandThatEndedGoesOnNoMore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	arm := s.once("commit", func() error {
		s.g.lanes.Of("in").Release(0)
		return nil
	})
	s.end()
	s.nextHour()
	s.start()
	s.openByHand("in", "moving-van")
	s.shut("in", "5")
	s.tells("in moving-van", "in shut 5")
	s.g.lanes.GoOnByHand(s.g.clock.Now())
	s.tells("in moving-van", "in shut 5")

	s.openByHand("in", "school-run")
	arm()
	s.g.lanes.GoOnByHand(s.g.clock.Now())
	s.tells("in moving-van", "in shut 5", "in school-run", "in goes-on ", "in closed uncounted")
}

// A relay that is dead is a reason to open by hand: the page says that the barrier does not obey.
func TestOpenedByHandForADeadRelay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	s.relays = map[string]*barrier.Barrier{"in": relaySaying(t, "[ $1 = close ]")}
	s.start()
	s.openByHand("in", "relay-dead")
	until(t, "the barrier's answer", func() bool { return s.shown(0) == "relay-dead failed" })
	s.shut("in", "4")
	s.tells("in relay-dead", "in shut 4")
}
