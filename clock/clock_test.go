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
		// A server that is wrong, or one that is right after a wrong moment was recorded: only a watch can tell which.
		{"synchronised, a day off", row, "boot-2", base.Add(24 * time.Hour), time.Minute, true, ""},
		{"synchronised, more than a day off", row, "boot-2", base.Add(24*time.Hour + time.Minute), time.Minute, true, "clock-far-ahead"},
		{"synchronised, 400 days ahead in the same boot", row, "boot-1", base.AddDate(0, 0, 400), 2 * time.Hour, true, "clock-far-ahead"},
		{"synchronised, stepped an hour ahead", row, "boot-1", base.Add(2 * time.Hour), 2 * time.Hour, true, ""},
		{"synchronised, three days without an entry", row, "boot-1", base.Add(72*time.Hour + time.Hour), 73 * time.Hour, true, ""},
		{"synchronised, an hour behind", row, "boot-1", base.Add(-time.Hour), time.Hour, true, "clock-behind"},
		{"synchronised, 100 days behind in another boot", row, "boot-2", base.AddDate(0, 0, -100), time.Minute, true, "clock-behind"},
		{"synchronised, half a minute behind", row, "boot-2", base.Add(-30 * time.Second), time.Minute, true, ""},
		{"1970", row, "boot-2", time.Unix(60, 0), time.Minute, false, "clock-before-release"},
		{"1970, synchronised they say", row, "boot-2", time.Unix(60, 0), time.Minute, true, "clock-before-release"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := New(Source{Boot: c.boot, Wall: func() time.Time { return c.wall }, Mono: func() time.Duration { return c.mono }, Synced: func() bool { return c.synced }})
			k.Read() // before the ledger was read: it counts for nothing
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

// One moment 400 days ahead, while a server that is wrong has the kernel synchronised: what was right before is right behind it.
// Confirmed by mistake, the clock is behind once it is right again, and is right once that is confirmed, too.
func TestAFarMoment(t *testing.T) {
	t.Parallel()
	shift, mono := time.Duration(0), time.Hour
	base := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	k := New(Source{Boot: "boot-1", Wall: func() time.Time { return base.Add(mono + shift) }, Mono: func() time.Duration { return mono }, Synced: func() bool { return true }})
	k.Remember(Moment{})
	read := func(want string) Moment {
		t.Helper()
		mono += time.Second
		m, why := k.Read()
		if why != want {
			t.Errorf("after %s: %q, want %q", mono, why, want)
		}
		k.Recorded(m)
		return m
	}
	read("")
	shift = 400 * 24 * time.Hour
	far := read(FarAhead)
	if by := k.Judge(far); by.Year() != 2027 {
		t.Errorf("judged by %s", by)
	}
	shift = 0
	read("")
	shift = 400 * 24 * time.Hour
	m, back := k.Confirm()
	if k.Confirmed(m); back {
		t.Error("400 days ahead are taken for a step back")
	}
	read("")
	shift = 0
	if by := k.Judge(read(Behind)); by.Year() != 2028 {
		t.Errorf("behind, judged by %s: it is not known which is right", by)
	}
	if m, back = k.Confirm(); !back {
		t.Error("a step back that is no correction")
	}
	k.Confirmed(m)
	if by := k.Judge(read("")); by.Year() != 2027 {
		t.Errorf("corrected, judged by %s", by)
	}
}
