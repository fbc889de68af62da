package intake

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"invitation-relay/relay/event"
)

const invitation = `{"id":"0b6f9f3e-6d0e-4d6a-9a55-0d5d3f0b7c11","invitation_state":"COMPLETED","cifcod":"C-0012345","full_name":"Ana María López","ticket":"6f1d7b52-2f38-4f3c-8a07-8f9f4f5d1a22","transaction_status":"REJECTED","attempts":3}`

func BenchmarkDecode(b *testing.B) {
	s := invitations()
	b.ReportAllocs()
	b.SetBytes(int64(len(invitation)))
	body := []byte(invitation)
	for b.Loop() {
		if _, err := Decode(body, s); err != nil {
			b.Fatal(err)
		}
	}
}

// What else could have been: each lacks something Decode has.
func BenchmarkDecodeAlternatives(b *testing.B) {
	body := []byte(invitation)
	b.Run("encoding-json-map", func(b *testing.B) { // takes duplicates, bad UTF-8
		b.ReportAllocs()
		for b.Loop() {
			var m map[string]any
			if err := stdjson.Unmarshal(body, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("jsonv2-map", func(b *testing.B) { // no ints, no depth of 64
		b.ReportAllocs()
		for b.Loop() {
			var m map[string]any
			if err := json.Unmarshal(body, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tokens-only", func(b *testing.B) { // the floor under Decode: proves, keeps nothing
		b.ReportAllocs()
		var buf bytes.Buffer
		d := jsontext.NewDecoder(&buf)
		for b.Loop() {
			buf = *bytes.NewBuffer(body)
			d.Reset(&buf)
			if err := d.SkipValue(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHandler is a whole request but for the network and the store: what
// intake itself costs.
func BenchmarkHandler(b *testing.B) {
	iv, sealedBody := encrypt(b, testKey, invitation)
	three := twoSources()[1]
	three.Name, three.Path = "three", "/three"
	three.Keys = [][]byte{[]byte(otherKey), []byte("0123456789abcdef0123456789abcdef"), []byte(testKey)}
	h, err := New(Config{Sources: append(twoSources(), three), Accept: func(_ context.Context, ev *event.Event) (Receipt, error) {
		return Receipt{ID: ev.ID}, nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct{ name, path, body, iv string }{
		{"plain", "/plain", invitation, ""},
		{"encrypted", "/enc", sealedBody, iv},
		{"encrypted-3-keys", "/three", sealedBody, iv},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := request(bb.path, "")
			if bb.iv != "" {
				r.Header.Set(headerIV, bb.iv)
			}
			body := strings.NewReader(bb.body)
			r.Body, r.ContentLength = io.NopCloser(body), body.Size()
			w := &nullWriter{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(bb.body)
				clear(w.header)
				if h.ServeHTTP(w, r); w.status != http.StatusAccepted {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// BenchmarkRefusals is what strangers can cost us.
func BenchmarkRefusals(b *testing.B) {
	h, err := New(Config{Sources: twoSources(), Accept: func(context.Context, *event.Event) (Receipt, error) { return Receipt{}, nil }})
	if err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]*http.Request{
		"404": request("/none", testBody), "401": request("/plain", testBody, header("Authorization", basicAuth(testUser, "x"))),
	} {
		b.Run(name, func(b *testing.B) {
			w := &nullWriter{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkOpaqueFailures is what an attacker with a clock sees: bodies of one
// length that fail at different checks.
func BenchmarkOpaqueFailures(b *testing.B) {
	h, err := New(Config{Sources: twoSources(), Accept: func(context.Context, *event.Event) (Receipt, error) { return Receipt{}, nil }})
	if err != nil {
		b.Fatal(err)
	}
	requests := spoiled(b)
	for _, name := range []string{"no IV", "IV of 15", "bit in first block", "bit before last block", "bit in last block", "wrong key"} {
		r := requests[name]
		text, err := io.ReadAll(r.Body)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			body := bytes.NewReader(text)
			r.Body = io.NopCloser(body)
			w := &nullWriter{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(text)
				clear(w.header)
				if h.ServeHTTP(w, r); w.status != http.StatusBadRequest {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// nullWriter takes an answer and keeps its status.
type nullWriter struct {
	header http.Header
	status int
}

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) WriteHeader(status int)      { w.status = status }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkBase64(b *testing.B) {
	_, body := encrypt(b, testKey, invitation)
	var dst []byte
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		dst = appendBase64(dst[:0], body)
	}
}

func invitations() *Schema {
	return &Schema{
		Required: []string{"id"},
		Types: map[string]Type{
			"id": String, "invitation_state": String, "cifcod": String, "full_name": String,
			"ticket": String, "transaction_status": String, "attempts": Integer,
		},
		Values:  map[string][]string{"transaction_status": {"ACCEPTED", "REJECTED"}, "invitation_state": {"COMPLETED"}},
		Subject: []string{"id"}, Ticket: []string{"ticket"}, Status: []string{"transaction_status", "flow_status"}, Person: []string{"cifcod"},
	}
}
