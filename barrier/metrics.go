package barrier

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the barriers did.
type Metrics struct {
	pulses, errors *prometheus.CounterVec
}

// NewMetrics registers the counters with a zero for each lane.
func NewMetrics(reg prometheus.Registerer, lanes ...string) *Metrics {
	m := &Metrics{
		pulses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_barrier_pulses_total",
			Help: "Times the barrier program was asked to open the barrier for a moment and did.",
		}, []string{"lane"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_barrier_errors_total",
			Help: "Barrier commands that failed or did not end in time; the guard opens or closes by hand.",
		}, []string{"lane"}),
	}
	reg.MustRegister(m.pulses, m.errors)
	for _, lane := range lanes {
		m.pulses.WithLabelValues(lane)
		m.errors.WithLabelValues(lane)
	}
	return m
}
