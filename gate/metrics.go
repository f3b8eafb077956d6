package gate

import (
	"gated/register"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	scans     *prometheus.CounterVec
	decisions *prometheus.CounterVec
	repeats   *prometheus.CounterVec
	tries     *prometheus.CounterVec
	seconds   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, g *Gate) metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := metrics{
		scans: counter("gated_scans_total", "Codes and ID cards handed to the gate, by kind.", "lane", "kind"),
		decisions: counter("gated_decisions_total",
			"Answers of the gate, by verdict and reason; a hold and what the guard decided about it are two.",
			"lane", "direction", "verdict", "reason"),
		repeats: counter("gated_repeats_total",
			"Codes that were read again within the repeat window: shown as already read, not decided anew.", "lane"),
		tries: counter("gated_wrong_tries_total",
			"Five forged or revoked codes in a row within two minutes: somebody tries one after the other.", "lane"),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gated_decision_seconds", Help: "Time from the last byte of a code to its durable decision.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}),
	}
	for _, l := range g.opt.Lanes {
		m.repeats.WithLabelValues(l.ID)
		m.tries.WithLabelValues(l.ID)
		for _, k := range []string{"gated-pass", "eu-dcc", "smart-health-card", "cn-resident-id", "cn-id-card", "cn-prc-card",
			"cn-hmt-permit", "plate", "unknown"} {
			m.scans.WithLabelValues(l.ID, k)
		}
	}
	if reg == nil {
		return m
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	state := func(f func(s *register.State) int) func() float64 {
		return func() (n float64) {
			g.opt.Register.View(func(s *register.State) { n = float64(f(s)) })
			return n
		}
	}
	reg.MustRegister(m.scans, m.decisions, m.repeats, m.tries, m.seconds,
		gauge("gated_holds", "Passages that wait for a guard.", state(func(s *register.State) int { return len(s.Open) })),
		gauge("gated_openings_to_account_for", "Emergency openings of which nobody said yet who passed, or whose entry is pending.",
			func() float64 { return float64(len(g.toAccountFor())) }),
		gauge("gated_latches_lost", "Lanes whose opening by the emergency key ended with the last run, and that nobody has "+
			"opened or closed since; for ten minutes.", func() float64 { return float64(g.lostLately()) }),
		gauge("gated_people_inside", "Known people admitted in and not yet out.",
			state(func(s *register.State) int { people, _ := g.inside(s); return people })),
		gauge("gated_vehicles_inside", "Known vehicles admitted in and not yet out.",
			state(func(s *register.State) int { _, vehicles := g.inside(s); return vehicles })),
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
