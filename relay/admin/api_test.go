package admin

import (
	gocmp "cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// noon is when the tests are; the store's items are of the morning before.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// shelf is a Reader that holds what it is given and remembers what it was asked.
type shelf struct {
	events     []outbox.StoredEvent
	deliveries []outbox.StoredDelivery
	refused    []event.Refused
	attempts   map[outbox.Key][]outbox.Attempt
	counts     map[outbox.Address]outbox.Count
	more       bool
	err        error

	asked outbox.Filter
	of    string
}

func (s *shelf) Events(_ context.Context, f outbox.Filter) ([]outbox.StoredEvent, bool, error) {
	s.asked, s.of = f, "events"
	return s.events, s.more, s.err
}

func (s *shelf) Deliveries(_ context.Context, f outbox.Filter) ([]outbox.StoredDelivery, bool, error) {
	s.asked, s.of = f, "deliveries"
	return s.deliveries, s.more, s.err
}

func (s *shelf) Refused(_ context.Context, f outbox.Filter) ([]event.Refused, bool, error) {
	s.asked, s.of = f, "refused"
	return s.refused, s.more, s.err
}

// Event returns the whole event; the lists of a real store have no bodies.
func (s *shelf) Event(_ context.Context, id event.ID) (*outbox.StoredEvent, error) {
	for i := range s.events {
		if s.events[i].ID == id && s.err == nil {
			return &s.events[i], nil
		}
	}
	return nil, gocmp.Or(s.err, event.ErrNotFound)
}

func (s *shelf) Delivery(_ context.Context, k outbox.Key) (*outbox.StoredDelivery, error) {
	for i := range s.deliveries {
		if s.deliveries[i].Key == k && s.err == nil {
			d := s.deliveries[i]
			return &d, nil
		}
	}
	return nil, gocmp.Or(s.err, event.ErrNotFound)
}

func (s *shelf) Attempts(_ context.Context, k outbox.Key) ([]outbox.Attempt, error) {
	return s.attempts[k], s.err
}

func (s *shelf) Counts(context.Context) (map[outbox.Address]outbox.Count, error) {
	return s.counts, s.err
}

// bench is an API under test with what it logs.
type bench struct {
	http.Handler
	cfg Config
	log *lines
}

// newBench makes an open API over an empty shelf; change alters its config.
func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	log := &lines{}
	cfg := Config{
		Store:    &shelf{},
		Registry: prometheus.NewRegistry(),
		Log:      slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Version:  "v1.2.3",
		Now:      func() time.Time { return noon },
	}
	if change != nil {
		change(&cfg)
	}
	return &bench{New(cfg), cfg, log}
}

// ask makes one request and returns the answer. Each change alters the request.
func (b *bench) ask(method, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost:9090"
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func body(text string) func(*http.Request) {
	return func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(text)) }
}

// lines is a log that several goroutines may write.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("answer is %d, want %d\n%s", w.Code, status, w.Body)
	}
}

// wantProblem checks that the answer is a problem with this status, and returns it.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int) problem {
	t.Helper()
	wantStatus(t, w, status)
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != status || p.Title == "" || p.Type != "about:blank" {
		t.Errorf("problem does not say what it is: %+v", p)
	}
	return p
}

// golden compares an answer with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(got, &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, got)
	}
	pretty, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	pretty = append(pretty, '\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, pretty, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(pretty)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestUnknownPathIsNotFound(t *testing.T) {
	b := newBench(t, nil)
	for _, path := range []string{"/", "/api", "/api/v1", "/api/v1/event", "/livez/x", "/-/"} {
		wantProblem(t, b.ask("GET", path), http.StatusNotFound)
	}
}

func TestOtherMethodIsRefusedWithThoseThatAreAllowed(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Reload = func(context.Context) error { return nil } })
	for path, allow := range map[string]string{
		"/livez": "GET, HEAD", "/metrics": "GET, HEAD", "/api/v1/events": "GET, HEAD", "/-/reload": "POST",
	} {
		w := b.ask("DELETE", path)
		wantProblem(t, w, http.StatusMethodNotAllowed)
		if got := w.Header().Get("Allow"); got != allow {
			t.Errorf("%s: Allow is %q, want %q", path, got, allow)
		}
	}
	wantStatus(t, b.ask("HEAD", "/api/v1/events"), http.StatusOK)
}

func TestErrorOfTheStoreBecomesAStatusAndNoText(t *testing.T) {
	const inner = "sqlite: disk I/O error at /var/lib/relay.db"
	for err, status := range map[error]int{
		event.ErrUnavailable:                        http.StatusServiceUnavailable,
		event.ErrNotFound:                           http.StatusNotFound,
		context.DeadlineExceeded:                    http.StatusServiceUnavailable,
		errors.New("anything"):                      http.StatusInternalServerError,
		&InvalidError{Problems: []string{"a line"}}: http.StatusUnprocessableEntity,
	} {
		b := newBench(t, func(c *Config) { c.Store = &shelf{err: errors.Join(errors.New(inner), err)} })
		w := b.ask("GET", "/api/v1/events")
		wantProblem(t, w, status)
		if strings.Contains(w.Body.String(), "sqlite") {
			t.Errorf("%v: the answer shows the inside: %s", err, w.Body)
		}
		if status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") != "5" {
			t.Errorf("%v: Retry-After is %q", err, w.Header().Get("Retry-After"))
		}
		if status >= 500 && !strings.Contains(b.log.String(), "disk I/O error") {
			t.Errorf("%v: the log does not say why: %s", err, b.log)
		}
	}
}

func TestClientThatHangsUpIsNoErrorInTheLog(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Store = &shelf{err: context.Canceled} })
	b.ask("GET", "/api/v1/events")
	if b.log.String() != "" {
		t.Errorf("logged: %s", b.log)
	}
}
