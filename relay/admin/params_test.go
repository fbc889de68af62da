package admin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

const (
	anEvent    = "019a0000-0000-7000-8000-000000000001"
	aDelivery  = anEvent + ".case-api"
	anotherOne = anEvent + ".ops-mail.3fa9"
)

func TestFiltersReachTheStore(t *testing.T) {
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for query, want := range map[string]outbox.Filter{
		"":                                  {},
		"state=dead":                        {State: "dead"},
		"state=delivered&target=case-api":   {State: "delivered", Target: "case-api"},
		"source=preventor":                  {Source: "preventor"},
		"id=i-1&ticket=t-1":                 {ID: "i-1", Ticket: "t-1"},
		"cifcod=C%201":                      {Person: "C 1"},
		"since=2026-11-20T01:00:00%2B01:00": {Since: day},
		"since=2026-11-20":                  {Since: day},
		"since=90m":                         {Since: noon.Add(-90 * time.Minute)},
		"since=7d":                          {Since: noon.AddDate(0, 0, -7)},
		"since=1d12h&until=1h":              {Since: noon.Add(-36 * time.Hour), Until: noon.Add(-time.Hour)},
		"until=2026-11-20T00:00:00Z":        {Until: day},
		"limit=1":                           {Limit: 1},
		"limit=1000":                        {Limit: 1000},
		"cursor=" + aDelivery:               {Before: aDelivery},
		"cursor=" + anotherOne + "&state=":  {Before: anotherOne},
	} {
		s := &shelf{}
		b := newBench(t, func(c *Config) { c.Store = s })
		wantStatus(t, b.ask("GET", "/api/v1/deliveries?"+query), http.StatusOK)
		if diff := cmp.Diff(want, s.asked); diff != "" || s.of != "deliveries" {
			t.Errorf("%q asks for %s (-want +got):\n%s", query, s.of, diff)
		}
	}
}

func TestMistakeInAQueryIsSaidInASentence(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	for query, want := range map[string]string{
		"/api/v1/deliveries?state=deda":        `state is one of pending, delivered, dead, discarded: did you mean "dead"?`,
		"/api/v1/deliveries?state=x":           `state is one of pending, delivered, dead, discarded`,
		"/api/v1/events?state=dead":            `state is one of pending, finished`,
		"/api/v1/events?stat=pending":          `unknown parameter: did you mean "state"?`,
		"/api/v1/events?tikcet=t":              `unknown parameter: did you mean "ticket"?`,
		"/api/v1/deliveries?refused=true":      `unknown parameter: this takes state, target, event, id, ticket, cifcod, source, since, until, limit, cursor`,
		"/api/v1/targets?state=held":           `this takes no parameters`,
		"/api/v1/events?limit=0":               `limit is a number from 1 to 1000`,
		"/api/v1/events?limit=1001":            `limit is a number from 1 to 1000`,
		"/api/v1/events?limit=ten":             `limit is a number from 1 to 1000`,
		"/api/v1/events?limit=":                `limit is a number from 1 to 1000`,
		"/api/v1/events?since=yesterday":       `since is a time like 2026-11-23T09:00:00Z, a date like 2026-11-23, or how long ago like 90m or 7d`,
		"/api/v1/events?until=-1h":             `until is a time like 2026-11-23T09:00:00Z, a date like 2026-11-23, or how long ago like 90m or 7d`,
		"/api/v1/events?since=0d":              `since is a time like 2026-11-23T09:00:00Z, a date like 2026-11-23, or how long ago like 90m or 7d`,
		"/api/v1/events?since=1h&until=2h":     `since is not before until: nothing can be between them`,
		"/api/v1/events?cursor=abc":            `cursor is not one of this list: use the value of "next" in the page before`,
		"/api/v1/events?cursor=" + aDelivery:   `cursor is not one of this list: use the value of "next" in the page before`,
		"/api/v1/deliveries?cursor=" + anEvent: `cursor is not one of this list: use the value of "next" in the page before`,
		"/api/v1/events?id=a&id=b":             `id is given twice`,
		"/api/v1/events?id=" + long:            `id is longer than 256 bytes`,
		"/api/v1/events?id=a%00b":              `id holds a control character or is not UTF-8`,
		"/api/v1/events?id=%ff":                `id holds a control character or is not UTF-8`,
		"/api/v1/events?id=%zz":                `the query is not well formed: separate parameters by &, and escape % and ;`,
		"/api/v1/events?id=a;state=b":          `the query is not well formed: separate parameters by &, and escape % and ;`,
		"/api/v1/events?refused=yes":           `refused is true or false`,
		"/api/v1/events?refused=true&ticket=t": `ticket does not go with refused=true: what was refused has not been read`,
	} {
		s := &shelf{}
		b := newBench(t, func(c *Config) { c.Store = s })
		path, raw, _ := strings.Cut(query, "?")
		p := wantProblem(t, b.ask("GET", path, func(r *http.Request) { r.URL.RawQuery = raw }), http.StatusBadRequest)
		if p.Detail != want {
			t.Errorf("%s\n got %s\nwant %s", query, p.Detail, want)
		}
		if s.of != "" {
			t.Errorf("%s reached the store", query)
		}
	}
}

// FuzzQuery: whatever is asked, an error shows none of it, and what passes is
// within the bounds a Store is promised.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "state=dead&limit=5", "since=7d", "cursor=" + aDelivery, "cifcod=QXZW", "a;b", "%", "since=99999d99999h", "limit=-1"} {
		f.Add(seed, "QXZW-value")
	}
	f.Fuzz(func(t *testing.T, raw, value string) {
		value = "QXZW" + value
		_, err := parseQuery(raw+"&"+value+"="+url.QueryEscape(value), deliveryParams)
		if err == nil {
			t.Fatal("a parameter nobody knows was taken")
		}
		if strings.Contains(err.Error(), "QXZW") {
			t.Fatalf("the error shows the query: %v", err)
		}
		q, err := parseQuery(raw, deliveryParams)
		if err != nil {
			return
		}
		filter, err := filterOf(q, noon, deliveryStates, deliveryCursor)
		if err != nil {
			return
		}
		if filter.Limit < 0 || filter.Limit > maxLimit {
			t.Fatalf("limit %d", filter.Limit)
		}
		if _, ok := event.ParseState(filter.State); filter.State != "" && !ok {
			t.Fatalf("state %q", filter.State)
		}
	})
}
