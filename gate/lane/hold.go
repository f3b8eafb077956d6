package lane

import (
	"time"

	"gated/barrier"
	"gated/gate/view"
	"gated/ledger"
	"gated/register/byhand"
)

// Latched tells whether the emergency key holds the lane open.
func (l *Lane) Latched() bool { return l.latchedBy() != "" }

// latchedBy is the passage of the emergency key that holds the lane open; empty: none does.
func (l *Lane) latchedBy() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latch == nil {
		return ""
	}
	return l.latch.Passage
}

// ByHand returns the opening by hand that holds the lane open; zero: none does.
func (l *Lane) ByHand() byhand.Opening {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byHand
}

// Press has the emergency key hold the lane open, and shows x. The entry ev of that is in the spool before the barrier is told, unless
// the disk hangs or another guard closes the lane at this very moment; the caller delivers it. A second press in fright is told to the
// barrier again, and is one opening: it returns what the first one answered. It takes no lock that a slow disk could hold. over is the
// opening by hand that this ends.
func (l *Lane) Press(ev ledger.Event, x view.Shown) (before *view.Shown, over byhand.Opening) {
	a := l.all
	a.pressing.Lock()
	announced := !l.Latched()
	if announced {
		a.opt.Writing.Announce(ev)
	}
	before, over = l.hold(x)
	a.pressing.Unlock()
	if before != nil {
		l.Show(*before, false)
		return before, over
	}
	if !announced { // closed at the same moment
		a.opt.Writing.Announce(ev)
	}
	l.Show(x, false)
	return nil, over
}

// hold has the barrier held open. It returns what latched it already, if something did, and the opening by hand that this ends.
func (l *Lane) hold(x view.Shown) (before *view.Shown, over byhand.Opening) {
	l.commanding.Lock()
	defer l.commanding.Unlock()
	l.drive(true)
	l.update(func() {
		if before = l.latch; before == nil {
			l.latch = &x
		}
		l.lost = time.Time{}
		over, l.byHand = l.byHand, byhand.Opening{}
	})
	if before == nil {
		l.Sensor.Held(barrier.Opening{Passage: x.Passage}) // its entry may come later
	}
	return before, over
}

// HoldByHand holds the lane open for an opening by hand that is on record, unless the emergency key was faster.
func (l *Lane) HoldByHand(o byhand.Opening) {
	l.commanding.Lock()
	defer l.commanding.Unlock()
	if l.Latched() {
		l.Uncounted(o, byhand.Emergency)
		return
	}
	l.drive(true)
	l.Sensor.Held(barrier.Opening{Ref: o.Entry})
	l.update(func() { l.byHand, l.front = o, "" })
}

// Release has the barrier closed, and returns the opening by hand that this ends. Where an entry is named, only that opening ends.
func (l *Lane) Release(only int64) (over byhand.Opening, done bool) {
	l.commanding.Lock()
	defer l.commanding.Unlock()
	if over = l.ByHand(); only != 0 && over.Entry != only {
		return over, false
	}
	l.drive(false)
	l.Sensor.Released()
	l.update(func() { l.latch, l.lost, l.byHand = nil, time.Time{}, byhand.Opening{} })
	return over, true
}

// Uncounted records that an opening by hand, if there was one, has ended otherwise, so that nobody counted who passed.
func (l *Lane) Uncounted(o byhand.Opening, why string) {
	if o.Entry != 0 {
		ev := o.Told(l.all.opt.Now(), why, byhand.Uncounted)
		l.all.opt.Metrics.Uncounted.WithLabelValues(o.Lane).Inc()
		l.all.opt.Work.Go(func() { l.all.opt.Writing.Record(ev) })
	}
}

// GoOnByHand tells once more of the lanes that are open by hand.
func (a *Lanes) GoOnByHand(now ledger.Stamp) {
	for _, l := range a.list {
		o := l.ByHand()
		if o.Entry != 0 && a.opt.Writing.Note(o.Told(now, byhand.GoesOn, "")) && l.ByHand().Entry != o.Entry {
			a.opt.Writing.Record(o.Told(now, byhand.Closed, byhand.Uncounted)) // lest it be the last word that it goes on
		}
	}
}
