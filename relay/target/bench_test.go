package target_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// BenchmarkHTTPSend is the hot path's last step. "plain" is the least net/http
// can do, "retryable" the same through go-retryablehttp.
func BenchmarkHTTPSend(b *testing.B) {
	server := benchServer(b)
	real := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	for name, over := range map[string]struct {
		url       string
		transport http.RoundTripper
	}{"fake": {"http://cases.example/in", silent}, "server": {server, nil}} {
		plain := &http.Client{Transport: over.transport}
		if over.transport == nil {
			plain.Transport = real
		}
		b.Run(name+"/plain", func(b *testing.B) { benchPlain(b, plain, over.url) })
		b.Run(name+"/retryable", func(b *testing.B) { benchRetryable(b, plain, over.url) })
		b.Run(name+"/relay", func(b *testing.B) {
			benchSend(b, newHTTP(b, over.url, func(_ *target.HTTPConfig, d *target.Deps) { d.Quick, d.Transport = 2, over.transport }))
		})
		b.Run(name+"/relay-signed", func(b *testing.B) {
			benchSend(b, newHTTP(b, over.url, func(c *target.HTTPConfig, d *target.Deps) {
				d.Quick, d.Transport = 2, over.transport
				c.Sign = []secret.String{benchSecret}
			}))
		})
	}
}

// BenchmarkSlackMessage is a default message, without the network.
func BenchmarkSlackMessage(b *testing.B) {
	s := slackAnswering(b, &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody})
	benchSend(b, s)
}

// BenchmarkSign is what the signatures of a try cost, with the SHA-256 of a usual
// body and of the largest one.
func BenchmarkSign(b *testing.B) {
	for name, body := range map[string][]byte{"usual": []byte(sample), "256KiB": bytes.Repeat([]byte("x"), 256<<10)} {
		b.Run(name, func(b *testing.B) {
			set, err := target.Signer("0198c5a2-4f10-7abc-8def-0123456789ab", body, received, benchSecret)
			if err != nil {
				b.Fatal(err)
			}
			h := http.Header{}
			b.ReportAllocs()
			for b.Loop() {
				set(h)
			}
		})
	}
}

// BenchmarkShaped is what fields and mask of a target cost an event.
func BenchmarkShaped(b *testing.B) {
	benchSend(b, target.Shaped(taking{}, target.Shape{Fields: []string{"id", "full_name", "transaction_status"}, Mask: []string{"full_name"}}))
}

// benchSecret is one of Standard Webhooks.
var benchSecret = secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

// taking is a target that takes everything and costs nothing.
type taking struct{}

func (taking) Kind() string         { return "taking" }
func (taking) Recipients() []string { return nil }
func (taking) Close()               {}

func (taking) Send(context.Context, *target.Message) target.Result {
	return target.Result{Outcome: event.Delivered, Tries: 1}
}

func benchSend(b *testing.B, to target.Target) {
	m := message(b, sample)
	b.ReportAllocs()
	for b.Loop() {
		if r := to.Send(context.Background(), m); r.Outcome != event.Delivered {
			b.Fatal(r)
		}
	}
}

func benchPlain(b *testing.B, c *http.Client, url string) {
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(sample)))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		cancel()
	}
}

func benchRetryable(b *testing.B, c *http.Client, url string) {
	client := retryablehttp.NewClient()
	client.HTTPClient, client.Logger = c, nil
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, url, []byte(sample))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		cancel()
	}
}

// benchServer answers 200 and keeps nothing.
func benchServer(b *testing.B) string {
	b.Helper()
	s, err := relaytest.Listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	}), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s.URL()
}
