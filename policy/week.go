package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A week has so many minutes. They are counted from Monday 00:00, by the clock on the wall: where a clock change repeats an
// hour, what holds in it holds twice, and an hour that is left out holds nothing.
const (
	minutesOfDay  = 24 * 60
	minutesOfWeek = 7 * minutesOfDay
)

// weekdays are the words of the fact weekday, in the order of the week.
var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// week is a set of minutes of the week.
type week [(minutesOfWeek + 63) / 64]uint64

// MinuteOfWeek is the minute of the week of a time, in its own zone, for Facts.
func MinuteOfWeek(t time.Time) int {
	return (int(t.Weekday())+6)%7*minutesOfDay + t.Hour()*60 + t.Minute()
}

func (w *week) has(minute int) bool { return w[minute/64]>>(minute%64)&1 == 1 }

// add adds minutes; those beyond the end are of the week's beginning.
func (w *week) add(from, to int) {
	for m := from; m < to; m++ {
		n := m % minutesOfWeek
		w[n/64] |= 1 << (n % 64)
	}
}

// clockTime names a minute of the week as people do.
func clockTime(minute int) string {
	minute = min(max(minute, 0), minutesOfWeek-1)
	return fmt.Sprintf("%s %02d:%02d", weekdays[minute/minutesOfDay], minute%minutesOfDay/60, minute%60)
}

// slotForm is a time slot: from its first minute up to its end, which belongs to what comes next.
var slotForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00))$`)

// slot reads a time slot as minutes of a day; the end of one over midnight is of the next day.
func (p *parser) slot(n *yaml.Node, where string) (from, to int) {
	m := slotForm.FindStringSubmatch(n.Value)
	if m == nil {
		p.fault(n, where, "time: %s: write a slot such as 06:00-09:30 or, over midnight, 22:00-06:00; a day ends at 24:00", quote(n.Value))
		return 0, 0
	}
	minute := func(h, m string) int { return (int(h[0]-'0')*10+int(h[1]-'0'))*60 + int(m[0]-'0')*10 + int(m[1]-'0') }
	from, to = minute(m[1], m[2]), minute(m[3]+m[5], m[4]+m[6])
	switch {
	case from == to:
		p.fault(n, where, "time: %s ends when it begins: for the whole day leave the line out, or write 00:00-24:00", quote(n.Value))
	case to < from:
		to += minutesOfDay
	}
	return from, to
}

// when of the week a rule counts. A slot over midnight is of the weekday on which it begins.
func (p *parser) week(days, slots *yaml.Node, where string) Condition {
	c := Condition{Fact: "weekday", fact: timeOfWeek, week: &week{}}
	on := weekdays
	if days != nil {
		on = p.list(days, where+": weekday", func(n *yaml.Node) { p.among(n, where, "weekday", weekdays) })
		c.Is = slices.Clone(on)
	}
	type span struct{ from, to int }
	spans := []span{{0, minutesOfDay}}
	if slots != nil {
		spans = nil
		c.Fact = "time"
		c.at = p.list(slots, where+": time", func(n *yaml.Node) {
			from, to := p.slot(n, where)
			spans = append(spans, span{from, to})
		})
		if days != nil {
			c.Fact = "weekday and time"
		}
	}
	for _, d := range on {
		begin := max(slices.Index(weekdays, d), 0) * minutesOfDay
		for _, s := range spans {
			c.week.add(begin+s.from, begin+s.to)
		}
	}
	return c
}

// wording is the condition as a person reads it: `sat or sun, 22:00-06:00`.
func (c *Condition) wording() string {
	var parts []string
	for _, words := range [][]string{c.Is, c.at} {
		if len(words) > 0 {
			parts = append(parts, strings.Join(words, " or "))
		}
	}
	return strings.Join(parts, ", ")
}
