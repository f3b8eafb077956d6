package gate

import (
	"context"
	"errors"
	"testing"
	"time"

	"gated/ledger"
	"gated/policy"
	"gated/register"
)

func TestWhenTheClockIsTrusted(t *testing.T) {
	base := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	row := ledger.Stamp{Time: base, Boot: "boot-1", Mono: time.Hour, Trusted: true}
	for _, c := range []struct {
		name   string
		newest ledger.Stamp
		boot   string
		wall   time.Time
		mono   time.Duration
		synced bool
		want   string
	}{
		{"synchronised", row, "boot-2", base.Add(90 * time.Minute), time.Minute, true, ""},
		{"synchronised on an empty ledger", ledger.Stamp{}, "boot-1", base, time.Hour, true, ""},
		{"never confirmed", ledger.Stamp{}, "boot-1", base, time.Hour, false, "clock-never-confirmed"},
		{"agrees with the monotonic clock", row, "boot-1", base.Add(8*time.Hour + 59*time.Second), 9 * time.Hour, false, ""},
		{"agrees over days without an entry", row, "boot-1", base.Add(48 * time.Hour), 49 * time.Hour, false, ""},
		{"jumped ahead an hour", row, "boot-1", base.Add(2 * time.Hour), 2 * time.Hour, false, "clock-unsynchronised"},
		{"jumped back an hour", row, "boot-1", base.Add(-time.Hour), time.Hour, false, "clock-behind"},
		{"another boot, within a day", row, "boot-2", base.Add(8 * time.Hour), time.Minute, false, "clock-unsynchronised"},
		{"another boot, days later", row, "boot-2", base.Add(25 * time.Hour), time.Minute, false, "clock-far-ahead"},
		{"70 years ahead", row, "boot-1", base.AddDate(70, 0, 0), 2 * time.Hour, false, "clock-far-ahead"},
		{"1970", row, "boot-2", time.Unix(60, 0), time.Minute, false, "clock-before-release"},
		{"1970, synchronised they say", row, "boot-2", time.Unix(60, 0), time.Minute, true, "clock-before-release"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := NewClock(Source{Boot: c.boot, Wall: func() time.Time { return c.wall }, Mono: func() time.Duration { return c.mono }, Synced: func() bool { return c.synced }})
			k.Remember(c.newest)
			s, doubt := k.read()
			if doubt != c.want || s.Trusted != (c.want == "") {
				t.Errorf("trusted %v, %q; want %q", s.Trusted, doubt, c.want)
			}
			if k.judge(s).Before(c.newest.Time) {
				t.Error("a credential would be judged by a time before the newest trusted entry")
			}
			if c.wall.Before(Released) {
				return // it must be set first, TestAClockBeforeItsRelease
			}
			confirmed, _ := k.confirm()
			k.confirmed(confirmed)
			if s, doubt := k.read(); !s.Trusted {
				t.Errorf("confirmed, and still not trusted: %s", doubt)
			}
		})
	}
}

func TestAClockBeforeItsReleaseCannotBeConfirmed(t *testing.T) {
	s := newSite(t)
	s.mu.Lock()
	s.shift = -50 * 365 * 24 * time.Hour
	s.mu.Unlock()
	if err := s.g.ConfirmClock(context.Background(), "x"); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestWithAnUntrustedClockOnlyWhatIsSureCounts(t *testing.T) {
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
	s := newSite(t)
	code := s.pass("resident", s.subject("王小明"), -time.Minute)
	s.mu.Lock()
	s.shift = -time.Hour // synchronised all the same, with a lying server
	s.mu.Unlock()
	if out := s.scan("in", code); out.Reason != "expired" {
		t.Errorf("got %+v", out)
	}
	if err := s.g.ConfirmClock(context.Background(), "maintainer"); err != nil {
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
