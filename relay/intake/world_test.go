package intake

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"invitation-relay/relay/event"
	"invitation-relay/relay/secret"
)

const (
	testUser     = "preventor"
	testPassword = "correct horse"
	testKey      = "test key of exactly thirty-two b"
	otherKey     = "another test key of thirty-two b"
	testBody     = `{"id":"i-1","invitation_state":"COMPLETED","cifcod":"C-7","full_name":"Jon Doe","ticket":"t-1","transaction_status":"REJECTED","attempts":3}`
)

// world is a handler and everything around it.
type world struct {
	t       testing.TB
	h       *Handler
	reg     *prometheus.Registry
	log     *bytes.Buffer
	mu      sync.Mutex
	now     time.Time
	events  []*event.Event
	refused []*event.Refused
	fail    error // what Accept and Refuse answer
	drain   bool
}

// sources of the usual world: /plain and /enc, both behind the same password.
func twoSources() []*Source {
	auth := Auth{Basic: []Basic{{testUser, secret.New(testPassword)}}}
	return []*Source{
		{Name: "plain", Path: "/plain", Auth: auth, Schema: invitations(), KeepRefused: true},
		{Name: "enc", Path: "/enc", Auth: auth, Schema: invitations(), KeepRefused: true, Keys: [][]byte{[]byte(testKey)}},
	}
}

// newWorld starts at a fixed time; Accept remembers, and knows repeats.
func newWorld(t testing.TB, sources ...*Source) *world {
	t.Helper()
	if len(sources) == 0 {
		sources = twoSources()
	}
	return newWorldWith(t, Config{Sources: sources})
}

func newWorldWith(t testing.TB, cfg Config) *world {
	t.Helper()
	w := &world{t: t, reg: prometheus.NewRegistry(), log: new(bytes.Buffer), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	cfg.Now = func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
	cfg.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Metrics = NewMetrics(w.reg)
	cfg.Draining = func() bool { return w.drain }
	cfg.Accept = w.accept
	cfg.Refuse = func(_ context.Context, r *event.Refused) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.refused = append(w.refused, r)
		return w.fail
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.h = h
	return w
}

func (w *world) accept(_ context.Context, ev *event.Event) (Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return Receipt{}, w.fail
	}
	for _, old := range w.events {
		if old.Source == ev.Source && old.Dedupe == ev.Dedupe {
			return Receipt{ID: old.ID, Duplicate: true}, nil
		}
	}
	w.events = append(w.events, ev)
	return Receipt{ID: ev.ID}, nil
}

// last is the event stored last.
func (w *world) last() *event.Event {
	w.t.Helper()
	if len(w.events) == 0 {
		w.t.Fatal("no event was stored")
	}
	return w.events[len(w.events)-1]
}

// request is a valid one, for change to spoil.
func request(path, body string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.SetBasicAuth(testUser, testPassword)
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = "192.0.2.1:40000"
	for _, f := range change {
		f(r)
	}
	return r
}

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del(name)
		if len(values) > 0 {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
}

func from(addr string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = addr }
}

func noAuth(r *http.Request) { r.Header.Del("Authorization") }

// do sends, and asserts the status.
func (w *world) do(want int, r *http.Request) *httptest.ResponseRecorder {
	w.t.Helper()
	rec := send(w, r)
	if rec.Code != want {
		w.t.Fatalf("%s %s: answered %d %s, want %d", r.Method, r.URL.Path, rec.Code, rec.Body, want)
	}
	return rec
}

// send sends, whatever the answer.
func send(w *world, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	return rec
}

// body is what r is about to send.
func body(t testing.TB, r *http.Request) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return b
}

// wire writes an answer as it would be on the wire, headers sorted.
func wire(rec *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintln(&b, rec.Code)
	for _, name := range slices.Sorted(maps.Keys(rec.Header())) {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(rec.Header()[name], " | "))
	}
	return b.String() + "\n" + rec.Body.String()
}

// encrypt is the sender's side.
func encrypt(t testing.TB, key, text string) (iv, body string) {
	t.Helper()
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	ivBytes := []byte("0123456789abcdef")
	pad := aes.BlockSize - len(text)%aes.BlockSize
	out := append([]byte(text), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, ivBytes).CryptBlocks(out, out)
	return base64.StdEncoding.EncodeToString(ivBytes), base64.StdEncoding.EncodeToString(out)
}

// sealed is a valid encrypted request.
func sealed(t testing.TB, key, text string, change ...func(*http.Request)) *http.Request {
	t.Helper()
	iv, body := encrypt(t, key, text)
	r := request("/enc", body, header("Content-Type", "text/plain"), header(headerIV, iv))
	for _, f := range change {
		f(r)
	}
	return r
}

// samples is the folder of webhooks that all parts share.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "samples", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fromJSON(t testing.TB, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// counted is the value of relay_webhooks_total.
func (w *world) counted(source string, r result) float64 {
	return testutil.ToFloat64(w.h.cfg.Metrics.webhooks.WithLabelValues(source, r.String()))
}
