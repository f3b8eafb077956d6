// Package metrics counts what the gate does.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the gate's counters.
type Metrics struct {
	Scans     *prometheus.CounterVec // by lane and kind
	Decisions *prometheus.CounterVec // by lane, direction, verdict and reason
	Repeats   *prometheus.CounterVec // these by lane
	Tries     *prometheus.CounterVec
	ByHand    *prometheus.CounterVec // by lane and reason
	Heads     *prometheus.CounterVec // these by lane
	Uncounted *prometheus.CounterVec
	Seconds   prometheus.Histogram
}

// New makes them for some lanes, and for the reasons of openings by hand.
func New(lanes, reasons []string) Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := Metrics{
		Scans: counter("gated_scans_total", "Codes and ID cards handed to the gate, by kind.", "lane", "kind"),
		Decisions: counter("gated_decisions_total",
			"Answers of the gate, by verdict and reason; a hold and what the guard decided about it are two.",
			"lane", "direction", "verdict", "reason"),
		Repeats: counter("gated_repeats_total",
			"Codes that were read again within the repeat window: shown as already read, not decided anew.", "lane"),
		Tries: counter("gated_wrong_tries_total",
			"Five forged or revoked codes in a row within two minutes: somebody tries one after the other.", "lane"),
		ByHand: counter("gated_opened_by_hand_total", "Times that a guard opened the lane by hand, and why.", "lane", "reason"),
		Heads: counter("gated_opened_by_hand_heads_total",
			"People and vehicles that passed while the lane was open by hand, as guards counted them: not registered.", "lane"),
		Uncounted: counter("gated_opened_by_hand_uncounted_total", "Openings by hand that ended without a count.", "lane"),
		Seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gated_decision_seconds", Help: "Time from the last byte of a code to its durable decision.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}),
	}
	for _, l := range lanes {
		for _, c := range []*prometheus.CounterVec{m.Repeats, m.Tries, m.Heads, m.Uncounted} {
			c.WithLabelValues(l)
		}
		for _, r := range reasons {
			m.ByHand.WithLabelValues(l, r)
		}
		for _, k := range []string{"gated-pass", "eu-dcc", "smart-health-card", "cn-resident-id", "cn-id-card", "cn-prc-card",
			"cn-hmt-permit", "plate", "visit-code", "unknown"} {
			m.Scans.WithLabelValues(l, k)
		}
	}
	return m
}

// Register hands them over, with the gauges.
func (m Metrics) Register(to prometheus.Registerer, g Gauges) {
	to.MustRegister(g, m.Scans, m.Decisions, m.Repeats, m.Tries, m.ByHand, m.Heads, m.Uncounted, m.Seconds)
}
