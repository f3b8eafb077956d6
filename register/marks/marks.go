// Package marks keeps who is exempt from a rule for a while, or watched.
package marks

import (
	"slices"
	"strings"
	"time"

	"gated/ledger"
	"gated/policy/week"
	"gated/register/blind"
)

// Reasons of a mark entry.
const (
	Exempt = "exempt" // rules ask for its word, such as dialysis
	Watch  = "watch"  // guards are to look closely (重点关注)
	Ended  = "ended"  // the one that the entry names
)

// remember is for how long those that have ended are kept, since the clock may be set back.
const remember = 40 * 24 * time.Hour

// Mark is an exemption of a person or a household, or that they are watched.
type Mark struct {
	Entry int64     `json:"entry"`
	What  string    `json:"what"` // Exempt or Watch
	Word  string    `json:"word"`
	Who   blind.Key `json:"who"` // of the roster ID or the household
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Days  string    `json:"days,omitempty"`  // on which it counts, and
	Times string    `json:"times,omitempty"` // when, as package week reads them; "": all
}

// List is never changed in place.
type List []Mark

// Marked is the list after a mark entry, as far as that can still be read.
func (l List) Marked(e *ledger.Entry, h blind.Hasher) List {
	l = slices.DeleteFunc(slices.Clone(l), func(m Mark) bool {
		return e.Reason == Ended && m.Entry == e.Ref || e.Clock == "trusted" && e.At.Sub(m.Until) > remember
	})
	from, _ := time.Parse(time.RFC3339, e.Detail["from"])
	until, _ := time.Parse(time.RFC3339, e.Detail["until"])
	if who, named := named(e, h); named && (e.Reason == Exempt || e.Reason == Watch) {
		l = append(l, Mark{e.Seq, e.Reason, e.Detail["word"], who, from, until, e.Detail["days"], e.Detail["times"]})
	}
	return l
}

// Left is the list once entries have lost personal fields: without those who are named no more.
func (l List) Left(left map[int64]*ledger.Entry, h blind.Hasher) List {
	return slices.DeleteFunc(slices.Clone(l), func(m Mark) bool {
		e := left[m.Entry]
		if e == nil {
			return false
		}
		who, is := named(e, h)
		return !is || who != m.Who
	})
}

// named is whom an entry marks.
func named(e *ledger.Entry, h blind.Hasher) (who blind.Key, is bool) {
	if who, is = h.Field(e, "subject"); !is {
		who, is = h.Field(e, "household")
	}
	return who, is
}

// counts tells whether it does at a time, in the gate's zone. Slots that cannot be read are none.
func (m *Mark) counts(at time.Time) bool {
	if at.Before(m.From) || !at.Before(m.Until) {
		return false
	}
	if m.Days == "" && m.Times == "" {
		return true
	}
	set, err := week.Parse(m.Days, m.Times)
	return err == nil && set.Has(week.Minute(at))
}

// Of are the words of a person's exemptions at a time, in the gate's zone, with spaces between, and whether they are watched; who are
// the keys of their roster ID and of their households.
func (l List) Of(at time.Time, who []blind.Key) (exempt string, watched bool) {
	var words []string
	for _, m := range l {
		if !slices.Contains(who, m.Who) || !m.counts(at) {
			continue
		}
		if watched = watched || m.What == Watch; m.What == Exempt && !slices.Contains(words, m.Word) {
			words = append(words, m.Word)
		}
	}
	return strings.Join(words, " "), watched
}
