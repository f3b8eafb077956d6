package box

import (
	"testing"
	"time"
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
