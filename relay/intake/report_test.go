package intake

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"invitation-relay/relay/event"
)

// No name, customer id, body, header or secret shows up anywhere but in the event
// and in what is kept: not in the log at its most talkative, not in an answer,
// not in a metric.
func TestNothingSentIsShown(t *testing.T) {
	canaries := []string{
		"canary-name", "canary-cif", "canary-id", "canary-value", "canary-header", "canary-path", "canary-member",
		"canary-password", testPassword, testKey, base64.StdEncoding.EncodeToString([]byte(testUser + ":" + testPassword)),
	}
	const text = `{"id":"canary-id","cifcod":"canary-cif","full_name":"canary-name","canary-member":"canary-value","attempts":1}`
	src := twoSources()
	src[0].DedupeKey = func(*event.Event) (string, error) { return "", errors.New("canary-value") }
	w := newWorld(t, src...)
	requests := []*http.Request{
		request("/plain", text), request("/plain", text), request("/plain", text+"canary-value"), request("/plain", text[:60]),
		request("/plain", strings.Replace(text, "1}", `"canary-value"}`, 1)), request("/plain", `"canary-name"`), request("/plain", `{"canary-name":1,"canary-name":2}`),
		request("/plain", text, header("Content-Type", "canary-header/x")), request("/plain", text, header("Content-Encoding", "canary-header")),
		request("/plain", text, header("Authorization", basicAuth("canary-name", "canary-password"))), request("/plain", text, header("Authorization", "canary-password")),
		request("/canary-path", text), request("/plain", text, func(r *http.Request) { r.Method = "CANARY-PATH" }),
		request("/plain", strings.Repeat("canary-value ", DefaultMaxBody)), request("/plain", text, header(headerIV, "canary-header")),
		sealed(t, testKey, text), sealed(t, otherKey, text), sealed(t, testKey, text+"x"), sealed(t, testKey, text, header(headerIV, "canary-header")),
	}
	for _, fail := range []error{nil, event.ErrUnavailable} {
		w.fail = fail
		for i, r := range requests {
			b := body(t, r)
			answer := wire(send(w, r))
			for _, c := range canaries {
				if strings.Contains(answer, c) {
					t.Errorf("answer to request %d contains %q:\n%s", i, c, answer)
				}
			}
			requests[i].Body = nil
			*requests[i] = *request(r.URL.Path, string(b), func(n *http.Request) { n.Method, n.Header = r.Method, r.Header })
		}
	}
	metrics, err := exposition(w)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range canaries {
		for where, s := range map[string]string{"log": w.log.String(), "metrics": metrics} {
			if strings.Contains(s, c) {
				t.Errorf("the %s contains %q", where, c)
			}
		}
	}
	if w.log.Len() == 0 || len(w.refused) == 0 || len(w.events) != 2 {
		t.Errorf("%d bytes of log, %d refused, %d events: the test tests nothing", w.log.Len(), len(w.refused), len(w.events))
	}
}

// A flood writes a few lines a minute, and the next minute says how many it did not.
func TestFloodDoesNotFillTheLog(t *testing.T) {
	w := newWorld(t)
	for range 1000 {
		w.do(422, request("/plain", "{}"))
		w.do(400, request("/plain", "{"))
	}
	if n := strings.Count(w.log.String(), "\n"); n != 2*maxLines {
		t.Errorf("%d lines", n)
	}
	w.log.Reset()
	w.now = w.now.Add(lineWindow)
	w.do(422, request("/plain", "{}"))
	want := fmt.Sprintf("time=T level=WARN msg=\"webhook refused\" source=plain result=invalid status=422 reason=\"id is missing, empty or not a string.\" not_logged=%d remote=192.0.2.1\n", 1000-maxLines)
	_, line, _ := strings.Cut(w.log.String(), " ")
	if got := "time=T " + line; got != want {
		t.Errorf("line is\n%swant\n%s", got, want)
	}
}

// Addresses are for debugging only.
func TestAddressIsLoggedOnlyAtDebug(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		var buf bytes.Buffer
		rp := reporter{log: slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: level}))}
		rp.refused(t.Context(), time.Now(), refJSON, "why", func() string { return "192.0.2.1" })
		rp.refused(t.Context(), time.Now(), refNotFound, "why", func() string { return "192.0.2.1" })
		if shown := strings.Contains(buf.String(), "192.0.2.1"); shown != (level == slog.LevelDebug) {
			t.Errorf("at %s: %s", level, &buf)
		}
		if shown := strings.Contains(buf.String(), "not_found"); shown != (level == slog.LevelDebug) {
			t.Errorf("noise at %s: %s", level, &buf)
		}
	}
}

func TestMetricsAreWellFormedAndSurviveAReload(t *testing.T) {
	w := newWorld(t)
	w.do(202, request("/plain", `{"id":"a","x":1,"y":2,"transaction_status":"MAYBE"}`))
	w.do(404, request("/x", ""))
	again, err := New(Config{Sources: twoSources(), Metrics: w.h.cfg.Metrics, Accept: w.accept, Now: w.h.cfg.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.h = again
	w.do(200, request("/plain", `{"id":"a","x":1,"y":2,"transaction_status":"MAYBE"}`))
	if problems, err := testutil.GatherAndLint(w.reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	for _, r := range []result{accepted, duplicate} {
		if got := w.counted("plain", r); got != 1 {
			t.Errorf("%s: %v", r, got)
		}
	}
	m := w.h.cfg.Metrics
	if got := []float64{testutil.ToFloat64(m.members.WithLabelValues("plain")), testutil.ToFloat64(m.values.WithLabelValues("plain")), w.counted("", notFound)}; got[0] != 2 || got[1] != 1 || got[2] != 1 {
		t.Errorf("unknown members, unknown values, not found: %v", got)
	}
	// Every series of a source is there from the start, and nothing else.
	if n := testutil.CollectAndCount(m.webhooks); n != 2*int(results)+1 {
		t.Errorf("%d series", n)
	}
}

// Each sentence of the server's own log is ours.
func TestErrorLogShowsNoInput(t *testing.T) {
	var buf bytes.Buffer
	srv := NewServer("", http.NotFoundHandler(), nil, slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for range 100 {
		srv.ErrorLog.Print("http: panic serving 192.0.2.1:4: canary\ngoroutine 7 [running]:")
		srv.ErrorLog.Print("http: TLS handshake error from 192.0.2.1:4: canary")
		srv.ErrorLog.Print("http: superfluous canary")
		srv.ErrorLog.Print("http: Accept error: accept tcp 127.0.0.1:8080: accept4: too many open files; retrying in 5ms")
	}
	if s := buf.String(); strings.Contains(s, "canary") || strings.Contains(s, "192.0.2.1") || strings.Contains(s, "goroutine") || !strings.Contains(s, "too many open files") {
		t.Error(s)
	}
	if n := strings.Count(buf.String(), "\n"); n != 4*maxLines {
		t.Errorf("%d lines", n)
	}
}

// exposition is every metric as text.
func exposition(w *world) (string, error) {
	families, err := w.reg.Gather()
	var b strings.Builder
	for _, f := range families {
		b.WriteString(f.String() + "\n")
	}
	return b.String(), err
}
