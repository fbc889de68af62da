package admin

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
)

func newSilent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestOpenAPIAnswersToLoopbackNamesOnly(t *testing.T) {
	b := newBench(t, nil)
	for name, status := range map[string]int{
		"localhost":              200,
		"LocalHost.:9090":        200,
		"127.0.0.1:9090":         200,
		"127.0.0.1":              200,
		"127.1.2.3:80":           200,
		"[::1]:9090":             200,
		"[::1]":                  200,
		"relay.internal:9090":    403,
		"evil.example":           403,
		"evil.example:9090":      403,
		"localhost.evil.example": 403,
		"127.0.0.1.nip.io:9090":  403,
		"192.0.2.1:9090":         403,
		"0.0.0.0:9090":           403,
		"":                       403,
	} {
		if w := b.ask("GET", "/api/v1/events", host(name)); w.Code != status {
			t.Errorf("Host %q: %d, want %d", name, w.Code, status)
		}
	}
	wantStatus(t, b.ask("GET", "/readyz", host("10.0.0.7:9090")), http.StatusOK)
}

func TestWithUsersEveryHostWillDo(t *testing.T) {
	users := twoUsers(t)
	b := newBench(t, func(c *Config) { c.Users = func() []User { return users } })
	wantStatus(t, b.ask("GET", "/metrics", host("relay.example"), signIn("vera", "right-v")), http.StatusOK)
}

func TestPageOfAnotherSiteCannotChangeAnything(t *testing.T) {
	reloads := 0
	b := newBench(t, func(c *Config) { c.Reload = func(context.Context) error { reloads++; return nil } })
	for name, headers := range map[string][2]string{
		"another site":          {"Sec-Fetch-Site", "cross-site"},
		"another port":          {"Sec-Fetch-Site", "same-site"},
		"an older browser":      {"Origin", "https://evil.example"},
		"a sandboxed page":      {"Origin", "null"},
		"another port, by name": {"Origin", "http://localhost:8000"},
	} {
		w := b.ask("POST", "/-/reload", header(headers[0], headers[1]))
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, w.Code)
		}
	}
	if reloads != 0 {
		t.Fatalf("%d reloads", reloads)
	}
	wantStatus(t, b.ask("POST", "/-/reload"), http.StatusOK)
	wantStatus(t, b.ask("POST", "/-/reload", header("Sec-Fetch-Site", "same-origin")), http.StatusOK)
	if reloads != 2 {
		t.Errorf("%d reloads, want those of curl and of our own page", reloads)
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	b := newBench(t, nil)
	for _, path := range []string{"/livez", "/metrics", "/api/v1/events", "/nowhere", "/api/v1/events?x=1"} {
		h := b.ask("GET", path).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}
