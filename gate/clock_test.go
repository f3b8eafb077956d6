package gate

import (
	"errors"
	"testing"
	"time"

	"gated/policy"
	"gated/register"
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
	if out := s.scan("in", s.pass("resident", s.subject("王小明"), 3*24*time.Hour)); out.Verdict != policy.Admit {
		t.Errorf("after the clock came back: %+v", out)
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
