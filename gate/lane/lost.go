package lane

import (
	"time"

	"gated/ledger"
	"gated/register"
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
		events = s.Lost(start, a.opt.Now(), func(lane, passage string) (direction string, ours bool) {
			if l := a.Of(lane); l != nil {
				return l.Direction, passage != "" && l.latchedBy() == passage
			}
			return "", false
		})
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
