package target_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/target"
)

// TestWhatReallyHappensOnTheWire causes each failure for real and wants its outcome and its sentence.
func TestWhatReallyHappensOnTheWire(t *testing.T) {
	good, goodPEM := certificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	expired, expiredPEM := certificate(t, time.Now().Add(-time.Minute), "127.0.0.1")
	named, namedPEM := certificate(t, time.Now().Add(time.Hour), "other.example")
	serve := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	demanding := serve(good)
	demanding.ClientAuth = tls.RequireAndVerifyClientCert
	demanding.ClientCAs = x509.NewCertPool()
	old := serve(good)
	old.MaxVersion = tls.VersionTLS11
	closed := relaytest.NewTarget(t)
	plain := relaytest.NewTarget(t)

	table := []struct {
		name string
		url  string
		ca   []byte
		want event.Outcome
		says string
	}{
		{"nothing listens", closed.URL(), nil, event.Retry, "refused the connection"},
		{"dropped", relaytest.NewTarget(t, relaytest.Drop()).URL(), nil, event.Retry, "connection broke"},
		{"reset", relaytest.NewTarget(t, relaytest.Reset()).URL(), nil, event.Retry, "connection broke"},
		{"not HTTP", relaytest.NewTarget(t, relaytest.Garbage()).URL(), nil, event.Retry, "was not HTTP"},
		{"half an answer of a success", relaytest.NewTarget(t, relaytest.Half(200)).URL(), nil, event.Delivered, ""},
		{"half an answer of a failure", relaytest.NewTarget(t, relaytest.Half(500)).URL(), nil, event.Retry, "500"},
		{"unknown authority", relaytest.NewTLSTarget(t, serve(good)).URL(), nil, event.Held, "authority not known"},
		{"expired", relaytest.NewTLSTarget(t, serve(expired)).URL(), expiredPEM, event.Held, "expired"},
		{"another name", relaytest.NewTLSTarget(t, serve(named)).URL(), namedPEM, event.Held, "another name"},
		{"wants our certificate", relaytest.NewTLSTarget(t, demanding).URL(), goodPEM, event.Held, "client certificate"},
		{"an old TLS", relaytest.NewTLSTarget(t, old).URL(), goodPEM, event.Retry, "TLS could not be agreed on"},
		{"no TLS", strings.Replace(plain.URL(), "http:", "https:", 1), goodPEM, event.Retry, "does not speak TLS"},
		{"link-local", "http://169.254.169.254/latest/meta-data", nil, event.Held, "metadata"},
		{"unspecified", "http://0.0.0.0:1/", nil, event.Held, "unspecified"},
		{"mapped", "http://[::ffff:169.254.169.254]/", nil, event.Held, "metadata"},
		{"an authority of its own", relaytest.NewTLSTarget(t, serve(good)).URL(), goodPEM, event.Delivered, ""},
	}
	closed.Close() // now that no other target of this test can get its port
	for _, row := range table {
		t.Run(row.name, func(t *testing.T) {
			h := newHTTP(t, row.url, func(c *target.HTTPConfig, _ *target.Deps) {
				if row.ca != nil {
					c.TLS.CAFile = file(t, "ca.pem", row.ca)
				}
			})
			r := h.Send(t.Context(), message(t, sample))
			if r.Outcome != row.want || !strings.Contains(r.Reason, row.says) || r.Outcome == event.Delivered && r.Reason != "" {
				t.Errorf("%s (%s), want %s (%s)", r.Outcome, r.Reason, row.want, row.says)
			}
		})
	}
}

func TestHTTPShowsItsClientCertificate(t *testing.T) {
	server, serverPEM := certificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	cert, key, pool := clientCertificate(t)
	receiver := relaytest.NewTLSTarget(t, &tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	})
	h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) {
		c.TLS = target.ClientTLS{CAFile: file(t, "ca.pem", serverPEM), CertFile: file(t, "c.pem", cert), KeyFile: file(t, "k.pem", key)}
	})
	if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Delivered {
		t.Errorf("got %+v", r)
	}
}

func TestATryThatTakesTooLongIsRetriedLaterAndNotAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h := newHTTP(t, "http://cases.example/", func(c *target.HTTPConfig, d *target.Deps) {
			c.Timeout, d.Quick = 7*time.Second, 2
			d.Transport = transport(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
		})
		r := h.Send(t.Context(), message(t, sample))
		if r.Outcome != event.Retry || r.Tries != 1 || !strings.Contains(r.Reason, "did not answer") || time.Since(began) != 7*time.Second {
			t.Errorf("after %s: %+v", time.Since(began), r)
		}
	})
}

func TestSendEndsSoonAfterItsContext(t *testing.T) {
	for name, wait := range map[string]func(*http.Request) (*http.Response, error){
		"in a try": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"between tries": func(*http.Request) (*http.Response, error) { return answer(503, ""), nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				began := time.Now()
				h := newHTTP(t, "http://cases.example/", func(_ *target.HTTPConfig, d *target.Deps) {
					d.Quick, d.Transport = 1000, transport(wait)
				})
				time.AfterFunc(3*time.Second, cancel)
				r := h.Send(ctx, message(t, sample))
				if r.Outcome != event.Retry || time.Since(began) > 3*time.Second+time.Millisecond {
					t.Errorf("after %s: %+v", time.Since(began), r)
				}
			})
		})
	}
}

// certificate makes a certificate and its PEM.
func certificate(t *testing.T, until time.Time, hosts ...string) (tls.Certificate, []byte) {
	t.Helper()
	c, pem, err := relaytest.NewCertificate(until, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return c, pem
}

// file writes a file and returns its path.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
