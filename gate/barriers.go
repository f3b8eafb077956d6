package gate

import (
	"context"
	"errors"
	"time"

	"gated/barrier"
	"gated/ledger"
	"gated/register"
)

// pulseWithin is how long after its verdict a pulse may begin. Later nobody stands there any more.
const pulseWithin = 2 * time.Second

// open pulses the barrier of a passage that is on record, and records that in turn. It never holds up the answer.
func (g *Gate) open(p *passage) {
	l := p.lane
	if l.openByHand().Entry != 0 { // it stands open, and nobody can tell who of those that go through this one is
		return
	}
	l.Sensor.Asked(barrier.Opening{Passage: p.id, Ref: p.seq}) // by hand, where there is no barrier
	if l.Barrier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pulseWithin)
	pulse := l.Barrier.BeginPulse(ctx, l.Pulse) // before a guard can close again
	ev := p.event(register.Opening)
	ev.Reason, ev.By, ev.Ref = "pulse", byMachine, p.seq
	g.work.Go(func() {
		defer cancel()
		err := pulse()
		ev.Stamp = g.clock.Now()
		switch {
		case errors.Is(err, barrier.ErrDropped), errors.Is(err, barrier.ErrClosed): // nothing is wrong with the barrier
			ev.Reason = "pulse-dropped"
			l.Sensor.Forget(ev.Passage)
			g.log.Info("a pulse came too late and was dropped", "lane", l.ID, "err", err)
		case err != nil:
			ev.Reason = "pulse-failed"
			fallthrough
		default:
			g.barrierSaid(l, err)
		}
		g.writing.Record(ev)
	})
}

// sensed records what the lane's sensor tells. Permitted and passed are two facts.
func (g *Gate) sensed(l *lane, event string, o barrier.Opening) {
	ev := ledger.Event{Stamp: g.clock.Now(), Kind: register.Sensor, Passage: o.Passage, Lane: l.ID, Direction: l.Direction,
		Reason: event, By: byMachine, Ref: o.Ref}
	if event == barrier.OpenedUnasked {
		g.log.Error("the barrier was opened, and not by this gate: look at it", "lane", l.ID)
		l.update(func() { l.unasked = time.Now() })
	}
	g.work.Go(func() { g.writing.Record(ev) })
}

// barrierSaid takes what became of a command.
func (g *Gate) barrierSaid(l *lane, err error) {
	if err != nil {
		g.log.Error("barrier does not obey: open it by hand", "lane", l.ID, "err", err)
	}
	l.update(func() {
		if l.relay.failed = (time.Time{}); err != nil {
			l.relay.failed = time.Now()
		}
	})
}
