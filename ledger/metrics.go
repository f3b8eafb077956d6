package ledger

import (
	"github.com/prometheus/client_golang/prometheus"

	"gated/ledger/file"
)

type metrics struct {
	entries prometheus.Gauge
	append  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, l *Ledger) metrics {
	m := metrics{
		entries: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gated_ledger_entries", Help: "Entries in the ledger."}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gated_ledger_append_seconds",
			Help:    "Time from handing events to the ledger to knowing that they are durable.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}),
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.entries, m.append)
	gauge := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	whether := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	gauge("gated_ledger_fault", "1 while the ledger cannot be used: nothing is recorded and nothing opens but the emergency key.",
		func() float64 { return whether(l.Fault() != nil) })
	gauge("gated_ledger_signed_entries", "Entries that the newest tree head signs.", func() float64 {
		if h := l.Head(); h != nil {
			return float64(h.Size)
		}
		return 0
	})
	gauge("gated_ledger_wal_bytes",
		"Length of the write-ahead log: it grows as long as somebody who reads the ledger does not come to an end.",
		func() float64 { return float64(file.Length(l.path + "-wal")) })
	gauge("gated_ledger_erasure_pending",
		"1 while personal data may still be readable that an erase entry names: an erasure is under way, or was cut off.",
		func() float64 { return whether(l.erasing.Pending()) })
	return m
}
