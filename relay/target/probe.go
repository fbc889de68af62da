package target

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Prober is a target that can be looked at without sending it anything. Probe
// returns what it found, in the order in which it looked; it ends with the first
// failure. Each step takes at most the time each. No text holds a secret, a URL,
// a host, an address or a server's words.
type Prober interface {
	Probe(ctx context.Context, each time.Duration) []Finding
}

// Finding is what a probe says of one thing.
type Finding struct {
	Level Level
	Text  string // what is so, or what is wrong and what helps
}

// Level is how good a finding is.
type Level uint8

// The levels.
const (
	OK   Level = iota
	Warn       // it works now, and may not for long, or not as well as it should
	Fail       // nothing can be delivered
)

// String is the level's word: ok, warn or fail.
func (l Level) String() string { return [...]string{"ok", "warn", "fail", ""}[l&3] }

// certificateDays is how long before its end a certificate is a warning: those
// that renew themselves are renewed a month before.
const certificateDays = 14

// Probe looks for the endpoint's name and connects to it; nothing is requested of
// it. With auth.oauth2 a token is fetched first.
func (h *HTTP) Probe(ctx context.Context, each time.Duration) []Finding {
	var found []Finding
	if h.tokens != nil {
		if found = append(found, h.probeToken(ctx, each)); found[0].Level == Fail {
			return found
		}
	}
	if h.proxy == nil {
		return append(found, probeURL(ctx, h.base.URL, h.client, each)...)
	}
	conn, way := probeTCP(ctx, h.proxy.Hostname(), portOf(h.proxy), each, func(error) string { return failedProxy.verdict().reason })
	found = append(found, way...)
	if conn != nil {
		_ = conn.Close() // nothing was sent
		found = append(found, Finding{OK, "that was the proxy: what lies behind it shows when something is sent"})
	}
	return found
}

func probeURL(ctx context.Context, u *url.URL, c *client, each time.Duration) []Finding {
	conn, found := probeTCP(ctx, u.Hostname(), portOf(u), each, func(err error) string { return classify(err).verdict().reason })
	if conn == nil {
		return found
	}
	defer func() { _ = conn.Close() }() // nothing was sent
	if u.Scheme != "https" {
		return found
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if t, ok := c.tries.next.(*http.Transport); ok && t.TLSClientConfig != nil {
		conf = t.TLSClientConfig.Clone()
	}
	conf.ServerName = u.Hostname()
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	tc := tls.Client(conn, conf)
	if err := tc.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return append(found, Finding{Fail, "TLS was not agreed on in time: check the port"})
		}
		return append(found, Finding{Fail, classify(err).verdict().reason})
	}
	return append(found, certificateFinding(tc.ConnectionState(), time.Now()))
}

// portOf is the port a URL means.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// probeTCP looks up the name, unless it is an address, and connects. Without a
// connection the last finding is a failure, in the words of why.
func probeTCP(ctx context.Context, host, port string, each time.Duration, why func(error) string) (net.Conn, []Finding) {
	var found []Finding
	if _, err := netip.ParseAddr(host); err != nil {
		ctx, cancel := context.WithTimeout(ctx, each)
		_, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		cancel()
		if err != nil {
			return nil, []Finding{{Fail, why(err)}}
		}
		found = append(found, Finding{OK, "its name is known"})
	}
	d := newDialer()
	d.Timeout = each
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, append(found, Finding{Fail, why(err)})
	}
	return conn, append(found, Finding{OK, "it takes connections"})
}

// certificateFinding says how long the other side's certificates, those above its
// own included, are valid.
func certificateFinding(state tls.ConnectionState, now time.Time) Finding {
	var end time.Time
	for _, chain := range state.VerifiedChains { // the longest lasting way to a root
		first := chain[0].NotAfter
		for _, c := range chain {
			if c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
		if first.After(end) {
			end = first
		}
	}
	return CertificateFinding(end, now)
}

// CertificateFinding says how long a certificate is valid that ends then.
func CertificateFinding(end, now time.Time) Finding {
	days := int(end.Sub(now).Hours() / 24)
	switch {
	case !now.Before(end):
		return Finding{Fail, "the certificate has expired: renew it"}
	case days < certificateDays:
		return Finding{Warn, fmt.Sprintf("the certificate is valid for %d more days only: renew it", days)}
	}
	return Finding{OK, fmt.Sprintf("the certificate is valid for %d more days", days)}
}
