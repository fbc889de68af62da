package admin

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// posts are requests that work, one for each POST there is.
var posts = map[string]string{
	"/-/reload":                        "/-/reload",
	"/api/v1/deliveries/retry":         "/api/v1/deliveries/retry?target=ops-mail",
	"/api/v1/deliveries/{id}/retry":    "/api/v1/deliveries/" + deadOne + "/retry",
	"/api/v1/deliveries/discard":       "/api/v1/deliveries/discard?target=ops-mail&state=dead",
	"/api/v1/deliveries/{id}/discard":  "/api/v1/deliveries/" + deadOne + "/discard",
	"/api/v1/events/replay":            "/api/v1/events/replay?source=preventor",
	"/api/v1/events/{id}/replay":       "/api/v1/events/" + anEvent + "/replay",
	"/api/v1/targets/{name}/hold":      "/api/v1/targets/case-api/hold?reason=why",
	"/api/v1/targets/{name}/release":   "/api/v1/targets/case-api/release",
	"/api/v1/targets/{name}/send-test": "/api/v1/targets/case-api/send-test",
	"/api/v1/explain":                  "/api/v1/explain",
}

func TestEveryPostHasItsDoors(t *testing.T) {
	users := twoUsers(t)
	b, d := filledBench(t, func(c *Config) { c.Users = func() []User { return users } })
	open, _ := filledBench(t)
	olga := signIn("olga", "right-o")
	found := 0
	for _, e := range (&api{Config: b.cfg, metrics: newMetrics(prometheus.NewRegistry())}).endpoints() {
		if e.method != http.MethodPost {
			continue
		}
		found++
		path := posts[e.path]
		if path == "" || e.action == "" {
			t.Errorf("%s has no request here, or no word in the audit log", e.path)
			continue
		}
		for what, c := range map[string]struct {
			b      *bench
			method string
			change []func(*http.Request)
			status int
		}{
			"no user":                      {b, "POST", nil, 401},
			"a wrong password":             {b, "POST", []func(*http.Request){signIn("olga", "right-v"), from("192.0.2." + strconv.Itoa(found) + ":1")}, 401},
			"a viewer":                     {b, "POST", []func(*http.Request){signIn("vera", "right-v")}, 403},
			"a page of another site":       {b, "POST", []func(*http.Request){olga, header("Sec-Fetch-Site", "cross-site")}, 403},
			"a page of another origin":     {b, "POST", []func(*http.Request){olga, header("Origin", "https://evil.example")}, 403},
			"another origin, open":         {open, "POST", []func(*http.Request){header("Origin", "https://evil.example")}, 403},
			"another host, open":           {open, "POST", []func(*http.Request){host("evil.example")}, 403},
			"GET":                          {b, "GET", []func(*http.Request){olga}, 405},
			"a parameter it does not take": {b, "POST", []func(*http.Request){olga, func(r *http.Request) { r.URL.RawQuery = "zz=1" }}, 400},
		} {
			if w := c.b.ask(c.method, path, c.change...); w.Code != c.status {
				t.Errorf("%s, %s: %d, want %d: %s", e.path, what, w.Code, c.status, w.Body)
			}
		}
		if d.done != nil {
			t.Fatalf("%s: something was done: %q", e.path, d.done)
		}
		if w := b.ask("POST", path, olga, body("{}")); (w.Code == http.StatusOK) != e.body {
			t.Errorf("%s with a body: %d", e.path, w.Code)
		}
		d.done = nil
		wantStatus(t, b.ask("POST", path, olga), http.StatusOK)
		if e.path != "/-/reload" && len(d.done) != 1 {
			t.Errorf("%s: done %q", e.path, d.done)
		}
		d.done = nil
	}
	if found != len(posts) {
		t.Errorf("%d endpoints for %d requests", found, len(posts))
	}
}

func TestWhatNobodyImplementsIsNotThere(t *testing.T) {
	b := newBench(t, nil)
	for pattern, path := range posts {
		w := b.ask("POST", path)
		if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed { // some are, of a GET, an id
			t.Errorf("%s: %d", pattern, w.Code)
		}
	}
}

func TestEveryChangeLeavesALineOfWhoDidWhatToWhich(t *testing.T) {
	users := twoUsers(t)
	log := &lines{}
	b, d := filledBench(t, func(c *Config) {
		c.Users = func() []User { return users }
		c.Log = slog.New(slog.NewJSONHandler(log, nil))
	})
	d.one = map[string]error{anEvent + ".case-api": ErrBusy, anEvent + ".ops-mail.3fa9": ErrBusy}
	b.ask("GET", "/api/v1/events", signIn("olga", "right-o"))
	b.ask("GET", "/api/v1/events/"+anEvent, signIn("olga", "right-o"))
	if log.String() != "" {
		t.Errorf("a look left a line: %s", log)
	}
	for _, pattern := range []string{
		"/-/reload", "/api/v1/deliveries/retry", "/api/v1/deliveries/{id}/retry", "/api/v1/deliveries/discard", "/api/v1/deliveries/{id}/discard",
		"/api/v1/events/replay", "/api/v1/events/{id}/replay", "/api/v1/targets/{name}/hold", "/api/v1/targets/{name}/release",
		"/api/v1/targets/{name}/send-test", "/api/v1/explain",
	} {
		b.ask("POST", posts[pattern], signIn("olga", "right-o"))
	}
	b.ask("POST", "/api/v1/deliveries/retry?cifcod="+canaryCif+"&dry_run=true", signIn("olga", "right-o"))
	b.ask("POST", "/api/v1/targets/"+canaryCif+"/hold", signIn("olga", "right-o"))
	b.ask("POST", "/api/v1/deliveries/"+deadOne+"/retry", signIn("vera", "right-v"))
	b.ask("POST", "/-/reload", signIn("olga", "wrong"))
	var got []string
	for line := range strings.Lines(log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil || m["msg"] != "operator's change" || m["component"] != "audit" {
			t.Fatalf("%s (%v)", line, err)
		}
		for _, name := range []string{"time", "level", "msg", "component"} {
			delete(m, name)
		}
		text, _ := json.Marshal(m)
		got = append(got, string(text))
	}
	const older = "019a0000-0000-7000-8000-000000000000"
	changed := `"delivery_ids":["` + deadOne + `","` + older + `.case-api"],"matched":4,"status":200,"user":"olga"}`
	want := []string{
		`{"action":"reload","status":200,"user":"olga"}`,
		`{"action":"retry many","busy":2,"changed":2,` + changed,
		`{"action":"retry","delivery_id":"` + deadOne + `","event_id":"` + anEvent + `","status":200,"user":"olga"}`,
		`{"action":"discard many","busy":2,"changed":2,` + changed,
		`{"action":"discard","delivery_id":"` + deadOne + `","event_id":"` + anEvent + `","status":200,"user":"olga"}`,
		`{"action":"replay many","changed":1,"event_ids":["` + anEvent + `"],"failed":0,"matched":1,"new_event_ids":["` + anEventMade + `"],"status":200,"user":"olga"}`,
		`{"action":"replay","event_id":"` + anEvent + `","new_event_id":"` + anEventMade + `","status":200,"user":"olga"}`,
		`{"action":"hold","status":200,"target":"case-api","user":"olga"}`,
		`{"action":"release","status":200,"target":"case-api","user":"olga"}`,
		`{"action":"send-test","event_id":"` + anEventMade + `","source":"preventor","status":200,"target":"case-api","user":"olga"}`,
		`{"action":"explain","source":"preventor","status":200,"user":"olga"}`,
		`{"action":"retry many","dry_run":true,"matched":4,"status":200,"user":"olga"}`,
		`{"action":"hold","status":404,"user":"olga"}`,
		`{"action":"retry","status":403,"user":"vera"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}
