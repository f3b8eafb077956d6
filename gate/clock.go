package gate

import (
	"time"

	"gated/clock"
	"gated/ledger"
)

// boxClock is the clock of the box in the ledger's terms: clock and ledger know nothing of each other.
type boxClock struct{ c *clock.Clock }

func (b boxClock) Now() ledger.Stamp              { return ledger.Stamp(b.c.Now()) }
func (b boxClock) judge(s ledger.Stamp) time.Time { return b.c.Judge(clock.Moment(s)) }
func (b boxClock) recorded(s ledger.Stamp)        { b.c.Recorded(clock.Moment(s)) }
func (b boxClock) remember(s ledger.Stamp)        { b.c.Remember(clock.Moment(s)) }
func (b boxClock) confirmed(s ledger.Stamp)       { b.c.Confirmed(clock.Moment(s)) }
func (b boxClock) read() (s ledger.Stamp, why string) {
	m, why := b.c.Read()
	return ledger.Stamp(m), why
}
func (b boxClock) confirm() (s ledger.Stamp, back bool) {
	m, back := b.c.Confirm()
	return ledger.Stamp(m), back
}
