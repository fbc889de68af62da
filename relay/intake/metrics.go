package intake

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Metrics counts webhooks. One Metrics serves any number of handlers, one after
// another or at once: a reload makes a new Handler with the old Metrics.
type Metrics struct {
	webhooks, members, values *prometheus.CounterVec

	mu      sync.Mutex
	senders map[string]*sender
}

// sender is what Senders tells of one source, over all handlers.
type sender struct {
	heard  []prometheus.Counter // of the results of those whose credentials held
	sealed atomic.Uint64
}

// NewMetrics registers with reg; nil makes metrics that nobody sees.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		senders: map[string]*sender{},
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
	sealed          *atomic.Uint64 // could not be decrypted
}

func (m *Metrics) source(name string) *counters {
	c := &counters{members: m.members.WithLabelValues(name), values: m.values.WithLabelValues(name)}
	for r := range results {
		c.results[r] = m.webhooks.WithLabelValues(name, r.String())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.senders[name]
	if s == nil {
		s = &sender{}
		for _, r := range [...]result{accepted, duplicate, malformed, unsupported, invalid, unavailable} {
			s.heard = append(s.heard, c.results[r])
		}
		m.senders[name] = s
	}
	c.sealed = &s.sealed
	return c
}

// Sender is what one source has sent since the start.
type Sender struct {
	Name   string
	Heard  float64 // webhooks whose credentials held, whatever became of them
	Sealed float64 // those of them that could not be decrypted
}

// Senders are all sources that were ever in the config, by name. It costs
// nothing while a webhook is taken: it reads the counters.
func (m *Metrics) Senders() []Sender {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Sender
	for _, name := range slices.Sorted(maps.Keys(m.senders)) {
		s := m.senders[name]
		out := Sender{Name: name, Sealed: float64(s.sealed.Load())}
		for _, c := range s.heard {
			var now dto.Metric
			if c.Write(&now) == nil {
				out.Heard += now.GetCounter().GetValue()
			}
		}
		all = append(all, out)
	}
	return all
}

// nowhere counts what is sent to no source.
func (m *Metrics) nowhere() *counters {
	c := &counters{sealed: new(atomic.Uint64)}
	c.results[notFound] = m.webhooks.WithLabelValues("", notFound.String())
	return c
}
