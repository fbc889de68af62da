package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
)

func TestAliveThoughNotReady(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Ready = func(context.Context) error { return fmt.Errorf("open /var/lib/relay.db: %w", event.ErrUnavailable) }
	})
	wantStatus(t, b.ask("GET", "/livez"), http.StatusOK)
	w := b.ask("GET", "/readyz")
	if p := wantProblem(t, w, http.StatusServiceUnavailable); p.Detail != "the store takes no write now" {
		t.Errorf("reason is %q: it must say what is wrong, and not where", p.Detail)
	}
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestReadySaysWhyItIsNot(t *testing.T) {
	var reason error
	b := newBench(t, func(c *Config) { c.Ready = func(context.Context) error { return reason } })
	wantStatus(t, b.ask("GET", "/readyz?verbose"), http.StatusOK)
	reason = errors.New("draining")
	if p := wantProblem(t, b.ask("GET", "/readyz"), http.StatusServiceUnavailable); p.Detail != "draining" {
		t.Errorf("reason is %q", p.Detail)
	}
}

func TestProbeDoesNotWaitForAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) {
			c.Ready = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		})
		start := time.Now()
		wantProblem(t, b.ask("GET", "/readyz"), http.StatusServiceUnavailable)
		if waited := time.Since(start); waited > readyWithin {
			t.Errorf("the probe waited %v", waited)
		}
	})
}
