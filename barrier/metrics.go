package barrier

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts what the barriers did.
type Metrics struct {
	pulses, errors, dropped, abandoned, sensor *prometheus.CounterVec
	up, sensorUp                               *prometheus.GaugeVec
}

// NewMetrics registers the counters with a zero for each lane.
func NewMetrics(reg prometheus.Registerer, lanes ...string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"lane"}, labels...))
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"lane"})
	}
	m := &Metrics{
		pulses: counter("gated_barrier_pulses_total", "Times the barrier was told to open for a moment and obeyed."),
		errors: counter("gated_barrier_errors_total",
			"Barrier commands that failed or did not end in time; the guard opens or closes by hand."),
		dropped: counter("gated_barrier_dropped_total",
			"Pulses that could not begin in time, or that the guard's close overtook: nothing was opened."),
		abandoned: counter("gated_barrier_abandoned_total", "Relay ports whose closing hung in the kernel and was left to itself."),
		sensor:    counter("gated_barrier_sensor_total", "What the barrier's sensor told: opened-unasked, passed or turned-back.", "event"),
		up:        gauge("gated_barrier_up", "1 while the relay is there and obeys, as far as it can tell."),
		sensorUp:  gauge("gated_barrier_sensor_up", "1 while the barrier's sensor can be read."),
	}
	for _, lane := range lanes {
		m.pulses.WithLabelValues(lane)
		m.errors.WithLabelValues(lane)
		m.dropped.WithLabelValues(lane)
		m.abandoned.WithLabelValues(lane)
	}
	return m
}
