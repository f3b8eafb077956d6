package judge

import (
	"cmp"
	"slices"
	"time"
)

// pressed compares the presses of the keys of a lane with the entries, and returns how many of these are missing.
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
					o.mismatch("lane %s: the emergency key was answered with passage %s, which was closed before", name, p.Passage)
				}
				if !open[p.Passage] && entries[p.Passage] == 0 {
					missing++
					o.mismatch("lane %s was opened by the emergency key as passage %q, and no entry says so", name, p.Passage)
				}
				open[p.Passage] = true
			}
		}
		if r.Killed { // a closing gets its entry as soon as the ledger can take it, which may be too late
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
			o.mismatch("lane %s was closed by hand %d times, and %d entries say so", name, closings, said)
		}
	}
	return missing
}

// keys finds out from the entries of its keys when a lane was held open.
func (o *Openings) keys(name string, runs []*Run) {
	l := o.lanes[name]
	// An emergency opening does not wait for its entry, which may come later than those of later events.
	slices.SortFunc(l.keys, func(a, b key) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq)) })
	seen := map[string]bool{}
	var open *Span
	var by key
	var in *Run // the run of that opening
	for _, k := range l.keys {
		r := run(runs, k.at)
		if r == nil {
			o.mismatch("entry %d: no gate ran then", k.seq)
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
			if !r.Killed { // else the entry of its closing may be lost
				o.mismatch("entry %d: lane %s was opened by the emergency key, which held it open already by entry %d", k.seq, name, by.seq)
			}
			open.Until = k.at
		}
		l.held = append(l.held, Span{From: k.at})
		open, by, in = &l.held[len(l.held)-1], k, r
		switch {
		case seen[k.passage]:
			o.mismatch("entry %d: lane %s was opened by the emergency key for passage %s, which has its entry", k.seq, name, k.passage)
		case !r.Killed && !o.announced[k.passage] && !r.pressed(name, k.passage):
			o.mismatch("entry %d: lane %s was opened by the emergency key, which nobody pressed", k.seq, name)
		}
		seen[k.passage] = true
	}
	if open != nil {
		o.ended(name, open, by, in)
	}
}

// pressed tells whether a press of the emergency key on a lane was answered with a passage.
func (r *Run) pressed(lane, passage string) bool {
	return slices.ContainsFunc(r.Presses, func(p Press) bool { return p.Lane == lane && p.Passage == passage })
}

// ended ends an opening that no entry ends: when a guard closed it, or with the process.
func (o *Openings) ended(name string, open *Span, by key, r *Run) {
	open.Until = r.Until
	for _, p := range slices.Backward(r.Presses) {
		if p.Closing && p.Answered && p.Lane == name && by.at.Before(p.From) {
			if open.Until = p.From; !r.Killed {
				o.mismatch("entry %d: lane %s was opened by the emergency key and closed at %s, and no entry says so",
					by.seq, name, p.From.Format("15:04:05.000000"))
			}
			return
		}
	}
}

// byEmergencyKey returns the switchings that the openings by the emergency key explain: the relay is switched on once, and again
// each time that it is plugged in while the lane is held open.
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

// plus adds d to t, unless t is zero, which means never.
func plus(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}
