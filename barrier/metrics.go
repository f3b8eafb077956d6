package barrier

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the barriers did.
type Metrics struct {
	pulses, errors, dropped, abandoned, sensor *prometheus.CounterVec
	up, sensorUp                               *prometheus.GaugeVec
}

// NewMetrics registers the counters with a zero for each lane.
func NewMetrics(reg prometheus.Registerer, lanes ...string) *Metrics {
	m := &Metrics{
		pulses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_barrier_pulses_total",
			Help: "Times the barrier was told to open for a moment and obeyed.",
		}, []string{"lane"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_barrier_errors_total",
			Help: "Barrier commands that failed or did not end in time; the guard opens or closes by hand.",
		}, []string{"lane"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_barrier_dropped_total",
			Help: "Pulses that could not begin in time, or that the guard's close overtook: nothing was opened.",
		}, []string{"lane"}),
		abandoned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_barrier_abandoned_total",
			Help: "Relay ports whose closing hung in the kernel and was left to itself.",
		}, []string{"lane"}),
		sensor: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_barrier_sensor_total",
			Help: "What the barrier's sensor told: opened-unasked, passed or turned-back.",
		}, []string{"lane", "event"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gated_barrier_up",
			Help: "1 while the relay is there and obeys, as far as it can tell.",
		}, []string{"lane"}),
		sensorUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gated_barrier_sensor_up",
			Help: "1 while the barrier's sensor can be read.",
		}, []string{"lane"}),
	}
	reg.MustRegister(m.pulses, m.errors, m.dropped, m.abandoned, m.sensor, m.up, m.sensorUp)
	for _, lane := range lanes {
		m.pulses.WithLabelValues(lane)
		m.errors.WithLabelValues(lane)
		m.dropped.WithLabelValues(lane)
		m.abandoned.WithLabelValues(lane)
	}
	return m
}
