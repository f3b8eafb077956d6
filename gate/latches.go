package gate

import (
	"time"

	"gated/ledger"
	"gated/register"
)

// lostFor is how long the page says that an opening by the emergency key was lost.
const lostFor = 10 * time.Minute

// An opening by the emergency key ends with the process: the barrier is closed at its end and at its start, since nobody knows who stands
// below it by then. It is not opened again by itself. The guard is told, and presses the key again.

// lostInSpool shows the lanes that were held open when the last run ended, as far as the spool tells it. The ledger may be in fault.
func (g *Gate) lostInSpool() {
	for _, ev := range g.writing.Pending() {
		if l := g.lanes[ev.Lane]; l != nil && ev.Kind == register.Opening && ev.Verdict != "" {
			l.lost = time.Now()
		} else if l != nil && ev.Kind == register.CloseByHand {
			l.lost = time.Time{}
		}
	}
}

// lostLatches records, once in a run, the openings that ended with the one before, and shows those by the emergency key. What is
// pending comes first.
func (g *Gate) lostLatches() {
	if g.latchesTold || g.Fault() || !g.writing.Begun() || !g.remembers() || !g.writing.WritePending() {
		return
	}
	g.passage.Lock()
	start := g.start
	g.passage.Unlock()
	var events []ledger.Event
	g.pressing.Lock() // or else a key that is being pressed may be on record and not latched yet
	g.opt.Register.View(func(s *register.State) {
		events = s.Lost(start, g.clock.Now(), func(lane, passage string) (direction string, ours bool) {
			if l := g.lanes[lane]; l != nil {
				p := l.latched()
				return l.Direction, p != nil && p.id == passage
			}
			return "", false
		})
	})
	g.pressing.Unlock()
	if len(events) > 0 {
		if _, err := g.writing.Append(events...); err != nil {
			return // tried again
		}
	}
	g.latchesTold = true
	for _, ev := range events {
		if ev.Kind == register.ByHand {
			g.log.Warn("the lane was open by hand when the last run ended: the barrier is closed", "lane", ev.Lane)
			g.m.Uncounted.WithLabelValues(ev.Lane).Inc()
			continue
		}
		g.log.Warn("an opening by the emergency key ended with the last run: the barrier is closed", "lane", ev.Lane)
		if l := g.lanes[ev.Lane]; l != nil {
			l.update(func() {
				if l.latch == nil {
					l.lost = time.Now()
				}
			})
		}
	}
}
