package box

import (
	"strings"
	"testing"
	"time"

	"gated/clock"
	"gated/register"
	"gated/register/marks"
	"gated/register/retention"
)

func TestRetentionRunsOnceADay(t *testing.T) {
	at := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		v, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		last, now string
		want      bool
	}{
		{"", "2026-11-23 12:00:00", true}, // the start may have missed it
		{"2026-11-23 12:00:00", "2026-11-24 03:29:00", false},
		{"2026-11-23 12:00:00", "2026-11-24 03:30:00", true},
		{"2026-11-24 03:30:30", "2026-11-24 03:31:00", false},
		{"2026-11-24 03:30:30", "2026-11-25 02:00:00", false},
		{"2026-11-24 03:30:30", "2026-11-25 03:30:10", true},
		{"2026-11-24 01:00:00", "2026-11-24 03:30:00", true},
		{"2027-11-24 03:30:30", "2026-11-24 12:00:00", true}, // the clock was a year ahead
	} {
		if got := retentionDue(at(c.last), at(c.now)); got != c.want {
			t.Errorf("last %s, now %s: %v, want %v", c.last, c.now, got, c.want)
		}
	}
}

// Marks are told of anew once a day: an erasure that cannot be done, as while the clock is not trusted, is tried each minute.
func TestMarksAreToldOfOnceADay(t *testing.T) {
	t.Parallel()
	dir := site(t)
	had := size(t, dir)
	src := clock.System()
	wall := src.Wall
	src.Wall, src.Synced = func() time.Time { return wall().Add(72 * time.Hour) }, func() bool { return false }
	b, stop := daemonAt(t, dir, src)
	if err := b.Register.Wait(); err != nil {
		t.Fatal(err)
	}
	watch := Mark{What: marks.Watch, Who: "r-000001", Word: "complaint", Until: "2099-01-01", By: "Chen"}
	if _, err := MarkSomebody.do(t.Context(), b, "clerk", watch); err != nil {
		t.Fatal(err)
	}
	var told time.Time
	now := time.Date(2026, 12, 1, 3, 30, 0, 0, b.Ledger.Zone())
	for _, at := range []time.Time{now, now.Add(time.Minute), now.Add(2 * time.Minute), now.Add(24 * time.Hour)} {
		if _, err := b.retain(at, &told, []retention.Rule{{Class: "*", Days: 30}}, nil); err == nil || !strings.Contains(err.Error(), "not trusted") {
			t.Fatalf("at %s: %v", at, err)
		}
	}
	stop()
	n := 0
	for _, e := range recorded(t, dir, had) {
		if e.Kind == register.Mark {
			n++
		}
	}
	if n != 5 {
		t.Errorf("a mark that was told of on two days has %d entries, want 1 and twice its end with itself", n)
	}
}
