package gate

import (
	"gated/gate/metrics"
	"gated/gate/query"
	"gated/register"
)

// numbers are what the gauges show now.
func (g *Gate) numbers() (n metrics.Numbers) {
	g.opt.Register.View(func(s *register.State) {
		n.Holds = len(s.Open)
		n.People, n.Vehicles = g.inside(s)
	})
	for _, v := range g.lanes.Views() {
		if v.LatchLost {
			n.LatchesLost++
		}
		if v.ByHand != nil {
			n.OpenByHand++
		}
	}
	away := g.away()
	n.ToAccountFor, n.Away, n.Overdue = len(g.toAccountFor()), len(away), len(query.Overdue(away))
	n.RosterFault, n.ClockTrusted = g.RosterFault(), g.clock.Now().Trusted
	return n
}
