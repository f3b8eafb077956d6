package clock

import (
	"sort"
	"time"
)

// DayBegins is the first second that bears a date in a zone. Some zones set their clocks at midnight: then a day may have no
// midnight, and what time.Date makes of it may be of the day before.
func DayBegins(year int, month time.Month, day int, zone *time.Location) time.Time {
	date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	from := date.Add(-24 * time.Hour) // no zone is as far from UTC
	n := sort.Search(48*3600, func(i int) bool {
		return from.Add(time.Duration(i)*time.Second).In(zone).Format(time.DateOnly) >= date.Format(time.DateOnly)
	})
	return from.Add(time.Duration(n) * time.Second).In(zone)
}
