package intake

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/secret"
)

// TestEveryAnswerIsTheOneOfTheTable holds each answer against a golden file,
// byte for byte with its headers: senders and their operators read them.
func TestEveryAnswerIsTheOneOfTheTable(t *testing.T) {
	full := fmt.Errorf("write: disk full: %w", event.ErrUnavailable)
	var all strings.Builder
	for _, tc := range []struct {
		name    string
		status  int
		result  result
		request func(t *testing.T, w *world) *http.Request
	}{
		{"accepted", 202, accepted, func(*testing.T, *world) *http.Request { return request("/plain", testBody) }},
		{"duplicate", 200, duplicate, func(_ *testing.T, w *world) *http.Request {
			w.do(202, request("/plain", testBody))
			return request("/plain", testBody)
		}},
		{"decrypted", 202, accepted, func(t *testing.T, _ *world) *http.Request { return sealed(t, testKey, testBody) }},
		{"not json", 400, malformed, func(*testing.T, *world) *http.Request { return request("/plain", testBody+"x") }},
		{"empty", 400, malformed, func(*testing.T, *world) *http.Request { return request("/plain", "") }},
		{"doubled", 400, malformed, func(*testing.T, *world) *http.Request { return request("/plain", `{"id":"a","\u0069d":"b"}`) }},
		{"deep", 400, malformed, func(*testing.T, *world) *http.Request {
			return request("/plain", `{"id":"a","x":`+strings.Repeat("[", 64)+strings.Repeat("]", 64)+`}`)
		}},
		{"cut short", 400, malformed, func(*testing.T, *world) *http.Request {
			return request("/plain", "", func(r *http.Request) {
				r.Body = io.NopCloser(io.MultiReader(strings.NewReader(testBody[:20]), iotest.ErrReader(io.ErrUnexpectedEOF)))
			})
		}},
		{"two content types", 400, malformed, func(*testing.T, *world) *http.Request {
			return request("/plain", testBody, header("Content-Type", "application/json", "text/plain"))
		}},
		{"encrypted, no key", 400, malformed, func(t *testing.T, _ *world) *http.Request {
			r := sealed(t, testKey, testBody)
			r.URL.Path = "/plain"
			return r
		}},
		{"wrong key", 400, malformed, func(t *testing.T, _ *world) *http.Request { return sealed(t, otherKey, testBody) }},
		{"encrypted, invalid", 400, malformed, func(t *testing.T, _ *world) *http.Request { return sealed(t, testKey, "{}") }},
		{"no credentials", 401, unauthorized, func(*testing.T, *world) *http.Request { return request("/plain", "{", noAuth) }},
		{"other's secret", 401, unauthorized, func(*testing.T, *world) *http.Request { return request("/token", testBody) }},
		{"address", 403, forbidden, func(*testing.T, *world) *http.Request { return request("/near", testBody) }},
		{"path", 404, notFound, func(*testing.T, *world) *http.Request { return request("/plain/", testBody) }},
		{"method", 405, badMethod, func(*testing.T, *world) *http.Request {
			return request("/plain", "", func(r *http.Request) { r.Method = "GET" })
		}},
		{"too large", 413, tooLarge, func(*testing.T, *world) *http.Request {
			return request("/plain", strings.Repeat(" ", DefaultMaxBody+1))
		}},
		{"compressed", 415, unsupported, func(*testing.T, *world) *http.Request {
			return request("/plain", testBody, header("Content-Encoding", "gzip"))
		}},
		{"form", 415, unsupported, func(*testing.T, *world) *http.Request {
			return request("/plain", testBody, header("Content-Type", "application/x-www-form-urlencoded"))
		}},
		{"no object", 422, invalid, func(*testing.T, *world) *http.Request { return request("/plain", "[]") }},
		{"no id", 422, invalid, func(*testing.T, *world) *http.Request { return request("/plain", `{"attempts":1}`) }},
		{"attempts a string", 422, invalid, func(*testing.T, *world) *http.Request { return request("/plain", `{"id":"a","attempts":"1"}`) }},
		{"guessed too often", 429, throttled, func(_ *testing.T, w *world) *http.Request {
			for range maxFailures {
				w.do(401, request("/plain", testBody, noAuth))
			}
			return request("/plain", testBody, noAuth)
		}},
		{"disk full", 503, unavailable, func(_ *testing.T, w *world) *http.Request { w.fail = full; return request("/plain", testBody) }},
		{"any other error", 503, unavailable, func(_ *testing.T, w *world) *http.Request {
			w.fail = errors.New("a mistake of ours")
			return request("/plain", testBody)
		}},
		{"draining", 503, unavailable, func(_ *testing.T, w *world) *http.Request { w.drain = true; return request("/plain", testBody) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, append(twoSources(),
				&Source{Name: "token", Path: "/token", Auth: Auth{Headers: []Header{{"X-Token", secret.New("abc")}}}},
				&Source{Name: "near", Path: "/near", Auth: Auth{AllowFrom: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}},
			)...)
			r := tc.request(t, w)
			source := strings.TrimPrefix(r.URL.Path, "/")
			if tc.result == notFound {
				source = ""
			}
			before := w.counted(source, tc.result)
			got := wire(w.do(tc.status, r))
			if n := w.counted(source, tc.result) - before; n != 1 {
				t.Errorf("counted %v times as %s", n, tc.result)
			}
			for _, ev := range w.events {
				got = strings.ReplaceAll(got, ev.ID.String(), "EVENT-ID")
			}
			fmt.Fprintf(&all, "-- %s --\n%s\n", tc.name, got)
		})
	}
	golden(t, "answers.golden", all.String())
}

// golden compares with testdata/NAME; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs; UPDATE=1 rewrites it (-want +got):\n%s", file, d)
	}
}

// Methods that are safe, or ask what is allowed, are no webhooks either.
func TestOnlyPostIsAWebhook(t *testing.T) {
	w := newWorld(t)
	for _, m := range []string{"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "post", "QUERY"} {
		rec := w.do(405, request("/plain", testBody, func(r *http.Request) { r.Method = m }, header("X-HTTP-Method-Override", "POST")))
		if rec.Header().Get("Allow") != "POST" {
			t.Errorf("%s: Allow is %q", m, rec.Header().Get("Allow"))
		}
	}
	if len(w.events) != 0 {
		t.Error("a method other than POST made an event")
	}
}

func TestPathsAreExact(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"/", "/plain/", "//plain", "/PLAIN", "/plain/x", "/x/../plain", "/plain;a", "/plain%2F"} {
		r := request("/plain", testBody)
		u, err := r.URL.Parse("http://example.com" + p)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = strings.ReplaceAll(p, "%2F", "/") // Parse cleans dots
		r.URL = u
		w.do(404, r)
	}
	w.do(202, request("/plain?utm=1&utm=2;x", testBody))
}

func TestLabels(t *testing.T) {
	for label, want := range map[string]int{
		"":                                        202,
		"application/json":                        202,
		"Application/JSON":                        202,
		"application/json; charset=utf-8":         202,
		`application/json;charset="UTF-8"`:        202,
		"application/json; charset=us-ascii":      202,
		"application/json; profile=x":             202,
		"text/json":                               202,
		"text/plain":                              202,
		"text/plain; charset=UTF-8":               202,
		"application/vnd.vendor+json":             202,
		"application/cloudevents+json":            202,
		"application/json; charset":               415,
		"application/json; charset=iso-8859-1":    415,
		"application/json; charset=utf-16":        415,
		"application/json-seq":                    415,
		"application/jsonp":                       415,
		"application/xml":                         415,
		"application/octet-stream":                415,
		"application/x-www-form-urlencoded":       415,
		"multipart/form-data; boundary=x":         415,
		"text/html":                               415,
		"json":                                    415,
		";;;":                                     415,
		"application/json, text/plain":            415,
		"application/json\x00":                    415,
		"application/json; charset=utf-8; q=1; q": 415,
	} {
		t.Run(label, func(t *testing.T) {
			var values []string
			if label != "" {
				values = []string{label}
			}
			newWorld(t).do(want, request("/plain", testBody, header("Content-Type", values...)))
		})
	}
	newWorld(t).do(202, request("/plain", testBody, header("Content-Encoding", "identity")))
	newWorld(t).do(415, request("/plain", testBody, header("Content-Encoding", "identity", "br")))
}

// The limit holds to the byte, whether the length is announced or not.
func TestSizeIsLimited(t *testing.T) {
	src := twoSources()[0]
	src.MaxBody = int64(len(testBody))
	for _, announced := range []bool{true, false} {
		unannounced := func(r *http.Request) {
			if !announced {
				r.ContentLength = -1
			}
		}
		newWorld(t, src).do(202, request("/plain", testBody, unannounced))
		newWorld(t, src).do(413, request("/plain", testBody+" ", unannounced))
	}
	// A length that lies is not believed either.
	newWorld(t, src).do(413, request("/plain", testBody+" ", func(r *http.Request) { r.ContentLength = 1 }))
}

func TestPanicIsUnavailableAndSaysNothing(t *testing.T) {
	src := twoSources()[0]
	src.DedupeKey = func(ev *event.Event) (string, error) { panic("Jon Doe " + ev.Subject) }
	w := newWorld(t, src)
	w.do(503, request("/plain", testBody))
	if log := w.log.String(); strings.Contains(log, "Jon Doe") || !strings.Contains(log, "intake broke") {
		t.Errorf("log: %s", log)
	}
	w.do(404, request("/other", testBody)) // and life goes on
}
