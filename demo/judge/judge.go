// Package judge compares what a gate said, and what its relays did, with what its ledger has.
//
// It knows nothing of how the gate works: the soak judges a daemon by it, and the interlock test of package gate a gate
// that is killed and whose disk fails.
package judge

import (
	"cmp"
	"slices"
	"time"
)

// Run is one life of the gate's process.
type Run struct {
	From, Until time.Time // zero: before, or after, all that is judged
	Ending      time.Time // it was told to end, or killed; zero: as Until
	Killed      bool      // what it was about to write may be nowhere

	Told    map[string]time.Time // passages of whose admit the lane was told, and when; nil: of all
	Commits []Span               // to the disk, one after the other; nil: nobody knows
	Presses []Press              // in the order in which they were answered
}

// Press is a press of the emergency key, or of the one that closes what it opened.
type Press struct {
	Span     // from when it was pressed until that was answered, or the process ended
	Lane     string
	Closing  bool
	Answered bool
	Passage  string // with which an opening was answered
}

// Relay is what happened to the relay of a lane.
type Relay struct {
	Switched  []time.Time // on, in order
	Faulty    []Span      // it may not have done what it confirmed
	Unplugged []Span
	Plugged   []time.Time // and off since then, until it is told again
	Mute      bool        // it never answers, and may read late what it was sent
}

// Span is a time during which something was so; a zero Until is not over.
type Span struct{ From, Until time.Time }

func (s Span) meets(from, until time.Time) bool {
	return !s.From.After(until) && (s.Until.IsZero() || !s.Until.Before(from))
}

func (s Span) covers(from, until time.Time) bool {
	return !s.From.After(from) && (s.Until.IsZero() || !s.Until.Before(until))
}

// merged puts spans that meet together, and all in order.
func merged(spans []Span) (all []Span) {
	slices.SortFunc(spans, func(a, b Span) int { return a.From.Compare(b.From) })
	for _, s := range spans {
		if n := len(all) - 1; n >= 0 && all[n].meets(s.From, s.From) {
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

// anyMeets tells whether one of merged spans meets a time.
func anyMeets(spans []Span, from, until time.Time) bool {
	i, found := slices.BinarySearchFunc(spans, from, func(s Span, t time.Time) int { return s.From.Compare(t) })
	return found || i > 0 && spans[i-1].meets(from, until) || i < len(spans) && spans[i].meets(from, until)
}

func (r *Run) at(t time.Time) bool { return Span{r.From, r.Until}.covers(t, t) }

// durable is a moment before which nothing that was decided at the given one could be on the disk: the end of the first
// commit that began since.
func (r *Run) durable(at time.Time) time.Time {
	i, _ := slices.BinarySearchFunc(r.Commits, at, func(s Span, t time.Time) int { return s.From.Compare(t) })
	if i < len(r.Commits) {
		return r.Commits[i].Until
	}
	return at
}

// closed is when what was opened on a lane at a time was closed again, or the process ended.
func (r *Run) closed(lane string, at time.Time) time.Time {
	until := r.Until
	for _, p := range r.Presses {
		if p.Closing && p.Lane == lane && p.Until.After(at) && before(p.Until, until) {
			until = p.Until
		}
	}
	return until
}

// before tells whether t is before until, which may be zero: never.
func before(t, until time.Time) bool { return until.IsZero() || t.Before(until) }

// claim is one switching that an entry answers for.
type claim struct {
	from   time.Time
	follow time.Time // the pulse before ended then: this one began later, as far as its stamp can be believed
	until  time.Time // zero: open
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

// pair gives moments, which are in order, a claim each, and no claim to two. There is no way to pair more of them: of the
// claims that a moment could have it gets the one that ends first. It returns what is left of both.
//
// Where all moments can be paired with claims, and some of the claims all with moments, one pairing does both (Mendelsohn
// and Dulmage, 1958): so the two questions may be asked one after the other.
func pair(moments []time.Time, claims []claim, slack time.Duration) (left []time.Time, idle []claim) {
	coming := slices.SortedFunc(slices.Values(claims), func(a, b claim) int {
		return cmp.Or(a.begins(slack).Compare(b.begins(slack)), cmp.Compare(a.seq, b.seq))
	})
	var open []claim // that a moment could have
	for _, m := range moments {
		for len(coming) > 0 && !coming[0].begins(slack).After(m) {
			open, coming = append(open, coming[0]), coming[1:]
		}
		best := -1
		stay := open[:0]
		for _, c := range open {
			if c.over(m, slack) {
				idle = append(idle, c)
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
	return left, append(append(idle, open...), coming...)
}
