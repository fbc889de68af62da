package relay_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
)

// world is a relay in this process, and all that can be seen of it.
type world struct {
	t            *testing.T
	r            *relay.Relay
	log          *buffer
	hooks, admin string
	seen         []string               // answers
	yaml         atomic.Pointer[string] // what a reload reads
	cancel       context.CancelFunc
	ahead        atomic.Int64 // nanoseconds by which the relay's clock is ahead
	ended        chan error
}

func startWorld(t *testing.T, yaml string) *world { return startWorldAt(t, yaml, 0) }

// startWorldAt starts one with a clock that is ahead.
func startWorldAt(t *testing.T, yaml string, ahead time.Duration) *world {
	t.Helper()
	w := &world{t: t, log: &buffer{}, ended: make(chan error, 1)}
	w.ahead.Store(int64(ahead))
	w.yaml.Store(&yaml)
	load := func() (*config.Config, error) {
		cfg, problems := config.Parse("relay.yaml", []byte(*w.yaml.Load()), config.Options{})
		return cfg, problems.Err()
	}
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.r, err = relay.New(t.Context(), cfg, relay.Options{Load: load, Log: log, Version: "test", Now: w.now}); err != nil {
		t.Fatal(err)
	}
	w.hooks, w.admin = "http://"+w.r.Addr().String(), "http://"+w.r.AdminAddr().String()
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	go func() { w.ended <- w.r.Run(ctx) }()
	t.Cleanup(w.stop)
	return w
}

// now is the relay's clock.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// stop ends the relay, once.
func (w *world) stop() {
	if w.cancel == nil {
		return
	}
	w.cancel()
	w.cancel = nil
	if err := <-w.ended; err != nil {
		w.t.Errorf("the relay ended with %v", err)
	}
}

// post sends a webhook and remembers the answer.
func (w *world) post(path, body string, header ...string) (status int, answer string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.hooks+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	status, answer = w.do(req)
	w.seen = append(w.seen, "the answer to POST\n"+answer)
	return status, answer
}

// accepted posts to /plain and demands a 202.
func (w *world) accepted(body string) {
	w.t.Helper()
	if status, answer := w.post("/plain", body); status != http.StatusAccepted {
		w.t.Fatalf("answered %d %s, want 202", status, answer)
	}
}

// reload asks the admin API for one.
func (w *world) reload() (int, string) { return w.send(http.MethodPost, w.admin+"/-/reload") }

// send makes a request without a body.
func (w *world) send(method, url string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.do(req)
}

func (w *world) get(path string) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.admin+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	_, body := w.do(req)
	return body
}

func (w *world) do(req *http.Request) (int, string) {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// until waits for something that only polling shows.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			w.t.Fatalf("waited in vain until %s\n%s", what, w.get("/api/v1/deliveries?limit=1000"))
		}
	}
}

// buffer is a log that goroutines write and a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
