package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"gated/ledger"
	"gated/policy"
)

// openings pairs each time that a relay was switched on with the entry of the ledger that it belongs to: one pulse for one
// admit, and no other but while the emergency key holds the lane open.
type openings struct {
	admits map[int64]admitted // by seq: without the entry of their opening so far
	lanes  map[string]*opened
	wrong  []string // what does not fit
}

type admitted struct {
	lane string
	at   time.Time
}

// opened is what the ledger says about the barrier of one lane.
type opened struct {
	pulses, failed []span // a failed one may have been switched before the relay fell silent
	dropped        int
	held           []span // by the emergency key
	until          time.Time
}

// span is the time within which something was switched.
type span struct {
	from, until time.Time
	seq         int64
	used        bool
}

// The relay's word and the entry's stamp are taken one after the other; where the machine is busy, not at once. What fits
// without any slack goes first, or else a pulse would take the switching of the next one.
var slacks = []time.Duration{time.Millisecond, 50 * time.Millisecond, time.Second}

const longest = time.Minute // more than a pulse waits and takes

func newOpenings(lanes ...string) *openings {
	o := &openings{admits: map[int64]admitted{}, lanes: map[string]*opened{}}
	for _, lane := range lanes {
		o.lanes[lane] = &opened{}
	}
	return o
}

func (o *openings) fault(format string, args ...any) {
	o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
}

// entry takes the next entry of the ledger.
func (o *openings) entry(e *ledger.Entry) {
	l := o.lanes[e.Lane]
	switch {
	case l == nil:
	case e.Kind == ledger.Register && e.Verdict == policy.Admit && e.Rule != "emergency-key":
		o.admits[e.Seq] = admitted{e.Lane, e.At}
	case e.Kind == ledger.Opening && e.Reason == "emergency-key":
		l.held = append(l.held, span{from: e.At, seq: e.Seq})
	case e.Kind == ledger.CloseByHand:
		if n := len(l.held); n > 0 && l.held[n-1].until.IsZero() {
			l.held[n-1].until = e.At
		}
	case e.Kind == ledger.Opening:
		a, is := o.admits[e.Ref]
		if delete(o.admits, e.Ref); !is || a.lane != e.Lane {
			o.fault("entry %d: an opening of lane %s for entry %d, which is no admit there, or one that was opened for before", e.Seq, e.Lane, e.Ref)
			return
		}
		// A lane's pulses come one after the other: this one began when the one before had ended.
		s := span{from: a.at, until: e.At, seq: e.Seq}
		if l.until.After(s.from) {
			s.from = l.until
		}
		switch e.Reason {
		case "pulse":
			l.pulses = append(l.pulses, s)
		case "pulse-failed":
			l.failed = append(l.failed, s)
		case "pulse-dropped": // not begun, so it is not known when its turn would have been
			l.dropped++
			return
		default:
			o.fault("entry %d: an opening with the reason %q", e.Seq, e.Reason)
			return
		}
		if e.At.After(l.until) {
			l.until = e.At
		}
	}
}

// pair is called at the end with the moments at which each lane's relay was switched on.
func (o *openings) pair(switched map[string][]time.Time) (wrong []string) {
	for _, seq := range slices.Sorted(maps.Keys(o.admits)) {
		o.fault("entry %d: an admit on lane %s, and no entry says what became of its opening", seq, o.admits[seq].lane)
	}
	for _, lane := range slices.Sorted(maps.Keys(o.lanes)) {
		l := o.lanes[lane]
		left := slices.Clone(switched[lane])
		for _, slack := range slacks {
			left = take(take(left, l.pulses, slack), l.failed, slack)
			left = slices.DeleteFunc(left, func(t time.Time) bool {
				return slices.ContainsFunc(l.held, func(h span) bool { return h.holds(t, slack) })
			})
		}
		for _, t := range left {
			o.fault("lane %s was opened at %s, and no entry says why", lane, t.Format("15:04:05.000000"))
		}
		for _, s := range l.pulses {
			// A pulse on a lane that is held open switches nothing.
			if !s.used && !slices.ContainsFunc(l.held, func(h span) bool { return h.meets(s) }) {
				o.fault("entry %d: lane %s was opened, and its relay was not switched on", s.seq, lane)
			}
		}
	}
	return o.wrong
}

// take gives each moment the span that it lies in and that ends first, and returns the moments that are left.
func take(moments []time.Time, spans []span, slack time.Duration) (left []time.Time) {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.until.Compare(b.until), cmp.Compare(a.seq, b.seq)) })
	first := 0
	for _, t := range moments {
		for first < len(spans) && (spans[first].used || spans[first].until.Add(slack).Before(t)) {
			first++
		}
		found := false
		for i := first; i < len(spans) && !found; i++ {
			if spans[i].until.Add(-longest).After(t) {
				break // none of the later ones began so early
			}
			if !spans[i].used && spans[i].holds(t, slack) {
				spans[i].used, found = true, true
			}
		}
		if !found {
			left = append(left, t)
		}
	}
	return left
}

func (s span) holds(t time.Time, slack time.Duration) bool {
	return !t.Before(s.from.Add(-slack)) && (s.until.IsZero() || !t.After(s.until.Add(slack)))
}

func (s span) meets(other span) bool {
	return !other.until.Before(s.from.Add(-time.Second)) && (s.until.IsZero() || !other.from.After(s.until.Add(time.Second)))
}
