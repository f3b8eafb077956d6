package gate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/clock"
	"gated/ledger"
	"gated/policy"
	"gated/register"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestAClockBeforeItsReleaseCannotBeConfirmed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mu.Lock()
	s.shift = -50 * 365 * 24 * time.Hour
	s.mu.Unlock()
	if err := s.g.ConfirmClock("x"); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestWithAnUntrustedClockOnlyWhatIsSureCounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.scan("in", s.pass("resident", s.subject("李芳"), month)) // a trusted row
	s.mu.Lock()
	s.synced, s.shift = false, 70*365*24*time.Hour
	s.mu.Unlock()
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{month, "admit valid-pass"},
		{3 * 24 * time.Hour, "hold clock-untrusted"},
		{-time.Minute, "hold expired"},
	} {
		out := s.scan("in", s.pass("resident", s.subject("王小明"), c.left))
		if got := out.Verdict + " " + out.Reason; got != c.want {
			t.Errorf("a pass with %s left: got %s, want %s", c.left, got, c.want)
		}
	}
	if v := s.g.View(); v.Clock.Trusted || v.Clock.Reason != "clock-far-ahead" {
		t.Errorf("the page says %+v", v.Clock)
	}
	// Sequence and days hold, and the clock set right again goes on as before.
	s.mu.Lock()
	s.shift = 0
	s.mu.Unlock()
	if out := s.scan("in", s.pass("staff", s.subject("赵六"), 3*24*time.Hour)); out.Verdict != policy.Admit {
		t.Errorf("after the clock came back: %+v", out)
	}
	// When they passed nobody knows: it may have been just now.
	if out := s.scan("in", s.pass("resident", s.subject("王小明"), 3*24*time.Hour)); out.Verdict+" "+out.Reason != "hold passed-back" {
		t.Errorf("the same way again: %+v", out)
	}
	s.records()
}

func TestAClockSetBackDoesNotBringExpiredPassesToLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	code := s.pass("resident", s.subject("王小明"), -time.Minute)
	s.mu.Lock()
	s.shift = -time.Hour // synchronised all the same, with a lying server
	s.mu.Unlock()
	if out := s.scan("in", code); out.Reason != "expired" {
		t.Errorf("got %+v", out)
	}
	if err := s.g.ConfirmClock("maintainer"); err != nil {
		t.Fatal(err)
	}
	if out := s.scan("out", code); out.Reason == "expired" {
		t.Errorf("the confirmed clock says it is good: %+v", out)
	}
	s.end()
	s.start()
	if out := s.scan("in", code); out.Reason == "expired" {
		t.Errorf("the correction is forgotten at a restart: %+v", out)
	}
	found := false
	for _, e := range s.records() {
		found = found || e.Kind == register.Clock && e.Reason == "clock-corrected" && e.Personally("by") == "maintainer"
	}
	if !found {
		t.Error("no clock-corrected entry")
	}
}

// One moment 400 days ahead, synchronised all the same: nobody is expired by it. Believed by mistake, it makes every pass expired,
// and then the clock that is right is behind: page, metric and ledger say so, the button makes it right, and trips count on by the
// day.
func TestAMomentFarAheadLocksNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	set := func(shift time.Duration) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.shift = shift
	}
	const far = 400 * 24 * time.Hour
	looks := func(lane, verdict, reason, why string) {
		t.Helper()
		if out := s.scan(lane, s.pass("vehicle", s.subject("粤B12345"), month)); out.Verdict != verdict || out.Reason != reason {
			t.Errorf("got %s %s, want %s %s", out.Verdict, out.Reason, verdict, reason)
		}
		metrics := prometheus.NewRegistry()
		s.g.m.Register(metrics, s.g.numbers)
		trusted := 0.0
		if why == "" {
			trusted = 1
		}
		want := fmt.Sprintf("# HELP gated_clock_trusted 1 while the clock may judge credentials.\n# TYPE gated_clock_trusted gauge\ngated_clock_trusted %g\n", trusted)
		if err := testutil.GatherAndCompare(metrics, strings.NewReader(want), "gated_clock_trusted"); err != nil {
			t.Error(err)
		}
		if v := s.g.View().Clock; v.Reason != why || v.Trusted != (why == "") {
			t.Errorf("the page says %+v, want %q", v, why)
		}
	}
	looks("in", policy.Admit, "emergency-service", "")
	set(far)
	looks("in", policy.Admit, "emergency-service", clock.FarAhead)
	s.end()
	s.start() // its first look at the clock is that moment
	looks("in", policy.Admit, "emergency-service", clock.FarAhead)
	set(0)
	looks("in", policy.Admit, "emergency-service", "")
	set(far)
	if err := s.g.ConfirmClock("somebody"); err != nil {
		t.Fatal(err)
	}
	set(0)
	looks("in", policy.Hold, "expired", clock.Behind)
	for !slices.ContainsFunc(s.records(), func(e ledger.Entry) bool { return e.Kind == register.Clock && e.Reason == clock.Behind }) {
		time.Sleep(10 * time.Millisecond) // Run looks each second
	}
	s.end()
	s.start()
	looks("in", policy.Hold, "expired", clock.Behind)
	if err := s.g.ConfirmClock("maintainer"); err != nil {
		t.Fatal(err)
	}
	looks("in", policy.Admit, "emergency-service", "")
	var starts []string
	for _, e := range s.records() {
		if e.Kind == register.Clock && e.By == unauthenticated && e.Detail["was"] == "" {
			t.Errorf("entry %d, %s, does not say what the time was before", e.Seq, e.Reason)
		}
		if e.Kind == ledger.Start {
			starts = append(starts, e.Detail["clock"])
		}
	}
	if want := []string{"clock-trusted", clock.FarAhead, clock.Behind}; !slices.Equal(starts, want) {
		t.Errorf("the start entries say %q, want %q", starts, want)
	}
}
