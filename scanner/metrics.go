package scanner

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are those of all scanners together.
type Metrics struct {
	up, state, silent, misset                     *prometheus.GaugeVec
	framing, discard, connects, mutes, heartbeats *prometheus.CounterVec
}

// NewMetrics registers the metrics and gives every lane its zeros, so that a
// scanner that was never there is seen as down instead of missing.
func NewMetrics(reg prometheus.Registerer, lanes ...string) *Metrics {
	m := &Metrics{
		up:     gaugeVec(reg, "gated_scanner_up", "Whether the scanner of the lane is connected and listened to: 1 if so, else 0."),
		state:  gaugeVec(reg, "gated_scanner_state", "1 for the state in which the scanner of the lane is, 0 for the others.", "state"),
		silent: gaugeVec(reg, "gated_scanner_silent", "1 if nothing has been heard for too long of a scanner that is connected."),
		misset: gaugeVec(reg, "gated_scanner_misset",
			"1 if the newest codes of the scanner were genuine but for what it added, or were typed on another keyboard's keys."),
		framing: counterVec(reg, "gated_framing_errors_total",
			"Frames from the scanner of the lane that were dropped, as they were no whole code.", "cause"),
		discard: counterVec(reg, "gated_scanner_discarded_bytes_total",
			"Bytes that came from the scanner of the lane while it was not listened to, and were thrown away.", "cause"),
		connects: counterVec(reg, "gated_scanner_connects_total", "Times that the scanner of the lane was opened and listened to."),
		mutes:    counterVec(reg, "gated_scanner_mutes_total", "Times that the scanner of the lane was muted, as it sent what is no code."),
		heartbeats: counterVec(reg, "gated_scanner_heartbeats_total",
			"Questions to the scanner's module whether it lives, by whether it answered.", "answered"),
	}
	for _, lane := range lanes {
		m.up.WithLabelValues(lane)
		m.silent.WithLabelValues(lane)
		m.misset.WithLabelValues(lane)
		m.connects.WithLabelValues(lane)
		m.mutes.WithLabelValues(lane)
		for _, s := range States {
			m.state.WithLabelValues(lane, string(s))
		}
		for _, cause := range FrameCauses {
			m.framing.WithLabelValues(lane, cause)
		}
		for _, answered := range []string{"yes", "no"} {
			m.heartbeats.WithLabelValues(lane, answered)
		}
		for _, cause := range []string{"settling", "muted", "stalled"} {
			m.discard.WithLabelValues(lane, cause)
		}
	}
	return m
}

func gaugeVec(reg prometheus.Registerer, name, help string, labels ...string) *prometheus.GaugeVec {
	return promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, append([]string{"lane"}, labels...))
}

func counterVec(reg prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	return promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"lane"}, labels...))
}

func (m *Metrics) became(lane string, now State, cause string) {
	if now == Settling {
		m.connects.WithLabelValues(lane).Inc()
	}
	m.up.WithLabelValues(lane).Set(one(now == Online))
	misset := cause == CauseAdded || cause == CauseLayout
	m.silent.WithLabelValues(lane).Set(one(now == Online && cause != "" && !misset))
	m.misset.WithLabelValues(lane).Set(one(now == Online && misset))
	for _, s := range States {
		m.state.WithLabelValues(lane, string(s)).Set(one(s == now))
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// What came of a card that lay on the reader, as gated_card_reads_total counts it.
const (
	readOK       = "ok"
	readFailed   = "failed"    // the module did not read it: moved too soon, broken, or not genuine
	readDamaged  = "damaged"   // its answer came damaged
	readNoAnswer = "no-answer" // its answer did not come in time
)

// CardMetrics are those of all card readers together.
type CardMetrics struct {
	up    *prometheus.GaugeVec
	reads *prometheus.CounterVec
}

// NewCardMetrics registers the metrics and gives every lane that has a card reader its zeros.
func NewCardMetrics(reg prometheus.Registerer, lanes ...string) *CardMetrics {
	m := &CardMetrics{
		up: gaugeVec(reg, "gated_card_reader_up", "Whether the ID card reader of the lane is connected and answers: 1 if so, else 0."),
		reads: counterVec(reg, "gated_card_reads_total",
			"Attempts to read a card that lay on the lane's ID card reader, by what came of them.", "result"),
	}
	for _, lane := range lanes {
		m.up.WithLabelValues(lane)
		for _, result := range []string{readOK, readFailed, readDamaged, readNoAnswer} {
			m.reads.WithLabelValues(lane, result)
		}
	}
	return m
}
