// Package week says at which minutes of the week something holds.
package week

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A week has so many minutes. They are counted from Monday 00:00, by the clock on the wall: where a clock change repeats an
// hour, what holds in it holds twice, and an hour that is left out holds nothing.
const (
	MinutesOfDay = 24 * 60
	Minutes      = 7 * MinutesOfDay
)

// Days are the words of weekdays, in the order of the week. The caller does not change them.
var Days = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// Set is a set of minutes of the week.
type Set [(Minutes + 63) / 64]uint64

// Minute is the minute of the week of a time, in its own zone.
func Minute(t time.Time) int {
	return (int(t.Weekday())+6)%7*MinutesOfDay + t.Hour()*60 + t.Minute()
}

// Has tells whether a minute of the week is in the set.
func (s *Set) Has(minute int) bool { return s[minute/64]>>(minute%64)&1 == 1 }

// Add adds minutes; those beyond the end are of the week's beginning.
func (s *Set) Add(from, to int) {
	for m := from; m < to; m++ {
		n := m % Minutes
		s[n/64] |= 1 << (n % 64)
	}
}

// Slot is a time slot, in minutes of a day: from its first minute up to its end, which belongs to what comes next. The end of one over
// midnight is of the next day.
type Slot struct{ from, to int }

var slotForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00))$`)

var (
	errForm  = errors.New("write a slot such as 06:00-09:30 or, over midnight, 22:00-06:00; a day ends at 24:00")
	errEmpty = errors.New("it ends when it begins: for the whole day leave it out, or write 00:00-24:00")
)

// ParseSlot reads a time slot. What is wrong with one it says without the slot.
func ParseSlot(text string) (s Slot, err error) {
	m := slotForm.FindStringSubmatch(text)
	if m == nil {
		return s, errForm
	}
	minute := func(h, m string) int { return (int(h[0]-'0')*10+int(h[1]-'0'))*60 + int(m[0]-'0')*10 + int(m[1]-'0') }
	s = Slot{minute(m[1], m[2]), minute(m[3]+m[5], m[4]+m[6])}
	switch {
	case s.from == s.to:
		return s, errEmpty
	case s.to < s.from:
		s.to += MinutesOfDay
	}
	return s, nil
}

// Of is the set of some slots on some days; nil: on every day, the whole day. A slot over midnight is of the day on which it begins.
func Of(days []string, slots []Slot) *Set {
	set := &Set{}
	if days == nil {
		days = Days
	}
	if slots == nil {
		slots = []Slot{{0, MinutesOfDay}}
	}
	for _, d := range days {
		begin := max(slices.Index(Days, d), 0) * MinutesOfDay
		for _, s := range slots {
			set.Add(begin+s.from, begin+s.to)
		}
	}
	return set
}

// Parse reads days and slots as people write them, with commas between: "mon,tue" and "06:00-09:30,16:00-18:00"; "": all.
func Parse(days, times string) (*Set, error) {
	var on []string
	var slots []Slot
	for _, d := range listed(days) {
		if !slices.Contains(Days, d) {
			return nil, fmt.Errorf("days: %.20q: the days are %s, with commas between", d, strings.Join(Days, ", "))
		}
		on = append(on, d)
	}
	for _, text := range listed(times) {
		s, err := ParseSlot(text)
		if err != nil {
			return nil, fmt.Errorf("times: %.20q: %w", text, err)
		}
		slots = append(slots, s)
	}
	return Of(on, slots), nil
}

func listed(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
