package admin

import (
	"errors"
	"strings"
	"testing"
)

func TestNoNameAndNoCustomerIDLeavesTheAPI(t *testing.T) {
	b, _ := filledBench(t)
	var all strings.Builder
	for _, path := range []string{
		"/livez", "/readyz", "/api/v1/events", "/api/v1/events?refused=true", "/api/v1/deliveries", "/api/v1/targets", "/api/v1/rules",
		"/api/v1/status", "/api/v1/events?cifcod=" + canaryCif, "/api/v1/events?cifcodd=" + canaryCif, "/api/v1/events?" + canaryCif + "=1",
		"/api/v1/events?state=" + canaryCif, "/api/v1/events?cursor=" + canaryCif, "/api/v1/events?cifcod=" + canaryCif + "&limit=no",
		"/" + canaryCif, "/api/v1/events?refused=true&cifcod=" + canaryCif,
		"/api/v1/events/" + anEvent, "/api/v1/events/" + anEvent + "?body=none", "/api/v1/events/" + anEvent + "?body=" + canaryCif,
		"/api/v1/events/" + refusedID + "?body=full", "/api/v1/events/" + canaryCif, "/api/v1/events?event=" + canaryCif,
		"/api/v1/deliveries/" + deadOne, "/api/v1/deliveries/" + canaryCif, "/api/v1/deliveries/" + anEvent + "." + canaryCif,
	} {
		w := b.ask("GET", path)
		all.WriteString(w.Body.String())
		for _, values := range w.Header() {
			all.WriteString(strings.Join(values, "\n"))
		}
	}
	paths := []string{
		"/api/v1/events/" + canaryCif + "/replay", "/api/v1/events/" + anEvent + "/replay?targets=" + canaryCif,
		"/api/v1/deliveries/" + canaryCif + "/retry", "/api/v1/deliveries/" + anEvent + "." + canaryCif + "/discard",
		"/api/v1/deliveries/retry?cifcod=" + canaryCif, "/api/v1/deliveries/discard?state=dead&cifcod=" + canaryCif,
		"/api/v1/events/replay?cifcod=" + canaryCif, "/api/v1/events/replay?cifcod=" + canaryCif + "&targets=" + canaryCif,
		"/api/v1/targets/" + canaryCif + "/hold", "/api/v1/targets/" + canaryCif + "/release", "/api/v1/targets/archive/send-test?source=" + canaryCif,
		"/api/v1/explain?source=" + canaryCif,
	}
	for pattern, path := range posts {
		if pattern != "/api/v1/explain" { // it shows the payload
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		all.WriteString(b.ask("POST", path).Body.String())
		all.WriteString(b.ask("POST", path, body(canaryName)).Body.String())
	}
	b.ask("POST", "/api/v1/explain", body(canaryName))
	b.ask("GET", "/api/v1/events/"+anEvent+"?body=full")
	b.cfg.Store.(*shelf).err = errors.New("table is locked")
	for _, path := range []string{"/api/v1/events?cifcod=" + canaryCif, "/api/v1/events/" + anEvent} {
		all.WriteString(b.ask("GET", path).Body.String())
	}
	for _, path := range paths {
		all.WriteString(b.ask("POST", path).Body.String())
	}
	all.WriteString(b.ask("GET", "/metrics").Body.String())
	all.WriteString(b.log.String())
	for _, canary := range []string{canaryName, canaryCif, canaryBody, canarySecret, "Canary", "4711"} {
		if i := strings.Index(all.String(), canary); i >= 0 {
			t.Errorf("%q got out: …%s…", canary, all.String()[max(0, i-120):min(all.Len(), i+60)])
		}
	}
	if !strings.Contains(all.String(), "t-1") || !strings.Contains(b.log.String(), "table is locked") {
		t.Error("the test saw nothing")
	}
}
