package admin

import (
	"net/http"
	"strings"
	"testing"

	"invitation-relay/relay/event"
)

func TestBodyAsItCameIsForOperatorsAndLeavesALine(t *testing.T) {
	users := twoUsers(t)
	b, _ := filledBench(t, func(c *Config) { c.Users = func() []User { return users } })
	path := "/api/v1/events/" + anEvent
	for _, c := range []struct {
		query, user string
		status      int
		audited     string
	}{
		{"", "vera", 200, ""},
		{"?body=masked", "vera", 200, ""},
		{"?body=none", "vera", 200, ""},
		{"?body=full", "vera", 403, `component=audit user=vera action="show full body" status=403 event_id=` + anEvent},
		{"?body=full", "olga", 200, `component=audit user=olga action="show full body" status=200 event_id=` + anEvent},
		{"?body=all", "olga", 400, ""},
		{"?shown=full", "olga", 400, ""},
	} {
		before := len(b.log.String())
		w := b.ask("GET", path+c.query, signIn(c.user, "right-"+c.user[:1]))
		if w.Code != c.status {
			t.Errorf("%q for %s: %d, want %d", c.query, c.user, w.Code, c.status)
		}
		if full := strings.Contains(w.Body.String(), canaryName); full != (c.audited != "" && c.status == 200) {
			t.Errorf("%q for %s: the name is shown: %t", c.query, c.user, full)
		}
		if line := b.log.String()[before:]; !strings.Contains(line, c.audited) || (line == "") != (c.audited == "") {
			t.Errorf("%q for %s is recorded as %q", c.query, c.user, line)
		}
	}
}

func TestEventWhoseBodyIsErasedShowsWhatIsLeft(t *testing.T) {
	b, _ := filledBench(t)
	b.cfg.Store.(*shelf).events[0].Body = nil
	for query, shown := range map[string]string{"": "erased", "?body=full": "erased", "?body=none": "none"} {
		got := b.ask("GET", "/api/v1/events/"+anEvent+query).Body.String()
		if !strings.Contains(got, `"body":null,"body_shown":"`+shown+`"`) || !strings.Contains(got, `"verdict":"error"`) || strings.Contains(got, `"text"`) {
			t.Errorf("%q: %s", query, got)
		}
	}
}

func TestRefusedEventShowsWhyAndNothingOfWhatNobodyHasRead(t *testing.T) {
	b, _ := filledBench(t)
	w := b.ask("GET", "/api/v1/events/"+refusedID+"?body=full")
	wantStatus(t, w, http.StatusOK)
	golden(t, "event-refused.json", w.Body.Bytes())
	b.cfg.Store.(*shelf).refused = nil
	wantProblem(t, b.ask("GET", "/api/v1/events/"+refusedID), http.StatusNotFound)
}

func TestIDsThatAreNoneAreToldApart(t *testing.T) {
	b, _ := filledBench(t)
	for path, status := range map[string]int{
		"/api/v1/events/x":                          http.StatusBadRequest,
		"/api/v1/events/" + anEventMade:             http.StatusNotFound,
		"/api/v1/deliveries/x":                      http.StatusBadRequest,
		"/api/v1/deliveries/" + anEvent:             http.StatusBadRequest,
		"/api/v1/deliveries/" + anEvent + ".nobody": http.StatusNotFound,
	} {
		if status == http.StatusNotFound {
			b.cfg.Store.(*shelf).refused = nil
		}
		wantProblem(t, b.ask("GET", path), status)
	}
	b.cfg.Store.(*shelf).err = event.ErrUnavailable
	wantProblem(t, b.ask("GET", "/api/v1/events/"+anEvent), http.StatusServiceUnavailable)
	wantProblem(t, b.ask("GET", "/api/v1/deliveries/"+anEvent+".case-api"), http.StatusServiceUnavailable)
}
