package gate

import (
	"gated/gate/metrics"
	"gated/gate/query"
	"gated/register"
	"gated/register/byhand"

	"github.com/prometheus/client_golang/prometheus"
)

func newMetrics(reg prometheus.Registerer, g *Gate) metrics.Metrics {
	var lanes []string
	for _, l := range g.opt.Lanes {
		lanes = append(lanes, l.ID)
	}
	m := metrics.New(lanes, byhand.Reasons)
	if reg == nil {
		return m
	}
	m.Register(reg)
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	state := func(f func(s *register.State) int) func() float64 {
		return func() (n float64) {
			g.opt.Register.View(func(s *register.State) { n = float64(f(s)) })
			return n
		}
	}
	lanesThat := func(is func(v *LaneView) bool) func() float64 {
		return func() (n float64) {
			for _, l := range g.lanes {
				if v := l.view(); is(&v) {
					n++
				}
			}
			return n
		}
	}
	reg.MustRegister(
		gauge("gated_holds", "Passages that wait for a guard.", state(func(s *register.State) int { return len(s.Open) })),
		gauge("gated_openings_to_account_for", "Emergency openings of which nobody said yet who passed, or whose entry is pending.",
			func() float64 { return float64(len(g.toAccountFor())) }),
		gauge("gated_latches_lost", "Lanes whose opening by the emergency key ended with the last run, and that nobody has "+
			"opened or closed since; for ten minutes.", lanesThat(func(v *LaneView) bool { return v.LatchLost })),
		gauge("gated_lanes_open_by_hand", "Lanes that a guard holds open: who passes is not registered.",
			lanesThat(func(v *LaneView) bool { return v.ByHand != nil })),
		gauge("gated_people_inside", "Known people admitted in and not yet out.",
			state(func(s *register.State) int { people, _ := g.inside(s); return people })),
		gauge("gated_vehicles_inside", "Known vehicles admitted in and not yet out.",
			state(func(s *register.State) int { _, vehicles := g.inside(s); return vehicles })),
		gauge("gated_trips_open", "People who are out on a trip that has a time to be back.",
			func() float64 { return float64(len(g.away())) }),
		gauge("gated_trips_overdue", "Those of them who were to be back by now.",
			func() float64 { return float64(len(query.Overdue(g.away()))) }),
		gauge("gated_roster_fault", "1 while the ledger knows a newer roster than the one that is here: everybody is on hold.",
			func() float64 { return map[bool]float64{true: 1}[g.RosterFault()] }),
		gauge("gated_clock_trusted", "1 while the clock may judge credentials.", func() float64 {
			if g.clock.Now().Trusted {
				return 1
			}
			return 0
		}))
	return m
}
