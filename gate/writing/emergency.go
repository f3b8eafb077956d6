package writing

import (
	"time"

	"gated/ledger"
)

const (
	// deliverWait is how long the answer to the emergency key waits for the entry. The barrier does not wait for that.
	deliverWait = 300 * time.Millisecond
	// announceWait is how long the barrier waits until the kernel has what is about to be opened. That takes microseconds,
	// unless the disk hangs.
	announceWait = 100 * time.Millisecond
)

// Announce makes the entry of an opening, or of its end, that is about to be pending, and waits a moment for the kernel to have that.
func (p *Path) Announce(ev ledger.Event) {
	p.add(ev)
	done := make(chan struct{})
	p.opt.Work.Go(func() {
		defer close(done)
		if err := p.spool.Write(p.Pending); err != nil {
			p.opt.Log.Error("an emergency opening, or its end, is in memory only, until it is in the ledger", "err", err)
		}
	})
	select {
	case <-done:
	case <-time.After(announceWait):
	}
}

// Deliver writes the entry that was announced, and then calls written. It waits a moment for that.
func (p *Path) Deliver(ev ledger.Event, written func()) {
	done := make(chan struct{})
	p.opt.Work.Go(func() {
		defer close(done)
		if p.WritePending() {
			written()
		} else {
			p.save(ev)
		}
	})
	select {
	case <-done:
	case <-time.After(deliverWait):
		p.opt.Work.Go(func() { p.spool.Save(p.Pending) }) // the ledger's disk hangs; the spool's may be another one
	}
}
