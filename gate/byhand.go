package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gated/ledger"
	"gated/register/byhand"
)

// OpenByHand opens the lane for a time and holds it open until ShutByHand: for a school run, a rush, a moving van, while the relay is
// dead. It is no emergency, so its entry is durable before anything opens. Who comes meanwhile is judged and recorded as ever, and gets
// no pulse. It ends with the process, as an opening by the emergency key does, and with the press of that key.
func (g *Gate) OpenByHand(laneID, reason string) error {
	l := g.lanes.Of(laneID)
	switch {
	case l == nil:
		return fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	case !slices.Contains(byhand.Reasons, reason):
		return invalid("reason %.40q: a lane is opened by hand for one of %s", reason, strings.Join(byhand.Reasons, ", "))
	}
	g.passage.Lock()
	defer g.passage.Unlock()
	if l.Latched() || l.ByHand().Entry != 0 {
		return fmt.Errorf("lane %q: %w", laneID, ErrIsOpen)
	}
	entries, err := g.writing.Append(ledger.Event{Stamp: g.clock.Now(), Kind: byhand.Kind, Lane: l.ID, Direction: l.Direction,
		Reason: reason, By: g.by.By(), Personal: g.guard("")})
	if err != nil {
		return fmt.Errorf("%w, so nothing opens: what cannot wait has the emergency key: %w", ErrLedger, err)
	}
	g.m.ByHand.WithLabelValues(l.ID, reason).Inc()
	l.HoldByHand(byhand.Of(&entries[0]))
	return nil
}

// ShutByHand ends it, with how many passed. As Close it does not wait for a ledger that is in fault.
func (g *Gate) ShutByHand(laneID, heads string) error {
	l := g.lanes.Of(laneID)
	switch {
	case l == nil:
		return fmt.Errorf("lane %q: %w", laneID, ErrUnknownLane)
	case !slices.Contains(byhand.Heads, heads):
		return invalid("%.40q heads: how many passed is one of %s", heads, strings.Join(byhand.Heads, ", "))
	}
	o := l.ByHand()
	if o.Entry == 0 {
		return fmt.Errorf("lane %q: %w", laneID, ErrNotByHand)
	}
	ev := o.Told(g.clock.Now(), byhand.Shut, heads)
	g.writing.Announce(ev)
	_, done := l.Release(o.Entry)
	g.writing.Deliver(ev, func() {})
	switch n, err := strconv.Atoi(heads); {
	case !done: // the emergency key, or another guard, was faster: what ended it first counts
	case err != nil:
		g.m.Uncounted.WithLabelValues(l.ID).Inc()
	default:
		g.m.Heads.WithLabelValues(l.ID).Add(float64(n))
	}
	return nil
}
