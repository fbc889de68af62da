package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsSpeakBothFormats(t *testing.T) {
	b := newBench(t, nil)
	b.ask("GET", "/livez")
	const line = `relay_admin_requests_total{endpoint="/livez",status="200"} 1`
	for accept, contentType := range map[string]string{
		"": "text/plain",
		"application/openmetrics-text;version=1.0.0": "application/openmetrics-text",
	} {
		w := b.ask("GET", "/metrics", header("Accept", accept))
		wantStatus(t, w, http.StatusOK)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, contentType) {
			t.Errorf("Accept %q: Content-Type is %q", accept, got)
		}
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("Accept %q: no line %s in\n%s", accept, line, w.Body)
		}
		if om := strings.HasSuffix(w.Body.String(), "# EOF\n"); om != (accept != "") {
			t.Errorf("Accept %q: ends with EOF: %t", accept, om)
		}
	}
}

func TestRequestsAreCountedByEndpointAndNotByPath(t *testing.T) {
	b := newBench(t, nil)
	b.ask("GET", "/api/v1/events")
	b.ask("GET", "/api/v1/events?limit=x")
	b.ask("GET", "/guess-1")
	b.ask("GET", "/guess-2")
	want := `
# HELP relay_admin_requests_total Requests to the admin listener, by endpoint and status code.
# TYPE relay_admin_requests_total counter
relay_admin_requests_total{endpoint="/api/v1/events",status="200"} 1
relay_admin_requests_total{endpoint="/api/v1/events",status="400"} 1
relay_admin_requests_total{endpoint="unknown",status="404"} 2
`
	if err := testutil.GatherAndCompare(b.cfg.Registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(b.cfg.Registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func TestTwoHandlersMayShareARegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	first := newBench(t, func(c *Config) { c.Registry = reg })
	second := newBench(t, func(c *Config) { c.Registry = reg })
	first.ask("GET", "/livez")
	second.ask("GET", "/livez")
	if n := testutil.CollectAndCount(newMetrics(reg).requests); n != 1 {
		t.Errorf("%d series, want the one of both", n)
	}
}
