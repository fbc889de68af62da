package relay

import (
	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/rules"
)

// metrics are the relay's own; each part registers its own beside them.
type metrics struct {
	evaluations     *prometheus.CounterVec
	mustRouteBroken prometheus.Counter
	reloadOK        prometheus.Gauge
	reloadAt        prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, version string) metrics {
	m := metrics{
		evaluations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_rule_evaluations_total", Help: "Rules evaluated, by verdict: match, no_match, error, shadow.",
		}, []string{"rule", "verdict"}),
		mustRouteBroken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "relay_must_route_broken_total", Help: "Events that a must_route entry is true for, and that reached no target; once for each such entry.",
		}),
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "relay_config_reload_success", Help: "1 when the config in force is the one last read, 0 when that one was refused.",
		}),
		reloadAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "relay_config_reload_timestamp_seconds", Help: "When the config in force was read, in seconds since 1970.",
		}),
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "relay_build_info", Help: "1; what runs stands in the label."}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	reg.MustRegister(m.evaluations, m.mustRouteBroken, m.reloadOK, m.reloadAt, info)
	return m
}

// counters holds one rule's counters, looked up once and not at each event.
type counters [rules.NotEvaluated + 1]prometheus.Counter

func (m *metrics) forRules(names []string) []counters {
	all := make([]counters, len(names))
	for i, name := range names {
		for v := range rules.NotEvaluated {
			all[i][v] = m.evaluations.WithLabelValues(name, v.String())
		}
	}
	return all
}
