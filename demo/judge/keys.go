package judge

import (
	"cmp"
	"slices"
	"time"
)

// pressed compares how the presses of a lane's keys were answered with the entries, and returns how many of those are missing.
func (o *Openings) pressed(name string, runs []*Run) (missing int) {
	l := o.lanes[name]
	entries := map[string]int{} // by passage
	for _, k := range l.keys {
		if !k.closing {
			entries[k.passage]++
		}
	}
	for _, r := range runs {
		closings := 0
		open, closed := map[string]bool{}, map[string]bool{} // passages
		for _, p := range r.Presses {
			switch {
			case p.Lane != name || !p.Answered:
			case p.Closing:
				closings++
				for passage := range open {
					closed[passage] = true
				}
			default:
				if l.Pressed++; closed[p.Passage] {
					missing++
					o.fault("lane %s: the emergency key was answered with passage %s, which was closed before", name, p.Passage)
				}
				if !open[p.Passage] && entries[p.Passage] == 0 {
					missing++
					o.fault("lane %s was opened by the emergency key as passage %q, and no entry says so", name, p.Passage)
				}
				open[p.Passage] = true
			}
		}
		if r.Killed { // a closing is on record as soon as the ledger can take it, and no opening waits for that
			continue
		}
		said := 0
		for _, k := range l.keys {
			if k.closing && r.at(k.at) {
				said++
			}
		}
		if closings > said {
			missing += closings - said
			o.fault("lane %s was closed by hand %d times, and %d entries say so", name, closings, said)
		}
	}
	return missing
}

// keys makes of the entries of a lane's keys when it was held open.
func (o *Openings) keys(name string, runs []*Run) {
	l := o.lanes[name]
	// What could not wait for its entry may have got it later than what came after.
	slices.SortFunc(l.keys, func(a, b key) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq)) })
	seen := map[string]bool{}
	var open *Span
	var by key
	var in *Run // with which what it opened ends
	for _, k := range l.keys {
		r := run(runs, k.at)
		if r == nil {
			o.fault("entry %d: no gate ran then", k.seq)
			continue
		}
		if open != nil && r != in {
			o.ended(name, open, by, in)
			open = nil
		}
		if k.closing {
			if open != nil {
				open.Until, open = k.at, nil
			}
			continue
		}
		if open != nil {
			if !r.Killed { // else the entry of a closing may be nowhere
				o.fault("entry %d: lane %s was opened by the emergency key, which held it open already since entry %d", k.seq, name, by.seq)
			}
			open.Until = k.at
		}
		l.held = append(l.held, Span{From: k.at})
		open, by, in = &l.held[len(l.held)-1], k, r
		switch {
		case seen[k.passage]:
			o.fault("entry %d: lane %s was opened by the emergency key for passage %s, which has its entry", k.seq, name, k.passage)
		case !r.Killed && !o.announced[k.passage] && !r.pressed(name, k.passage):
			o.fault("entry %d: lane %s was opened by the emergency key, which nobody pressed", k.seq, name)
		}
		seen[k.passage] = true
	}
	if open != nil {
		o.ended(name, open, by, in)
	}
}

// pressed tells whether a press of the emergency key was answered with a passage.
func (r *Run) pressed(lane, passage string) bool {
	return slices.ContainsFunc(r.Presses, func(p Press) bool { return p.Lane == lane && p.Passage == passage })
}

// ended ends what no entry ends: with the process, or when a guard had closed it.
func (o *Openings) ended(name string, open *Span, by key, r *Run) {
	open.Until = r.Until
	for _, p := range slices.Backward(r.Presses) {
		if p.Closing && p.Answered && p.Lane == name && by.at.Before(p.From) {
			if open.Until = p.From; !r.Killed {
				o.fault("entry %d: lane %s was opened by the emergency key and closed at %s, and no entry says so",
					by.seq, name, p.From.Format("15:04:05.000000"))
			}
			return
		}
	}
}

// byEmergencyKey are the switchings that the openings by the emergency key answer for: the relay is switched on once, and
// once more whenever it is plugged in again while it is to be held open.
func (o *Openings) byEmergencyKey(name string, relay *Relay, runs []*Run) (claims []claim) {
	for _, k := range o.lanes[name].keys {
		r := run(runs, k.at)
		if k.closing || r == nil {
			continue
		}
		until := r.closed(name, k.at)
		for _, c := range o.lanes[name].keys {
			if c.closing && c.at.After(k.at) && before(c.at, until) {
				until = c.at
				break
			}
		}
		claims = append(claims, claim{from: k.at, until: until, seq: k.seq})
		for _, at := range relay.Plugged {
			if at.After(k.at) && before(at, plus(until, time.Second)) {
				claims = append(claims, claim{from: at, until: until, seq: k.seq})
			}
		}
	}
	return claims
}

// plus is t later by d; a zero one stays never.
func plus(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}
