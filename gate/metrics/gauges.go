package metrics

import "github.com/prometheus/client_golang/prometheus"

// Numbers are what the gauges show, all of one moment.
type Numbers struct {
	Holds, ToAccountFor       int
	LatchesLost, OpenByHand   int // of lanes
	People, Vehicles          int // inside
	Away, Overdue             int // on trips that have a time to be back
	RosterFault, ClockTrusted bool
}

// gauge is one of them.
type gauge struct {
	desc *prometheus.Desc
	of   func(n *Numbers) int
}

func newGauge(name, help string, of func(n *Numbers) int) gauge {
	return gauge{prometheus.NewDesc(name, help, nil, nil), of}
}

var shown = []gauge{
	newGauge("gated_holds", "Passages that wait for a guard.", func(n *Numbers) int { return n.Holds }),
	newGauge("gated_openings_to_account_for", "Emergency openings of which nobody said yet who passed, or whose entry is pending.",
		func(n *Numbers) int { return n.ToAccountFor }),
	newGauge("gated_latches_lost", "Lanes whose opening by the emergency key ended with the last run, and that nobody has opened or "+
		"closed since; for ten minutes.", func(n *Numbers) int { return n.LatchesLost }),
	newGauge("gated_lanes_open_by_hand", "Lanes that a guard holds open: who passes is not registered.",
		func(n *Numbers) int { return n.OpenByHand }),
	newGauge("gated_people_inside", "Known people admitted in and not yet out.", func(n *Numbers) int { return n.People }),
	newGauge("gated_vehicles_inside", "Known vehicles admitted in and not yet out.", func(n *Numbers) int { return n.Vehicles }),
	newGauge("gated_trips_open", "People who are out on a trip that has a time to be back.", func(n *Numbers) int { return n.Away }),
	newGauge("gated_trips_overdue", "Those of them who were to be back by now.", func(n *Numbers) int { return n.Overdue }),
	newGauge("gated_roster_fault", "1 while the ledger knows a newer roster than the one that is here: everybody is on hold.",
		func(n *Numbers) int { return one(n.RosterFault) }),
	newGauge("gated_clock_trusted", "1 while the clock may judge credentials.", func(n *Numbers) int { return one(n.ClockTrusted) }),
}

func one(is bool) int { return map[bool]int{true: 1}[is] }

// Gauges collects them.
type Gauges func() Numbers

// Describe says which there are.
func (g Gauges) Describe(to chan<- *prometheus.Desc) {
	for _, s := range shown {
		to <- s.desc
	}
}

// Collect reads them once for all.
func (g Gauges) Collect(to chan<- prometheus.Metric) {
	n := g()
	for _, s := range shown {
		to <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(s.of(&n)))
	}
}
