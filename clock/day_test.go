package clock

import (
	"testing"
	"time"
	_ "time/tzdata"
)

func TestDayBegins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, day, want string }{
		{"Asia/Shanghai", "2026-11-23", "2026-11-23T00:00:00+08:00"},
		{"UTC", "2026-11-23", "2026-11-23T00:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"}, // no midnight; time.Date says 23:00 of the day before
		{"America/Santiago", "2024-09-08", "2024-09-08T01:00:00-03:00"},
		{"America/Havana", "2024-03-10", "2024-03-10T01:00:00-04:00"},
		{"Africa/Cairo", "2024-04-26", "2024-04-26T01:00:00+03:00"},
		{"Asia/Beirut", "2024-03-31", "2024-03-31T01:00:00+03:00"},
		{"America/Sao_Paulo", "2018-02-18", "2018-02-18T00:00:00-03:00"}, // 23:00 to 24:00 twice before it
		{"America/Havana", "2024-11-03", "2024-11-03T00:00:00-04:00"},    // 00:00 to 01:00 twice
		{"Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"},      // no such day
		{"Pacific/Kiritimati", "2026-11-23", "2026-11-23T00:00:00+14:00"},
		{"Etc/GMT+12", "2026-11-23", "2026-11-23T00:00:00-12:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		d, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := DayBegins(d.Year(), d.Month(), d.Day(), zone).Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s: %s, want %s", c.day, c.zone, got, c.want)
		}
	}
}
