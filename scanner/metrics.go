package scanner

import "github.com/prometheus/client_golang/prometheus"

// Metrics are those of all scanners together. Nil counts nothing.
type Metrics struct {
	up      *prometheus.GaugeVec
	framing *prometheus.CounterVec
}

// NewMetrics registers the metrics and gives every lane its zeros, so that a
// scanner that was never there is seen as down instead of missing.
func NewMetrics(reg prometheus.Registerer, lanes ...string) *Metrics {
	m := &Metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gated_scanner_up",
			Help: "Whether the scanner of the lane is connected and listened to: 1 if so, else 0.",
		}, []string{"lane"}),
		framing: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_framing_errors_total",
			Help: "Frames from the scanner of the lane that were dropped because they were too short, too long or never ended.",
		}, []string{"lane", "cause"}),
	}
	for _, lane := range lanes {
		m.up.WithLabelValues(lane)
		for _, cause := range []string{TooShort, TooLong, Timeout} {
			m.framing.WithLabelValues(lane, cause)
		}
	}
	reg.MustRegister(m.up, m.framing)
	return m
}

func (m *Metrics) setUp(lane string, up bool) {
	if m == nil {
		return
	}
	v := 0.0
	if up {
		v = 1
	}
	m.up.WithLabelValues(lane).Set(v)
}

func (m *Metrics) dropped(lane, cause string) {
	if m != nil {
		m.framing.WithLabelValues(lane, cause).Inc()
	}
}
