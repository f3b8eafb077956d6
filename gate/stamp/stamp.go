// Package stamp is the clock of the box in the ledger's terms: clock and ledger know nothing of each other.
package stamp

import (
	"time"

	"gated/clock"
	"gated/ledger"
)

// Clock is that of the box; see clock.Clock for what its methods do.
type Clock struct{ C *clock.Clock }

func (c Clock) Now() ledger.Stamp              { return ledger.Stamp(c.C.Now()) }
func (c Clock) Judge(s ledger.Stamp) time.Time { return c.C.Judge(clock.Moment(s)) }
func (c Clock) Recorded(s ledger.Stamp)        { c.C.Recorded(clock.Moment(s)) }
func (c Clock) Remember(s ledger.Stamp)        { c.C.Remember(clock.Moment(s)) }
func (c Clock) Confirmed(s ledger.Stamp)       { c.C.Confirmed(clock.Moment(s)) }
func (c Clock) Read() (s ledger.Stamp, why string) {
	m, why := c.C.Read()
	return ledger.Stamp(m), why
}
func (c Clock) Confirm() (s ledger.Stamp, back bool) {
	m, back := c.C.Confirm()
	return ledger.Stamp(m), back
}
