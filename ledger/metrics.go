package ledger

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	entries prometheus.Gauge
	fault   prometheus.Gauge
	append  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		entries: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gated_ledger_entries", Help: "Entries in the ledger."}),
		fault:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "gated_ledger_fault", Help: "1 while the ledger cannot be used: nothing is recorded and nothing opens but the emergency key."}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gated_ledger_append_seconds", Help: "Time from handing events to the ledger to knowing that they are durable.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}),
	}
	if reg != nil {
		reg.MustRegister(m.entries, m.fault, m.append)
	}
	return m
}
