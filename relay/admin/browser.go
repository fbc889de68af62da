package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// harden says to a browser what it may do with any answer: show it, and
// nothing else. A page sets a policy of its own over it.
func harden(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// checkHost keeps out a page that has pointed a name of its own at our address
// (DNS rebinding): for a browser it would be of one origin with us. Such a
// request names the attacker's host, so an open API answers to loopback's names
// only. One with users is safe without: the browser has no password for that
// origin.
func checkHost(r *http.Request, open bool) error {
	if !open {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if strings.EqualFold(host, "localhost") {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return &problem{Status: http.StatusForbidden, Detail: "the Host header names another host: without users, use localhost or 127.0.0.1"}
}
