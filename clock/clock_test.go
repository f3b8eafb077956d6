package clock

import (
	"testing"
	"time"
)

func TestWhenTheClockIsTrusted(t *testing.T) {
	base := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	row := Moment{Time: base, Boot: "boot-1", Mono: time.Hour, Trusted: true}
	for _, c := range []struct {
		name   string
		newest Moment
		boot   string
		wall   time.Time
		mono   time.Duration
		synced bool
		want   string
	}{
		{"synchronised", row, "boot-2", base.Add(90 * time.Minute), time.Minute, true, ""},
		{"synchronised on an empty ledger", Moment{}, "boot-1", base, time.Hour, true, ""},
		{"never confirmed", Moment{}, "boot-1", base, time.Hour, false, "clock-never-confirmed"},
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
			k := New(Source{Boot: c.boot, Wall: func() time.Time { return c.wall }, Mono: func() time.Duration { return c.mono }, Synced: func() bool { return c.synced }})
			k.Remember(c.newest)
			s, doubt := k.Read()
			if doubt != c.want || s.Trusted != (c.want == "") {
				t.Errorf("trusted %v, %q; want %q", s.Trusted, doubt, c.want)
			}
			if k.Judge(s).Before(c.newest.Time) {
				t.Error("a credential would be judged by a time before the newest trusted entry")
			}
			if c.wall.Before(Released) {
				return // it must be set first
			}
			confirmed, _ := k.Confirm()
			k.Confirmed(confirmed)
			if s, doubt := k.Read(); !s.Trusted {
				t.Errorf("confirmed, and still not trusted: %s", doubt)
			}
		})
	}
}
