package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"gated/ledger"
	"gated/policy"
	"gated/register"
)

// Openings pairs each time that a relay was switched on with the entry of the ledger that it belongs to: one pulse for one
// admit, and no other but while the emergency key holds the lane open; and each press of that key with its entry.
type Openings struct {
	// Slacks are how far a busy machine may be behind: the relay's stamp is of the moment at which it got to read, the
	// entry's of the one at which it was written. What fits with less of it goes first, or else a pulse would take the
	// switching of the next one.
	Slacks []time.Duration

	Lost Losses

	admits    map[int64]admit // by seq: without the entry of their opening so far
	takenBack map[int64]bool  // admits, by corrections
	announced map[string]bool // passages of the emergency key that the gate printed
	lanes     map[string]*lane
	wrong     []string // what does not fit
}

// Losses are entries that something happened without, and openings that did not happen although they have an entry.
type Losses struct{ Entries, Openings int }

// Count is what was found on a lane.
type Count struct {
	Passages, Failed, Dropped int // pulses
	Held, Pressed             int // by the emergency key
	Allowed, Demanded         int // switchings, by entries
}

const (
	emergencyKey = "emergency-key" // reason and rule of its entries

	// begins is how long after its verdict a pulse may begin. It is not taken from the gate, so that both cannot be wrong together.
	begins = 2 * time.Second

	// readsLate is how long a relay that answers nothing may take to read what it was sent.
	readsLate = 200 * time.Millisecond
)

type admit struct {
	at      time.Time
	lane    string
	passage string
}

// pulse is an admit with the entry of what became of its opening.
type pulse struct {
	admit
	admitted int64 // entry
	seq      int64 // the opening's
	end      time.Time
	reason   string
}

// key is an entry of the emergency key, or of the closing that ends what it opened.
type key struct {
	at      time.Time
	seq     int64
	passage string
	closing bool
}

// lane is what the entries say about one lane.
type lane struct {
	Count
	pulses []pulse
	keys   []key
	held   []Span
}

// NewOpenings returns what judges lanes, before it has seen anything.
func NewOpenings(lanes ...string) *Openings {
	o := &Openings{Slacks: []time.Duration{time.Millisecond, 50 * time.Millisecond, time.Second},
		admits: map[int64]admit{}, takenBack: map[int64]bool{}, announced: map[string]bool{}, lanes: map[string]*lane{}}
	for _, l := range lanes {
		o.lanes[l] = &lane{}
	}
	return o
}

func (o *Openings) fault(format string, args ...any) {
	o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
}

// Say takes a line of the gate: the key may also be pressed by somebody on the page, of whom no Press is noted.
func (o *Openings) Say(a Answer) {
	if a.Rule == emergencyKey {
		o.announced[a.Passage] = true
	}
}

// Count is what was found on a lane, by Judge.
func (o *Openings) Count(lane string) Count { return o.lanes[lane].Count }

// Entry takes the next entry of the ledger.
func (o *Openings) Entry(e *ledger.Entry) {
	if e.Kind == register.Correction {
		o.takenBack[e.Ref] = true
	}
	l := o.lanes[e.Lane]
	switch {
	case l == nil:
	case e.Kind == register.Decided && e.Verdict == policy.Admit && e.Rule != emergencyKey:
		o.admits[e.Seq] = admit{e.At, e.Lane, e.Passage}
	case e.Kind == register.Opening && e.Reason == emergencyKey, e.Kind == register.CloseByHand:
		l.keys = append(l.keys, key{e.At, e.Seq, e.Passage, e.Kind == register.CloseByHand})
	case e.Kind == register.Opening:
		a, is := o.admits[e.Ref]
		if delete(o.admits, e.Ref); !is || a.lane != e.Lane {
			o.fault("entry %d: an opening of lane %s for entry %d, which is no admit there, or one that was opened for before",
				e.Seq, e.Lane, e.Ref)
			return
		}
		l.pulses = append(l.pulses, pulse{a, e.Ref, e.Seq, e.At, e.Reason})
	}
}

// Judge is called once, after all entries. It returns what does not fit.
func (o *Openings) Judge(runs []*Run, relays map[string]*Relay) (wrong []string) {
	missing := map[string]int{} // entries, by lane
	may := map[string][]claim{}
	for _, seq := range slices.Sorted(maps.Keys(o.admits)) {
		c, is, lost := o.unopened(seq, runs)
		if lane := o.admits[seq].lane; is {
			may[lane] = append(may[lane], c)
		} else if lost {
			missing[lane]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.lanes)) {
		l, relay := o.lanes[name], relays[name]
		if relay == nil {
			relay = &Relay{}
		}
		missing[name] += o.pressed(name, runs)
		o.keys(name, runs)
		byKey := o.byEmergencyKey(name, relay, runs)
		l.Held = len(l.held)
		byAdmit, must := o.byAdmit(name, relay, runs)
		all := slices.Concat(may[name], byKey, byAdmit)
		l.Allowed, l.Demanded = len(all), len(must)

		left := relay.Switched
		for _, slack := range o.Slacks {
			left, all = pair(left, all, slack)
		}
		for _, t := range left {
			o.fault("lane %s was opened at %s, and no entry says why", name, t.Format("15:04:05.000000"))
		}
		o.Lost.Entries += max(missing[name], len(left)) // what is missing may be why the relay was switched
		_, idle := pair(relay.Switched, must, o.Slacks[len(o.Slacks)-1])
		o.Lost.Openings += len(idle)
		for _, c := range idle {
			o.fault("entry %d: lane %s was opened, and its relay was not switched on", c.seq, name)
		}
	}
	return o.wrong
}

// run is the one of a moment.
func run(runs []*Run, at time.Time) *Run {
	for _, r := range runs {
		if r.at(at) {
			return r
		}
	}
	return nil
}

// unopened is what an admit answers for that has no entry of its opening, if anything; lost: it must have one.
func (o *Openings) unopened(seq int64, runs []*Run) (c claim, is, lost bool) {
	a := o.admits[seq]
	r := run(runs, a.at)
	if r == nil {
		o.fault("entry %d: no gate ran then", seq)
		return c, false, false
	}
	told := r.Told[a.passage]
	switch {
	case o.takenBack[seq] && !told.IsZero():
		o.fault("entry %d: an admit that lane %s was told was taken back", seq, a.lane)
		return c, false, false
	case o.takenBack[seq], !r.Killed && r.Told != nil && told.IsZero(): // its commit failed: the lane was told of a fault
		return c, false, false
	case !r.Killed:
		o.fault("entry %d: an admit on lane %s, and no entry says what became of its opening", seq, a.lane)
		return c, false, true
	}
	return o.claim(pulse{admit: a, admitted: seq}, r), true, false
}

// claim is the switching that an admit answers for. It began within the time that a verdict is good for.
func (o *Openings) claim(p pulse, r *Run) claim {
	c := claim{from: r.durable(p.at), until: r.Until, seq: cmp.Or(p.seq, p.admitted)}
	if told := r.Told[p.passage]; !told.IsZero() && before(told.Add(begins), c.until) {
		c.until = told.Add(begins)
	}
	if p.seq > 0 && before(p.end, c.until) {
		c.until = p.end
	}
	return c
}

// byAdmit are the switchings that the admits of a lane answer for whose opening is on record, and those of them that must
// have been.
func (o *Openings) byAdmit(name string, relay *Relay, runs []*Run) (may, must []claim) {
	l := o.lanes[name]
	slices.SortFunc(l.pulses, func(a, b pulse) int { return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.seq, b.seq)) })
	disturbed := o.disturbed(name, relay, runs)
	var before time.Time // the end of the pulse before: a lane's pulses come one after the other
	for _, p := range l.pulses {
		r := run(runs, p.at)
		switch {
		case r == nil:
			o.fault("entry %d: no gate ran then", p.admitted)
			continue
		case o.takenBack[p.admitted]:
			o.fault("entry %d: an opening of lane %s for entry %d, which was taken back", p.seq, name, p.admitted)
			continue
		}
		c := o.claim(p, r)
		c.follow = before
		switch p.reason {
		case "pulse":
			l.Passages++
			// A pulse on a lane that is held open switches nothing, and one that the guard has overtaken may not have begun.
			end := p.end
			if relay.Mute {
				end = end.Add(readsLate)
			}
			if !anyMeets(disturbed, p.at, end) && (r.Ending.IsZero() || !end.After(r.Ending)) {
				must = append(must, c)
			}
		case "pulse-failed": // it may have been switched before the relay fell silent
			l.Failed++
			if slices.ContainsFunc(relay.Unplugged, func(s Span) bool { return s.covers(p.at, p.end) }) {
				before = p.end
				continue
			}
		case "pulse-dropped": // not begun, so it is not known when its turn would have been
			l.Dropped++
			continue
		default:
			o.fault("entry %d: an opening with the reason %q", p.seq, p.reason)
			continue
		}
		before = p.end
		may = append(may, c)
	}
	return may, must
}

// disturbed are the times at which a pulse of a lane need not switch its relay, by what is known of relay and guard.
func (o *Openings) disturbed(name string, relay *Relay, runs []*Run) []Span {
	spans := slices.Clone(relay.Faulty)
	for _, r := range runs {
		for _, p := range r.Presses {
			if p.Lane != name {
				continue
			}
			spans = append(spans, p.Span)
			if !p.Closing && p.Answered {
				spans = append(spans, Span{p.From, r.closed(name, p.From)})
			}
		}
	}
	const stamps = time.Second // of entries, on a busy machine
	for _, h := range o.lanes[name].held {
		spans = append(spans, Span{h.From.Add(-stamps), plus(h.Until, stamps)})
	}
	return merged(spans)
}
