package admin

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestPersonToForgetStandsInTheBodyAndInNoLog(t *testing.T) {
	var asked string
	var result error
	b := newBench(t, func(c *Config) {
		c.Forget = func(_ context.Context, person string) (outbox.Forgotten, error) {
			asked = person
			return outbox.Forgotten{Events: 3, Discarded: 2, Refused: 1, Sealed: 4}, result
		}
	})
	w := b.ask("POST", "/api/v1/forget", body(`{"cifcod":"cif-canary"}`))
	wantStatus(t, w, http.StatusOK)
	if got := w.Body.String(); got != `{"events":3,"discarded":2,"refused":1,"sealed":4}`+"\n" || asked != "cif-canary" {
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
