package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/policy/week"

	"go.yaml.in/yaml/v3"
)

// MinuteOfWeek is the minute of the week of a time, in its own zone, for Facts.
func MinuteOfWeek(t time.Time) int { return week.Minute(t) }

// clockTime names a minute of the week as people do.
func clockTime(minute int) string {
	minute = min(max(minute, 0), week.Minutes-1)
	return fmt.Sprintf("%s %02d:%02d", week.Days[minute/week.MinutesOfDay], minute%week.MinutesOfDay/60, minute%60)
}

// slot reads a time slot.
func (p *parser) slot(n *yaml.Node, where string) week.Slot {
	s, err := week.ParseSlot(n.Value)
	if err != nil {
		p.fault(n, where, "time: %s: %s", quote(n.Value), err)
	}
	return s
}

// when of the week a rule counts.
func (p *parser) week(days, slots *yaml.Node, where string) Condition {
	c := Condition{Fact: "weekday", fact: timeOfWeek}
	if days != nil {
		c.Is = slices.Clone(p.list(days, where+": weekday", func(n *yaml.Node) { p.among(n, where, "weekday", week.Days) }))
	}
	var spans []week.Slot
	if slots != nil {
		c.Fact = "time"
		c.at = p.list(slots, where+": time", func(n *yaml.Node) { spans = append(spans, p.slot(n, where)) })
		if days != nil {
			c.Fact = "weekday and time"
		}
	}
	c.week = week.Of(c.Is, spans)
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
