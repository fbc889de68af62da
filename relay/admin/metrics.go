package admin

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts what was asked of the API. Its labels are the patterns of
// endpoints and status codes: nothing a caller can invent.
type metrics struct{ requests *prometheus.CounterVec }

// newMetrics registers with reg, and shares what an earlier handler with the
// same registry has registered.
func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "relay_admin_requests_total",
		Help: "Requests to the admin listener, by endpoint and status code.",
	}, []string{"endpoint", "status"})}
	if err := reg.Register(m.requests); err != nil {
		var again prometheus.AlreadyRegisteredError
		if !errors.As(err, &again) {
			panic(err) // two metrics with one name: a mistake in the program
		}
		m.requests = again.ExistingCollector.(*prometheus.CounterVec)
	}
	return m
}

// exposition shows the registry in the format the scraper asks for, OpenMetrics
// included. A collector that fails costs its own metrics only.
func (a *api) exposition() http.Handler {
	return promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	})
}
