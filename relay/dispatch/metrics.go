package dispatch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"invitation-relay/relay/event"
)

// metrics are those that attempts write. What can be read off a lane (pending,
// oldest, held) is collected at the scrape instead. Labels are names from the
// config; a target that is gone takes its series with it, but for the gauges of
// what waits for it, which somebody has to see.
type metrics struct {
	attempts        *prometheus.CounterVec
	attemptSeconds  *prometheus.HistogramVec
	deliverySeconds *prometheus.HistogramVec
	dead            *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f, label := promauto.With(reg), []string{"target"}
	return &metrics{
		attempts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_attempts_total", Help: "Attempts ended, by outcome: delivered, retry, rejected, held.",
		}, []string{"target", "outcome"}),
		attemptSeconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "relay_attempt_seconds", Help: "How long an attempt took, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60},
		}, label),
		deliverySeconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "relay_delivery_seconds", Help: "Seconds from the receipt of an event to its delivery, failed attempts included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 72 * 3600}, // 1 ms to 3 days
		}, label),
		dead: f.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_dead_total", Help: "Deliveries that became dead letters: rejected, or their time was up.",
		}, label),
	}
}

// laneMetrics are one target's series, looked up once and not at each attempt.
type laneMetrics struct {
	attempts        [event.Held + 1]prometheus.Counter
	attemptSeconds  prometheus.Observer
	deliverySeconds prometheus.Observer
	dead            prometheus.Counter
}

func (m *metrics) lane(name string) *laneMetrics {
	l := &laneMetrics{
		attemptSeconds:  m.attemptSeconds.WithLabelValues(name),
		deliverySeconds: m.deliverySeconds.WithLabelValues(name),
		dead:            m.dead.WithLabelValues(name),
	}
	for o := event.Delivered; o <= event.Held; o++ {
		l.attempts[o] = m.attempts.WithLabelValues(name, o.String())
	}
	return l
}

func (m *metrics) remove(name string) {
	m.attempts.DeletePartialMatch(prometheus.Labels{"target": name})
	m.attemptSeconds.DeleteLabelValues(name)
	m.deliverySeconds.DeleteLabelValues(name)
	m.dead.DeleteLabelValues(name)
}

// gauges reads the lanes at each scrape.
type gauges struct {
	d                     *Dispatcher
	pending, oldest, held *prometheus.Desc
}

func newGauges(d *Dispatcher) *gauges {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"target"}, nil)
	}
	return &gauges{
		d:       d,
		pending: desc("relay_pending", "Deliveries waiting or being tried."),
		oldest:  desc("relay_oldest_pending_seconds", "Age of the oldest pending delivery in seconds, 0 when there is none."),
		held:    desc("relay_target_held", "1 while the target is on hold."),
	}
}

// Describe is a prometheus.Collector's.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- g.pending
	ch <- g.oldest
	ch <- g.held
}

// Collect is a prometheus.Collector's.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	now := g.d.now()
	gauge := func(desc *prometheus.Desc, v float64, name string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, name)
	}
	for _, s := range g.d.Status() {
		gauge(g.pending, float64(s.Pending), s.Name)
		gauge(g.oldest, age(now, s.Oldest).Seconds(), s.Name)
		if s.Kind == "" { // gone from the config, and deliveries wait for it
			continue
		}
		held := 0.0
		if s.Held {
			held = 1
		}
		gauge(g.held, held, s.Name)
	}
}

// age is how long ago t was: 0 for the zero time, and when the clock went back.
func age(now, t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, now.Sub(t))
}
