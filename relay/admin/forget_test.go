package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestPersonToForgetStandsInTheBodyAndInNoLog(t *testing.T) {
	var asked string
	var result error
	b := newBench(t, func(c *Config) {
		c.Forget = func(_ context.Context, person string) (outbox.Forgotten, error) {
			asked = person
			return outbox.Forgotten{Events: 3, Discarded: 2, Refused: 1, Sealed: 4, Damaged: 5}, result
		}
	})
	w := b.ask("POST", "/api/v1/forget", body(`{"cifcod":"cif-canary"}`))
	wantStatus(t, w, http.StatusOK)
	if got := w.Body.String(); got != `{"events":3,"discarded":2,"refused":1,"sealed":4,"damaged":5}`+"\n" || asked != "cif-canary" {
		t.Errorf("forgot %q, answered %s", asked, got)
	}
	result = event.ErrUnavailable
	wantProblem(t, b.ask("POST", "/api/v1/forget", body(`{"cifcod":"cif-canary"}`)), http.StatusServiceUnavailable)
	if log := b.log.String(); strings.Contains(log, "canary") || strings.Count(log, "action=forget") != 2 || !strings.Contains(log, "events=3 discarded=2 refused=1") {
		t.Errorf("want two audit lines with numbers and no id:\n%s", log)
	}
	asked = ""
	for _, text := range []string{"", "{}", `{"cifcod":""}`, `{"cifcod":7}`, `{"cifcod":"a","all":true}`, `{"cifcod":"a"} {}`, "cif-canary", `{"cifcod":"` + strings.Repeat("a", maxForget) + `"}`} {
		p := wantProblem(t, b.ask("POST", "/api/v1/forget", body(text)), http.StatusBadRequest)
		if asked != "" || strings.Contains(p.Detail, "canary") {
			t.Errorf("%.20s: forgot %q: %s", text, asked, p.Detail)
		}
	}
	wantProblem(t, b.ask("POST", "/api/v1/forget?cifcod=a", body(`{"cifcod":"a"}`)), http.StatusBadRequest)
}

// deadlines is an answer that notes until when it may be written.
type deadlines struct {
	*httptest.ResponseRecorder
	at time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.at = at
	return nil
}

// TestForgettingHasTheTimeThatALargeStoreTakes: a million bodies are some 20 s of
// reading, several times that beside a load; asking again would begin anew.
func TestForgettingHasTheTimeThatALargeStoreTakes(t *testing.T) {
	var until time.Time
	b := newBench(t, func(c *Config) {
		c.Forget = func(ctx context.Context, _ string) (outbox.Forgotten, error) {
			until, _ = ctx.Deadline()
			return outbox.Forgotten{}, nil
		}
	})
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/api/v1/forget", strings.NewReader(`{"cifcod":"a"}`)))
	wantStatus(t, w.ResponseRecorder, http.StatusOK)
	if enough := time.Now().Add(10 * time.Minute); until.Before(enough) || !w.at.After(until) {
		t.Errorf("it has until %v and can answer until %v, want 10 minutes and more, and an answer after them", until, w.at)
	}
	w = &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/api/v1/targets", nil))
	if !w.at.IsZero() {
		t.Error("others have more time, too")
	}
}
