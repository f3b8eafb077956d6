package lane

import (
	"maps"
	"slices"
	"time"

	"gated/ledger"
	"gated/register"
	"gated/register/byhand"
)

// An opening by the emergency key ends with the process: the barrier is closed at its end and at its start, since nobody knows who stands
// below it by then. It is not opened again by itself. The guard is told, and presses the key again.

// lostInSpool shows the lanes that were held open when the last run ended, as far as the spool tells it. The ledger may be in fault.
func (a *Lanes) lostInSpool() {
	for _, ev := range a.opt.Writing.Pending() {
		if l := a.Of(ev.Lane); l != nil && ev.Kind == register.Opening && ev.Verdict != "" {
			l.lost = time.Now()
		} else if l != nil && ev.Kind == register.CloseByHand {
			l.lost = time.Time{}
		}
	}
}

// RecordLost records the openings that ended with the run before the one whose start entry has this number, and shows those by the
// emergency key. It tells whether that is done.
func (a *Lanes) RecordLost(start int64) (done bool) {
	var events []ledger.Event
	a.pressing.Lock() // or else a key that is being pressed may be on record and not latched yet
	a.opt.Register.View(func(s *register.State) {
		events = a.ended(s, start)
	})
	a.pressing.Unlock()
	if len(events) > 0 {
		if _, err := a.opt.Writing.Append(events...); err != nil {
			return false // tried again
		}
	}
	for _, ev := range events {
		if ev.Kind == register.ByHand {
			a.opt.Log.Warn("the lane was open by hand when the last run ended: the barrier is closed", "lane", ev.Lane)
			a.opt.Metrics.Uncounted.WithLabelValues(ev.Lane).Inc()
			continue
		}
		a.opt.Log.Warn("an opening by the emergency key ended with the last run: the barrier is closed", "lane", ev.Lane)
		if l := a.Of(ev.Lane); l != nil {
			l.update(func() {
				if l.latch == nil {
					l.lost = time.Now()
				}
			})
		}
	}
	return true
}

// ended are the openings that ended with the run before, as they are to be recorded: by the emergency key, which nobody has closed, and
// by hand, which began before the entry with which this run began.
func (a *Lanes) ended(s *register.State, start int64) (events []ledger.Event) {
	now := a.opt.Now()
	for _, id := range slices.Sorted(maps.Keys(s.Latched)) {
		was, direction := s.Latched[id], ""
		if l := a.Of(id); l != nil {
			if direction = l.Direction; was.Passage != "" && l.latchedBy() == was.Passage {
				continue // it is held open in this run
			}
		}
		events = append(events, ledger.Event{Stamp: now, Kind: register.Alarm, Lane: id, Direction: direction, Reason: register.LatchLost,
			By: byMachine, Ref: was.Seq})
	}
	for _, o := range s.ByHand.Sorted() {
		if o.Entry < start {
			events = append(events, o.Told(now, byhand.Restart, byhand.Uncounted))
		}
	}
	return events
}
