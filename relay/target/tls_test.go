package target_test

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// issued is a certificate and what its files hold.
type issued struct {
	pair      tls.Certificate
	cert, key []byte
}

func authority(t *testing.T) (*relaytest.Authority, func(relaytest.Leaf) issued) {
	t.Helper()
	a, err := relaytest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a, func(l relaytest.Leaf) (i issued) {
		t.Helper()
		if i.pair, i.cert, i.key, err = a.Issue(l); err != nil {
			t.Fatal(err)
		}
		return i
	}
}

// TestEveryWayInWhichTLSCanBeBrokenHasItsOutcome: a certificate that is not valid
// holds the target; nothing of the event was sent then. What passes by itself, or
// cannot be told from it, is tried again.
func TestEveryWayInWhichTLSCanBeBrokenHasItsOutcome(t *testing.T) {
	ca, issue := authority(t)
	_, issueOther := authority(t)
	here := []string{"127.0.0.1"}
	good := issue(relaytest.Leaf{Hosts: here})
	client := issue(relaytest.Leaf{Client: true})
	selfSigned, _ := certificate(t, time.Now().Add(time.Hour), "127.0.0.1")

	serve := func(i issued) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{i.pair}} }
	with := func(change func(*tls.Config)) *tls.Config {
		c := serve(good)
		change(c)
		return c
	}
	demand := func(version uint16) *tls.Config {
		return with(func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs, c.MaxVersion = tls.RequireAndVerifyClientCert, ca.Pool, version
		})
	}
	for _, row := range []struct {
		name  string
		serve *tls.Config // nil: not TLS at all
		ours  *issued     // our certificate
		noCA  bool        // the system's authorities
		want  event.Outcome
		says  string
	}{
		{"an authority of one's own", serve(good), nil, false, event.Delivered, ""},
		{"a client certificate", demand(tls.VersionTLS13), &client, false, event.Delivered, ""},
		{"a client certificate, TLS 1.2", demand(tls.VersionTLS12), &client, false, event.Delivered, ""},
		{"one nobody asks for", serve(good), &client, false, event.Delivered, ""},
		{"expired", serve(issue(relaytest.Leaf{Hosts: here, Until: time.Now().Add(-time.Minute)})), nil, false, event.Held, "expired or not valid yet"},
		{"not valid yet", serve(issue(relaytest.Leaf{Hosts: here, From: time.Now().Add(time.Minute)})), nil, false, event.Held, "expired or not valid yet"},
		{"another name", serve(issue(relaytest.Leaf{Hosts: []string{"other.example"}})), nil, false, event.Held, "another name"},
		{"another address", serve(issue(relaytest.Leaf{Hosts: []string{"127.0.0.2"}})), nil, false, event.Held, "another name"},
		{"no name at all", serve(issue(relaytest.Leaf{})), nil, false, event.Held, "another name"},
		{"an authority unknown to the system", serve(good), nil, true, event.Held, "authority not known"},
		{"another authority of the same name", serve(issueOther(relaytest.Leaf{Hosts: here})), nil, false, event.Held, "authority not known"},
		{"signed by itself", &tls.Config{Certificates: []tls.Certificate{selfSigned}}, nil, false, event.Held, "authority not known"},
		{"for clients only", serve(issue(relaytest.Leaf{Hosts: here, Client: true})), nil, false, event.Held, "not valid"},
		{"a client certificate is missing", demand(tls.VersionTLS13), nil, false, event.Held, "client certificate"},
		{"a client certificate is missing, TLS 1.2", demand(tls.VersionTLS12), nil, false, event.Retry, "client certificate"}, // the alert has no word of its own for it there,
		{"a client certificate of another authority", demand(tls.VersionTLS13), new(issueOther(relaytest.Leaf{Client: true})), false, event.Held, "client certificate"},
		{"a client certificate that has expired", demand(tls.VersionTLS12), new(issue(relaytest.Leaf{Client: true, Until: time.Now().Add(-time.Minute)})), false, event.Held, "client certificate"},
		{"a client certificate for servers", demand(tls.VersionTLS13), &good, false, event.Held, "client certificate"},
		{"TLS 1.0 only", with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }), nil, false, event.Retry, "TLS could not be agreed on"},
		{"no cipher in common", with(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		}), nil, false, event.Retry, "TLS could not be agreed on"},
		{"no certificate at all", with(func(c *tls.Config) { c.Certificates = []tls.Certificate{{}} }), nil, false, event.Retry, "TLS could not be agreed on"},
		{"not TLS at all", nil, nil, false, event.Retry, "does not speak TLS"},
	} {
		t.Run(row.name, func(t *testing.T) {
			receiver := relaytest.NewTarget(t)
			if row.serve != nil {
				receiver = relaytest.NewTLSTarget(t, row.serve)
			}
			h := newHTTP(t, strings.Replace(receiver.URL(), "http:", "https:", 1)+"/"+canary, func(c *target.HTTPConfig, _ *target.Deps) {
				if c.Sign = []secret.String{secret.New("whsec_" + canary + "Ca")}; !row.noCA {
					c.TLS.CAFile = file(t, "ca.pem", ca.PEM)
				}
				if row.ours != nil {
					c.TLS.CertFile, c.TLS.KeyFile = file(t, "c.pem", row.ours.cert), file(t, "k.pem", row.ours.key)
				}
			})
			r := h.Send(t.Context(), message(t, sample))
			if r.Outcome != row.want || !strings.Contains(r.Reason, row.says) || r.Outcome != event.Delivered && !strings.HasSuffix(r.Reason, wayOut[row.want]) {
				t.Errorf("%+v, want %s (%s)", r, row.want, row.says)
			}
			if got := len(receiver.Requests()); got != 0 && row.want != event.Delivered || got != 1 && row.want == event.Delivered {
				t.Errorf("the endpoint got %d requests", got)
			}
			clean(t, row.name, h, r)
		})
	}
}

// TestAPortThatTakesConnectionsAndSaysNothing: the handshake is within the time-out of the try.
func TestAPortThatTakesConnectionsAndSaysNothing(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	h := newHTTP(t, "https://"+silent.Addr().String(), func(c *target.HTTPConfig, _ *target.Deps) { c.Timeout = 200 * time.Millisecond })
	began := time.Now()
	r := h.Send(t.Context(), message(t, sample))
	if r.Outcome != event.Retry || !strings.Contains(r.Reason, "did not answer within timeout") || time.Since(began) > 5*time.Second {
		t.Errorf("%+v after %s", r, time.Since(began))
	}
}
