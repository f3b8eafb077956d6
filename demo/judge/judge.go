// Package judge compares the answers of a gate, and what its relays did, with the entries of its ledger.
//
// It knows nothing of how the gate works. The soak judges a daemon with it, and the interlock test of package gate judges a gate
// that is killed and whose disk fails.
package judge

import (
	"cmp"
	"slices"
	"time"
)

// Run is one life of the gate's process.
type Run struct {
	From, Until time.Time // zero: it began before, or ended after, all that is judged
	Ending      time.Time // when it was told to end, or killed; zero: the same as Until
	Killed      bool      // what it was about to write may be lost

	Admitted map[string]time.Time // when the lane got the answer admit, by passage; nil: every admit was answered
	Commits  []Span               // to the disk, in order; nil: unknown
	Presses  []Press              // in the order in which they were answered
}

// Press is a press of the emergency key, or of the key that closes the lane again.
type Press struct {
	Span     // from the press until its answer, or until the process ended
	Lane     string
	Closing  bool
	Answered bool
	Passage  string // in the answer to the emergency key
}

// Relay is what happened to the relay of a lane.
type Relay struct {
	Switched  []time.Time // on, in order
	Faulty    []Span      // when it may not have done what it confirmed
	Unplugged []Span
	Plugged   []time.Time // from then on it is off until it gets a command
	Mute      bool        // it never answers, and may read its commands late
}

// Span is a time span; with a zero Until it has no end.
type Span struct{ From, Until time.Time }

func (s Span) overlaps(from, until time.Time) bool {
	return !s.From.After(until) && (s.Until.IsZero() || !s.Until.Before(from))
}

func (s Span) covers(from, until time.Time) bool {
	return !s.From.After(from) && (s.Until.IsZero() || !s.Until.Before(until))
}

// merged sorts spans, and joins those that overlap.
func merged(spans []Span) (all []Span) {
	slices.SortFunc(spans, func(a, b Span) int { return a.From.Compare(b.From) })
	for _, s := range spans {
		if n := len(all) - 1; n >= 0 && all[n].overlaps(s.From, s.From) {
			if all[n].Until.IsZero() || !s.Until.IsZero() && s.Until.Before(all[n].Until) {
				continue
			}
			all[n].Until = s.Until
			continue
		}
		all = append(all, s)
	}
	return all
}

// anyOverlaps tells whether one of the spans, which are merged, overlaps a time.
func anyOverlaps(spans []Span, from, until time.Time) bool {
	i, found := slices.BinarySearchFunc(spans, from, func(s Span, t time.Time) int { return s.From.Compare(t) })
	return found || i > 0 && spans[i-1].overlaps(from, until) || i < len(spans) && spans[i].overlaps(from, until)
}

func (r *Run) at(t time.Time) bool { return Span{r.From, r.Until}.covers(t, t) }

// durable is the earliest time at which a decision of the given time can be on the disk: the end of the first commit that began
// after it.
func (r *Run) durable(at time.Time) time.Time {
	i, _ := slices.BinarySearchFunc(r.Commits, at, func(s Span, t time.Time) int { return s.From.Compare(t) })
	if i < len(r.Commits) {
		return r.Commits[i].Until
	}
	return at
}

// closed is when a lane that was opened at a time was closed again, or the process ended.
func (r *Run) closed(lane string, at time.Time) time.Time {
	until := r.Until
	for _, p := range r.Presses {
		if p.Closing && p.Lane == lane && p.Until.After(at) && before(p.Until, until) {
			until = p.Until
		}
	}
	return until
}

// before tells whether t is before until; a zero until means never.
func before(t, until time.Time) bool { return until.IsZero() || t.Before(until) }

// claim is one switching of a relay that an entry explains.
type claim struct {
	from   time.Time
	follow time.Time // the end of the pulse before: this one began later, as far as the time stamps are exact
	until  time.Time // zero: no limit
	seq    int64
}

func (c claim) begins(slack time.Duration) time.Time {
	if t := c.follow.Add(-slack); t.After(c.from) {
		return t
	}
	return c.from
}

func (c claim) over(t time.Time, slack time.Duration) bool {
	return !c.until.IsZero() && c.until.Add(slack).Before(t)
}

// pair matches moments, which are in order, with claims, one to one, and returns those of both that have no partner. Each moment
// gets, of the claims that fit it, the one that ends first; no other method pairs more of them.
//
// If all moments can be paired with claims, and all claims of some subset with moments, then one pairing does both (Mendelsohn
// and Dulmage, 1958). So the two may be tested one after the other.
func pair(moments []time.Time, claims []claim, slack time.Duration) (left []time.Time, unpaired []claim) {
	coming := slices.SortedFunc(slices.Values(claims), func(a, b claim) int {
		return cmp.Or(a.begins(slack).Compare(b.begins(slack)), cmp.Compare(a.seq, b.seq))
	})
	var open []claim // those that fit the moment
	for _, m := range moments {
		for len(coming) > 0 && !coming[0].begins(slack).After(m) {
			open, coming = append(open, coming[0]), coming[1:]
		}
		best := -1
		stay := open[:0]
		for _, c := range open {
			if c.over(m, slack) {
				unpaired = append(unpaired, c)
				continue
			}
			stay = append(stay, c)
			if best < 0 || !c.until.IsZero() && before(c.until, stay[best].until) {
				best = len(stay) - 1
			}
		}
		if open = stay; best < 0 {
			left = append(left, m)
			continue
		}
		open = slices.Delete(open, best, best+1)
	}
	return left, append(append(unpaired, open...), coming...)
}
