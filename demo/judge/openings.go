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

// Openings matches each switching of a relay with the ledger entry that explains it: one pulse for each admit, and no others except
// while the emergency key, or a guard by hand, holds the lane open. It also matches each press of that key with its entry.
type Openings struct {
	// Slacks are tolerances for time stamps on a busy machine: the relay stamps when it reads its command, the ledger when it
	// writes the entry. They are tried from the smallest up, because a large one could pair a pulse with the switching of the
	// next.
	Slacks []time.Duration

	Lost Losses

	admits    map[int64]admit // by seq: those whose opening has no entry yet
	takenBack map[int64]bool  // admits that a correction has taken back
	announced map[string]bool // passages for which the gate printed an opening by the emergency key
	lanes     map[string]*lane
	wrong     []string // the mismatches
}

// Losses counts missing entries, and openings that have an entry and did not happen.
type Losses struct{ Entries, Openings int }

// Count is what was counted on a lane.
type Count struct {
	Passages, Failed, Dropped int // pulses
	Held, Pressed             int // by the emergency key
	Allowed, Demanded         int // switchings that the entries explain, and those that they require
}

const (
	emergencyKey = "emergency-key" // reason and rule of its entries

	// begins is how long after its verdict a pulse may begin. It is not imported from the gate, where the same error would hide itself.
	begins = 2 * time.Second

	// stamps is how far the time stamps of entries may be off on a busy machine.
	stamps = time.Second

	// readsLate is how long a relay that answers nothing may take to read a command.
	readsLate = 200 * time.Millisecond
)

type admit struct {
	at      time.Time
	lane    string
	passage string
}

// pulse is an admit together with the entry of its opening.
type pulse struct {
	admit
	admitted int64 // entry
	seq      int64 // the opening's
	end      time.Time
	reason   string
}

// key is the entry of an opening by the emergency key, or of the closing after it.
type key struct {
	at      time.Time
	seq     int64
	passage string
	closing bool
}

// lane is what the entries say about one lane.
type lane struct {
	Count
	pulses   []pulse
	keys     []key
	held     []Span
	standing []standing // by hand
}

// NewOpenings returns an Openings for some lanes that has seen nothing.
func NewOpenings(lanes ...string) *Openings {
	o := &Openings{Slacks: []time.Duration{time.Millisecond, 50 * time.Millisecond, time.Second},
		admits: map[int64]admit{}, takenBack: map[int64]bool{}, announced: map[string]bool{}, lanes: map[string]*lane{}}
	for _, l := range lanes {
		o.lanes[l] = &lane{}
	}
	return o
}

func (o *Openings) mismatch(format string, args ...any) {
	o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
}

// Answer takes the next answer of the gate. It matters for the emergency key, which a person may press on the page: of that there
// is no Press.
func (o *Openings) Answer(a Answer) {
	if a.Rule == emergencyKey {
		o.announced[a.Passage] = true
	}
}

// Count returns what Judge has counted on a lane.
func (o *Openings) Count(lane string) Count { return o.lanes[lane].Count }

// Entry takes the next entry of the ledger.
func (o *Openings) Entry(e *ledger.Entry) {
	if e.Kind == register.Correction && e.Reason != register.DidNotGoThrough { // that one was told, and opened
		o.takenBack[e.Ref] = true
	}
	l := o.lanes[e.Lane]
	switch {
	case l == nil:
	case e.Kind == register.Decided && e.Verdict == policy.Admit && e.Rule != emergencyKey && e.Reason != register.Corrected,
		e.Kind == register.Correction && e.Verdict == policy.Admit && e.Detail["override"] != "":
		o.admits[e.Seq] = admit{e.At, e.Lane, e.Passage}
	case e.Kind == register.Opening && e.Reason == emergencyKey, e.Kind == register.CloseByHand:
		l.keys = append(l.keys, key{e.At, e.Seq, e.Passage, e.Kind == register.CloseByHand})
	case e.Kind == register.ByHand:
		l.stand(e)
	case e.Kind == register.Opening:
		a, is := o.admits[e.Ref]
		if delete(o.admits, e.Ref); !is || a.lane != e.Lane {
			o.mismatch("entry %d: an opening of lane %s for entry %d, which is not an admit there, or has its opening already",
				e.Seq, e.Lane, e.Ref)
			return
		}
		l.pulses = append(l.pulses, pulse{a, e.Ref, e.Seq, e.At, e.Reason})
	}
}

// Judge is called once, after all entries. It returns the mismatches.
func (o *Openings) Judge(runs []*Run, relays map[string]*Relay) (wrong []string) {
	missing := map[string]int{} // entries, by lane
	may := map[string][]claim{}
	byHand := map[string][]claim{}
	for name := range o.lanes {
		relay := relays[name]
		if relay == nil {
			relay = &Relay{}
		}
		byHand[name] = o.byHand(name, relay, runs)
	}
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
		all := slices.Concat(may[name], byKey, byHand[name], byAdmit)
		l.Allowed, l.Demanded = len(all), len(must)

		left := relay.Switched
		for _, slack := range o.Slacks {
			left, all = pair(left, all, slack)
		}
		for _, t := range left {
			o.mismatch("lane %s was opened at %s, and no entry says why", name, t.Format("15:04:05.000000"))
		}
		o.Lost.Entries += max(missing[name], len(left)) // a missing entry may be the reason for a switching without one
		_, unpaired := pair(relay.Switched, must, o.Slacks[len(o.Slacks)-1])
		o.Lost.Openings += len(unpaired)
		for _, c := range unpaired {
			o.mismatch("entry %d: lane %s was opened, and its relay was not switched on", c.seq, name)
		}
	}
	return o.wrong
}

// run returns the run of a moment; nil: none.
func run(runs []*Run, at time.Time) *Run {
	for _, r := range runs {
		if r.at(at) {
			return r
		}
	}
	return nil
}

// unopened returns the claim of an admit whose opening has no entry, if it has a claim; lost tells that the entry must exist.
func (o *Openings) unopened(seq int64, runs []*Run) (c claim, is, lost bool) {
	a := o.admits[seq]
	r := run(runs, a.at)
	if r == nil {
		o.mismatch("entry %d: no gate ran then", seq)
		return c, false, false
	}
	told := r.Admitted[a.passage]
	switch {
	case o.takenBack[seq] && !told.IsZero():
		o.mismatch("entry %d: an admit that lane %s was told was taken back", seq, a.lane)
		return c, false, false
	case o.takenBack[seq], !r.Killed && r.Admitted != nil && told.IsZero(): // its commit failed: the lane was answered a fault
		return c, false, false
	case !r.Killed && o.lanes[a.lane].stands(a.at): // it got no pulse
		return c, false, false
	case !r.Killed:
		o.mismatch("entry %d: an admit on lane %s, and no entry says what became of its opening", seq, a.lane)
		return c, false, true
	}
	return o.claim(pulse{admit: a, admitted: seq}, r), true, false
}

// claim returns the switching that an admit explains. It must begin within the time for which a verdict is valid.
func (o *Openings) claim(p pulse, r *Run) claim {
	c := claim{from: r.durable(p.at), until: r.Until, seq: cmp.Or(p.seq, p.admitted)}
	if told := r.Admitted[p.passage]; !told.IsZero() && before(told.Add(begins), c.until) {
		c.until = told.Add(begins)
	}
	if p.seq > 0 && before(p.end, c.until) {
		c.until = p.end
	}
	return c
}

// byAdmit returns the switchings that the admits of a lane explain, if their opening has an entry, and those of them that must have
// happened.
func (o *Openings) byAdmit(name string, relay *Relay, runs []*Run) (may, must []claim) {
	l := o.lanes[name]
	slices.SortFunc(l.pulses, func(a, b pulse) int { return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.seq, b.seq)) })
	disturbed := o.disturbed(name, relay, runs)
	var before time.Time // the end of the pulse before: the pulses of a lane do not overlap
	for _, p := range l.pulses {
		r := run(runs, p.at)
		switch {
		case r == nil:
			o.mismatch("entry %d: no gate ran then", p.admitted)
			continue
		case o.takenBack[p.admitted]:
			o.mismatch("entry %d: an opening of lane %s for entry %d, which was taken back", p.seq, name, p.admitted)
			continue
		}
		c := o.claim(p, r)
		c.follow = before
		switch p.reason {
		case "pulse":
			l.Passages++
			// A pulse on a lane that is held open switches nothing, and one that a key of the guard came before may not have begun.
			end := p.end
			if relay.Mute {
				end = end.Add(readsLate)
			}
			if !anyOverlaps(disturbed, p.at, end) && (r.Ending.IsZero() || !end.After(r.Ending)) {
				must = append(must, c)
			}
		case "pulse-failed": // the relay may have switched before it stopped answering
			l.Failed++
			if slices.ContainsFunc(relay.Unplugged, func(s Span) bool { return s.covers(p.at, p.end) }) {
				before = p.end
				continue
			}
		case "pulse-dropped": // it has not begun, so the next pulse need not follow it
			l.Dropped++
			continue
		default:
			o.mismatch("entry %d: an opening with the reason %q", p.seq, p.reason)
			continue
		}
		before = p.end
		may = append(may, c)
	}
	return may, must
}

// disturbed returns the times in which a pulse of a lane need not switch its relay: the relay was faulty, or a key was pressed.
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
	for _, h := range o.lanes[name].held {
		spans = append(spans, Span{h.From.Add(-stamps), plus(h.Until, stamps)})
	}
	for _, s := range o.lanes[name].standing {
		spans = append(spans, Span{s.From.Add(-stamps), plus(s.Until, stamps)})
	}
	return merged(spans)
}
