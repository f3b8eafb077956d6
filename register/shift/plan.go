package shift

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Plan is when shifts change, in minutes of the day, as the settings say; nil: nobody has planned it.
type Plan []int

// mostChanges is how many changes a day has at most.
const mostChanges = 8

var timeForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$`)

// ParsePlan reads times such as 07:00 and 19:00.
func ParsePlan(times []string) (p Plan, err error) {
	for _, text := range times {
		m := timeForm.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("%.20q is no time of a day: write it as 07:00", text)
		}
		at := int(m[1][0]-'0')*600 + int(m[1][1]-'0')*60 + int(m[2][0]-'0')*10 + int(m[2][1]-'0')
		if len(p) > 0 && at <= p[len(p)-1] {
			return nil, fmt.Errorf("%q is not after the time before it: write them in the order of the day, each once", text)
		}
		p = append(p, at)
	}
	if len(p) > mostChanges {
		return nil, errors.New("a day has at most 8 changes of shift")
	}
	return p, nil
}

// early is how long before a change somebody signs on who is of the shift that begins with it, at most.
const early = time.Hour

// Ends is when the shift is to end, in a zone; zero: nobody has planned it, or nobody is on duty. Whoever is there after that, and said
// so, stays to the next change.
func (p Plan) Ends(s *Shift, zone *time.Location) (end time.Time) {
	if len(p) == 0 || len(s.Guards) == 0 {
		return end
	}
	since := s.Since.In(zone)
	if end = p.after(since); end.Sub(since) <= early {
		end = p.after(end)
	}
	if here := s.Here.In(zone); !here.Before(end) {
		end = p.after(here)
	}
	return end
}

// after is the first change after a time, in its own zone.
func (p Plan) after(t time.Time) time.Time {
	var all []time.Time
	for day := range 3 { // one of them may be left out where the clock is changed
		for _, at := range p {
			change := time.Date(t.Year(), t.Month(), t.Day()+day, at/60, at%60, 0, 0, t.Location())
			if change.After(t) {
				all = append(all, change)
			}
		}
	}
	return slices.MinFunc(all, time.Time.Compare)
}
