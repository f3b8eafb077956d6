package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"gated/gate"
	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// openings pairs each time that a relay was switched on with the entry of the ledger that it belongs to: one pulse for one
// admit, and no other but while the emergency key holds the lane open; and each press of that key with its entry. Presses
// and closings are handed in while the demo plays, the entries at its end.
type openings struct {
	admits map[int64]admitted // by seq: without the entry of their opening so far
	lanes  map[string]*opened
	wrong  []string // what does not fit
	lost   losses

	mu sync.Mutex // guards presses, closings and closed of the lanes while the demo plays
}

// losses are entries that something happened without, and openings that did not happen although they have an entry.
type losses struct{ entries, openings int }

const emergencyKey = "emergency-key" // reason and rule of its entries

type admitted struct {
	lane string
	at   time.Time
}

// opened is what the ledger says about the barrier of one lane.
type opened struct {
	pulses, failed []span // a failed one may have been switched before the relay fell silent
	dropped        int
	until          time.Time

	keys     []key             // entries of the emergency key, and of closings
	presses  map[string]*press // by the passage that the gate answered with, or told of
	pressed  int               // so many times, with those that only repeated the one before
	closings int               // that were answered
	closed   time.Time         // the latest of them was asked for
	held     []span            // by the emergency key, as the entries say
}

// key is an entry of the emergency key, or of the closing that ends what it opened.
type key struct {
	at      time.Time
	seq     int64
	passage string
	closing bool
}

// press is an opening by the emergency key.
type press struct {
	answered bool // to the demo's guard; else somebody else pressed it, on the page
	closed   bool
	entries  int
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
		o.lanes[lane] = &opened{presses: map[string]*press{}}
	}
	return o
}

func (o *openings) fault(format string, args ...any) {
	o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
}

// say takes what the gate told: whoever presses the key on the page is none of the demo's guards.
func (o *openings) say(out gate.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.lanes[out.Lane]; l != nil && out.Rule == emergencyKey && l.presses[out.Passage] == nil {
		l.presses[out.Passage] = &press{}
	}
}

// press takes how the gate answered a press of the emergency key. While the lane is held open that repeats the one before.
func (o *openings) press(lane string, out gate.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[lane]
	p := l.presses[out.Passage]
	if p == nil {
		p = &press{}
		l.presses[out.Passage] = p
	}
	if l.pressed++; p.closed {
		o.lost.entries++
		o.fault("lane %s: the emergency key was answered with passage %s, which was closed before", lane, out.Passage)
	}
	p.answered = true
}

// close takes that the gate answered a closing, which was asked for at a time.
func (o *openings) close(lane string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[lane]
	l.closings, l.closed = l.closings+1, at
	for _, p := range l.presses {
		p.closed = true
	}
}

// entry takes the next entry of the ledger.
func (o *openings) entry(e *ledger.Entry) {
	l := o.lanes[e.Lane]
	switch {
	case l == nil:
	case e.Kind == register.Decided && e.Verdict == policy.Admit && e.Rule != emergencyKey:
		o.admits[e.Seq] = admitted{e.Lane, e.At}
	case e.Kind == register.Opening && e.Reason == emergencyKey, e.Kind == register.CloseByHand:
		l.keys = append(l.keys, key{e.At, e.Seq, e.Passage, e.Kind == register.CloseByHand})
	case e.Kind == register.Opening:
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

// hold makes of the entries of the key when the lane was held open, and returns how many of them are not there.
func (o *openings) hold(lane string, l *opened) (missing int) {
	// What could not wait for its entry may have got it later than what came after.
	slices.SortFunc(l.keys, func(a, b key) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq)) })
	closings := 0
	var open *span
	for _, k := range l.keys {
		if k.closing {
			if closings++; open != nil {
				open.until, open = k.at, nil
			}
			continue
		}
		if open != nil {
			o.fault("entry %d: lane %s was opened by the emergency key, which held it open already since entry %d", k.seq, lane, open.seq)
			open.until = k.at
		}
		l.held = append(l.held, span{from: k.at, seq: k.seq})
		open = &l.held[len(l.held)-1]
		if p := l.presses[k.passage]; p == nil {
			o.fault("entry %d: lane %s was opened by the emergency key, which nobody pressed", k.seq, lane)
		} else if p.entries++; p.entries > 1 {
			o.fault("entry %d: lane %s was opened by the emergency key for passage %s, which has its entry", k.seq, lane, k.passage)
		}
	}
	if open != nil && open.from.Before(l.closed) {
		o.fault("entry %d: lane %s was opened by the emergency key and closed at %s, and no entry says so", open.seq, lane, l.closed.Format("15:04:05.000000"))
		open.until = l.closed
	}
	for _, passage := range slices.Sorted(maps.Keys(l.presses)) {
		if p := l.presses[passage]; p.answered && p.entries == 0 {
			missing++
			o.fault("lane %s was opened by the emergency key as passage %q, and no entry says so", lane, passage)
		}
	}
	if n := l.closings - closings; n > 0 {
		missing += n
		o.fault("lane %s was closed by hand %d times, and %d entries say so", lane, l.closings, closings)
	}
	return missing
}

// pair is called at the end with the moments at which each lane's relay was switched on.
func (o *openings) pair(switched map[string][]time.Time) (wrong []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	missing := map[string]int{} // entries, by lane
	for _, seq := range slices.Sorted(maps.Keys(o.admits)) {
		missing[o.admits[seq].lane]++
		o.fault("entry %d: an admit on lane %s, and no entry says what became of its opening", seq, o.admits[seq].lane)
	}
	for _, lane := range slices.Sorted(maps.Keys(o.lanes)) {
		l := o.lanes[lane]
		missing[lane] += o.hold(lane, l)
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
		o.lost.entries += max(missing[lane], len(left)) // what is missing may be why the relay was switched
		for _, s := range l.pulses {
			// A pulse on a lane that is held open switches nothing.
			if !s.used && !slices.ContainsFunc(l.held, func(h span) bool { return h.meets(s) }) {
				o.lost.openings++
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
