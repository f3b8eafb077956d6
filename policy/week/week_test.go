package week

import (
	"strings"
	"testing"
	"time"
)

// A slot holds by the clock on the wall, over midnight for the day on which it begins, and to 24:00.
func TestSlotsOnDays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		days, times string
		has, lacks  string // day and time, with commas between
	}{
		{"", "", "mon 00:00,sun 23:59", ""},
		{"", "06:00-09:30,16:00-18:00", "mon 06:00,wed 09:29,sun 16:00,sun 17:59", "mon 05:59,mon 09:30,mon 15:59,mon 18:00"},
		{"fri", "22:00-02:00", "fri 22:00,sat 00:00,sat 01:59", "fri 00:00,fri 21:59,sat 02:00,sat 22:00"},
		{"sun", "23:00-01:00", "sun 23:00,mon 00:59", "mon 01:00,sun 00:30"},
		{"tue,thu", "22:00-24:00", "tue 23:59,thu 22:00", "wed 00:00,wed 23:00"},
		{"sat", "", "sat 00:00,sat 23:59", "fri 23:59,sun 00:00"},
	} {
		set, err := Parse(c.days, c.times)
		if err != nil {
			t.Fatal(err)
		}
		for want, list := range map[bool]string{true: c.has, false: c.lacks} {
			for _, at := range listed(list) {
				clock, err := time.Parse("15:04", at[4:])
				if err != nil {
					t.Fatal(err)
				}
				day := strings.Index("montuewedthufrisatsun", at[:3]) / 3
				if got := set.Has(Minute(time.Date(2026, 11, 23+day, clock.Hour(), clock.Minute(), 30, 0, time.UTC))); got != want {
					t.Errorf("%q %q has %s: %t", c.days, c.times, at, got)
				}
			}
		}
	}
}

// What a day's clock change leaves out holds nothing; what it repeats holds twice.
func TestSlotsOnTheDaysThatTheClockIsChanged(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	set, err := Parse("sun", "02:00-03:00")
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[time.Time]int{time.Date(2026, 3, 29, 0, 0, 0, 0, zone): 0, time.Date(2026, 10, 25, 0, 0, 0, 0, zone): 120,
		time.Date(2026, 11, 1, 0, 0, 0, 0, zone): 60} {
		got := 0
		for m := day; m.Day() == day.Day(); m = m.Add(time.Minute) {
			if set.Has(Minute(m)) {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d minutes, want %d", day.Format(time.DateOnly), got, want)
		}
	}
}

func TestSlotsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ days, times, want string }{
		{"", "08:00-08:00", `times: "08:00-08:00": it ends when it begins`},
		{"", "06:00-09:30,8-10", `times: "8-10": write a slot such as 06:00-09:30`},
		{"", "24:00-06:00", "write a slot"},
		{"", "06:00-09:30,", `times: "": write a slot`},
		{"mon, tue", "", `days: " tue": the days are mon, tue`},
		{"monday", "", `days: "monday": the days are mon, tue`},
	} {
		if _, err := Parse(c.days, c.times); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %q: got %v, want %s", c.days, c.times, err, c.want)
		}
	}
}
