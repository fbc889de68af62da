package relay_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"invitation-relay/relay/relaytest"
)

// collected is an OTLP collector in this process.
type collected struct {
	mu    sync.Mutex
	spans []*otlp.Span
	text  strings.Builder // all that arrived, to search
}

func collect(t *testing.T) *collected {
	t.Helper()
	c := &collected{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &req); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.text.WriteString(req.String())
		for _, rs := range req.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				c.spans = append(c.spans, ss.GetSpans()...)
			}
		}
	}))
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	return c
}

func (c *collected) named(name string) (all []*otlp.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.GetName() == name {
			all = append(all, s)
		}
	}
	return all
}

func TestAnAttemptAfterARestartIsInTheWebhooksTraceAndSoIsItsRequest(t *testing.T) {
	c := collect(t)
	receiver := relaytest.NewTarget(t, relaytest.Status(500))
	yaml := fmt.Sprintf(`
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:%s"}
sources: {plain: {path: /plain, auth: {anonymous: true}}}
rules: [{name: all, when: 'true', to: [it]}]
targets: {it: {http: {url: "%s"}, retry: {initial: 300ms, max: 300ms, max_age: 1h, quick: 0}}}
`, filepath.Join(t.TempDir(), "relay.db"), receiver.URL())
	w := startWorld(t, yaml)
	w.accepted(`{"id":"i-1"}`)
	w.until("the first attempt is made", func() bool { return len(receiver.Requests()) > 0 })
	w.stop()
	w = startWorld(t, yaml)
	w.until("it is delivered", func() bool {
		return strings.Contains(w.get("/api/v1/deliveries"), `"delivered"`) || len(receiver.Requests()) > 1
	})
	w.stop()

	hooks, stored, attempts := c.named("webhook"), c.named("decide and store"), c.named("attempt")
	if len(hooks) != 1 || len(stored) != 1 || len(attempts) < 2 {
		t.Fatalf("%d webhooks, %d stored, %d attempts; want 1, 1, at least 2", len(hooks), len(stored), len(attempts))
	}
	hook := hooks[0]
	for _, s := range append(stored, attempts...) {
		if string(s.GetTraceId()) != string(hook.GetTraceId()) || string(s.GetParentSpanId()) != string(hook.GetSpanId()) {
			t.Errorf("%s is not the webhook's child: %v, %v", s.GetName(), s, hook)
		}
	}
	if hook.GetKind() != otlp.Span_SPAN_KIND_SERVER || attempts[0].GetKind() != otlp.Span_SPAN_KIND_CLIENT {
		t.Errorf("kinds %v, %v", hook.GetKind(), attempts[0].GetKind())
	}
	for i, r := range receiver.Requests()[:2] {
		want := "00-" + hex.EncodeToString(attempts[i].GetTraceId()) + "-" + hex.EncodeToString(attempts[i].GetSpanId()) + "-01"
		if got := r.Header.Get("Traceparent"); got != want {
			t.Errorf("attempt %d went out with %s, want %s", i+1, got, want)
		}
	}
}

func TestNoNameNoSecretAndNoURLIsInASpan(t *testing.T) {
	c := collect(t)
	receiver := relaytest.NewTarget(t, echo(500), echo(400))
	gone := "http://user:canary-url-token@127.0.0.1:1/canary-url-token"
	w := startWorld(t, fmt.Sprintf(canaryConfig, filepath.Join(t.TempDir(), "relay.db"), receiver.URL(), receiver.URL(), receiver.URL(), receiver.URL(), 1))
	for _, path := range []string{"/plain?name=Canary+Person", "/enc"} {
		w.post(path, `{"id":"i-1","full_name":"Canary Person","cifcod":"C-CANARY-77","score":1}`,
			"Authorization", "Basic dmVuZG9yOmNhbmFyeS1iYXNpYy1wYXNzd29yZA==", "X-Relay-Token", "canary-header-token", "Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	}
	w.until("every delivery has been tried", func() bool { return !strings.Contains(w.get("/api/v1/deliveries?limit=1000"), `"attempts":0`) })
	w.stop()
	if len(c.named("webhook")) != 2 || len(c.named("attempt")) < 6 {
		t.Fatalf("%d webhooks and %d attempts: this test would see nothing", len(c.named("webhook")), len(c.named("attempt")))
	}
	text := c.text.String()
	for _, canary := range append([]string{"127.0.0.1", "http://", receiver.URL(), gone, "/plain", "vendor"}, canaries...) {
		if i := strings.Index(text, canary); i >= 0 {
			t.Errorf("%q is in a span: …%s…", canary, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}
