package intake

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts webhooks. One Metrics serves any number of handlers, one after
// another or at once: a reload makes a new Handler with the old Metrics.
type Metrics struct{ webhooks, members, values *prometheus.CounterVec }

// NewMetrics registers with reg; nil makes metrics that nobody sees.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_webhooks_total",
			Help: "Webhooks answered, by source (empty for a path that is none) and how they ended.",
		}, []string{"source", "result"}),
		members: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_unknown_members_total",
			Help: "Members of accepted bodies that the sender does not document.",
		}, []string{"source"}),
		values: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_unknown_values_total",
			Help: "Values of documented members of accepted bodies that the sender does not document.",
		}, []string{"source"}),
	}
	if reg != nil {
		reg.MustRegister(m.webhooks, m.members, m.values)
	}
	return m
}

// counters are one source's, looked up once and not at each request. They exist
// from the start, at zero: a rate needs a first value.
type counters struct {
	results         [results]prometheus.Counter
	members, values prometheus.Counter
}

func (m *Metrics) source(name string) *counters {
	c := &counters{members: m.members.WithLabelValues(name), values: m.values.WithLabelValues(name)}
	for r := range results {
		c.results[r] = m.webhooks.WithLabelValues(name, r.String())
	}
	return c
}

// nowhere counts what is sent to no source.
func (m *Metrics) nowhere() *counters {
	c := new(counters)
	c.results[notFound] = m.webhooks.WithLabelValues("", notFound.String())
	return c
}
