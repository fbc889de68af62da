package target_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
	"invitation-relay/rules"
)

// received is when the events of these tests came in.
var received = time.Date(2026, time.November, 23, 1, 41, 7, 0, time.UTC)

// sample is the vendor's own example.
const sample = `{"id":"8d2c9a0e-6f7b-4c35-9d1e-2b7a4c1f0e55","invitation_state":"COMPLETED","cifcod":"C-100234",` +
	`"full_name":"Jon Doe","ticket":"3f0b7c52-91de-4f4a-8a57-0c6c1f2d9b10","transaction_status":"REJECTED","attempts":3}`

// testEnv is what the texts of these tests may name.
func testEnv(t testing.TB) *rules.Env {
	t.Helper()
	env, err := rules.NewEnv(rules.Source{Name: "preventor", Preset: "invitation"}, rules.Source{Name: "tickets", Preset: "idv-ticket"})
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// message is one delivery of a body, as dispatch would hand it over.
func message(t testing.TB, body string) *target.Message {
	t.Helper()
	id, err := event.ParseID("0198c5a2-4f10-7abc-8def-0123456789ab")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatal(err)
	}
	for k, v := range fields {
		if f, ok := v.(float64); ok && f == float64(int(f)) {
			fields[k] = int(f)
		}
	}
	status, _ := fields["transaction_status"].(string)
	if flow, ok := fields["flow_status"].(string); ok {
		status = flow
	}
	return &target.Message{
		DeliveryID: "0198c5a2-4f10-7abc-8def-0123456789ab.case-api", Attempt: 1, Now: received.Add(time.Second),
		Event: &event.Event{ID: id, Source: "preventor", ReceivedAt: received, Body: []byte(body), Fields: fields, Status: status},
	}
}

// newHTTP builds an HTTP target for url; change may set what else the test needs.
func newHTTP(t testing.TB, url string, change func(*target.HTTPConfig, *target.Deps)) *target.HTTP {
	t.Helper()
	c, d := target.HTTPConfig{URL: secret.New(url)}, target.Deps{Env: testEnv(t), Version: "1.2.3"}
	if change != nil {
		change(&c, &d)
	}
	c.SetDefaults()
	c.Check(d.Env, func(path string, _, _ int, msg, _ string) { t.Fatalf("check: %s %s", path, msg) })
	h, err := target.NewHTTP("case-api", c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// transport answers requests without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return f(r)
}

// answer is an answer from a transport.
func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// golden compares got with a file in testdata, which UPDATE=1 rewrites.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); UPDATE=1 rewrites it\n%s", path, diff)
	}
}

// standardLog collects what reaches the standard library's logger, which
// net/http writes to on its own account.
func standardLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	log.SetOutput(&b)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return &b
}
