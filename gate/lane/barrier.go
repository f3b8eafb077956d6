package lane

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

// follow takes what the lane's barrier and sensor tell from now on.
func (l *Lane) follow() {
	if l.Barrier != nil {
		l.Barrier.Watch(func(id string, err error) {
			if of := l.all.Of(id); of != nil { // lanes may share a barrier
				of.update(func() { of.relay.watched, of.relay.down = true, err != nil })
			}
		})
	}
	l.Sensor.Watch(l.Sensed)
	l.Sensor.WatchState(func(err error) {
		l.update(func() {
			if l.sensor = "up"; err != nil {
				l.sensor = "unreadable"
			}
		})
	})
}

// Open pulses the barrier for a passage that is on record as the entry seq, and records that in turn. It never holds up the answer.
func (l *Lane) Open(passage string, seq int64) {
	if l.ByHand().Entry != 0 { // it stands open, and nobody can tell who of those that go through this one is
		return
	}
	l.Sensor.Asked(barrier.Opening{Passage: passage, Ref: seq}) // by hand, where there is no barrier
	if l.Barrier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pulseWithin)
	pulse := l.Barrier.BeginPulse(ctx, l.Pulse) // before a guard can close again
	ev := ledger.Event{Kind: register.Opening, Passage: passage, Lane: l.ID, Direction: l.Direction, Reason: "pulse", By: byMachine,
		Ref: seq}
	l.all.opt.Work.Go(func() {
		defer cancel()
		err := pulse()
		ev.Stamp = l.all.opt.Now()
		switch {
		case errors.Is(err, barrier.ErrDropped), errors.Is(err, barrier.ErrClosed): // nothing is wrong with the barrier
			ev.Reason = "pulse-dropped"
			l.Sensor.Forget(ev.Passage)
			l.all.opt.Log.Info("a pulse came too late and was dropped", "lane", l.ID, "err", err)
		case err != nil:
			ev.Reason = "pulse-failed"
			fallthrough
		default:
			l.said(err)
		}
		l.all.opt.Writing.Record(ev)
	})
}

// Sensed records what the lane's sensor tells. Permitted and passed are two facts.
func (l *Lane) Sensed(event string, o barrier.Opening) {
	ev := ledger.Event{Stamp: l.all.opt.Now(), Kind: register.Sensor, Passage: o.Passage, Lane: l.ID, Direction: l.Direction,
		Reason: event, By: byMachine, Ref: o.Ref}
	if event == barrier.OpenedUnasked {
		l.all.opt.Log.Error("the barrier was opened, and not by this gate: look at it", "lane", l.ID)
		l.update(func() { l.unasked = time.Now() })
	}
	l.all.opt.Work.Go(func() { l.all.opt.Writing.Record(ev) })
}

// drive commands the lane's barrier without waiting for it. The caller holds commanding.
func (l *Lane) drive(open bool) {
	if l.Barrier != nil {
		finish := l.Barrier.Begin(open)
		l.update(func() { l.commands++ })
		l.all.opt.Work.Go(func() {
			l.said(finish())
			l.update(func() { l.commands-- })
		})
	}
}

// said takes what became of a command.
func (l *Lane) said(err error) {
	if err != nil {
		l.all.opt.Log.Error("barrier does not obey: open it by hand", "lane", l.ID, "err", err)
	}
	l.update(func() {
		if l.relay.failed = (time.Time{}); err != nil {
			l.relay.failed = time.Now()
		}
	})
}
