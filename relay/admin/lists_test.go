package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// What must be in no answer, log line or metric.
const (
	canaryName   = "Canary Jon Doe"
	canaryCif    = "canary-cif-4711"
	canaryBody   = "canary-body"
	canarySecret = "canary-secret"
)

func mustID(t *testing.T, s string) event.ID {
	t.Helper()
	id, err := event.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// filled is a shelf with one of everything.
func filled(t *testing.T) *shelf {
	t.Helper()
	id, older := mustID(t, anEvent), mustID(t, "019a0000-0000-7000-8000-000000000000")
	payload := []byte(`{"full_name":"` + canaryName + `","cifcod":"` + canaryCif + `","x":"` + canaryBody + `"}`)
	at := noon.Add(-time.Hour)
	return &shelf{
		more: true,
		events: []outbox.StoredEvent{
			{
				Event: event.Event{
					ID: id, Source: "preventor", ReceivedAt: at.In(time.FixedZone("CET", 3600)), Body: payload,
					Subject: "i-1", Ticket: "t-1", Status: "REJECTED", Person: canaryCif,
					Fields: map[string]any{"full_name": canaryName},
				},
				Verdicts: []outbox.Verdict{{Rule: "rejected", Verdict: "match"}, {Rule: "odd", Verdict: "error"}},
				To:       []outbox.Address{"case-api", "ops-mail.3fa9", "ops-mail.77b0"},
				Open:     1,
			},
			{Event: event.Event{ID: older, Kind: event.Replayed, Source: "preventor", ReceivedAt: at}, FinishedAt: at},
		},
		deliveries: []outbox.StoredDelivery{
			{
				Key: outbox.Key{Event: id, Address: "ops-mail.3fa9"}, State: event.Pending, Attempts: 3,
				NextAt: noon.Add(90 * time.Second), LastOutcome: event.Retry, LastStatus: 451,
				LastReason: "the mail server asks to come back later", CreatedAt: at,
			},
			{Key: outbox.Key{Event: id, Address: "case-api"}, State: event.Done, Attempts: 1, LastOutcome: event.Delivered, LastStatus: 204, CreatedAt: at, FinishedAt: at.Add(1234567 * time.Microsecond)},
			{Key: outbox.Key{Event: id, Address: "ops-mail.77b0"}, State: event.Dead, Attempts: 1, LastOutcome: event.Rejected, LastStatus: 550, LastReason: "no such mailbox", CreatedAt: at, FinishedAt: at.Add(time.Minute)},
			{Key: outbox.Key{Event: older, Address: "case-api"}, CreatedAt: at},
		},
		attempts: map[outbox.Key][]outbox.Attempt{
			{Event: id, Address: "ops-mail.3fa9"}: {
				{Number: 1, At: at.Add(time.Second), Duration: 1234567 * time.Microsecond, Outcome: event.Retry, Status: 421, Tries: 2, Reason: "the mail server is busy", NextAt: at.Add(time.Minute)},
				{Number: 1, At: at.Add(30 * time.Second), Tries: 1, Reason: "retried by hand", NextAt: at.Add(30 * time.Second)},
			},
		},
		refused: []event.Refused{{
			ID: mustID(t, refusedID), Source: "preventor", ReceivedAt: at, Status: 400, Reason: "the body could not be decrypted",
			ContentType: "text/plain", IV: canarySecret, Body: payload,
		}},
		counts: map[outbox.Address]outbox.Count{
			"case-api":      {Pending: 2, Delivered: 10, Dead: 1, Oldest: noon.Add(-time.Minute)},
			"ops-mail.3fa9": {Pending: 1, Delivered: 5, Oldest: noon.Add(-time.Hour)},
			"ops-mail.77b0": {Pending: 3, Delivered: 4, Dead: 2, Oldest: noon.Add(-2 * time.Hour)},
			"old-slack":     {Pending: 7, Oldest: noon.Add(-24 * time.Hour)},
		},
	}
}

func TestItemsAreAsDocumented(t *testing.T) {
	b, _ := filledBench(t)
	for path, file := range map[string]string{
		"/api/v1/events":                                   "events.json",
		"/api/v1/events?refused=true":                      "refused.json",
		"/api/v1/deliveries":                               "deliveries.json",
		"/api/v1/targets":                                  "targets.json",
		"/api/v1/rules":                                    "rules.json",
		"/api/v1/status":                                   "status.json",
		"/api/v1/events/" + anEvent:                        "event.json",
		"/api/v1/events/" + anEvent + "?body=full":         "event-full.json",
		"/api/v1/events/" + anEvent + "?body=none":         "event-none.json",
		"/api/v1/deliveries/" + anEvent + ".ops-mail.3fa9": "delivery.json",
	} {
		w := b.ask("GET", path)
		wantStatus(t, w, http.StatusOK)
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: Content-Type is %q", path, got)
		}
		golden(t, file, w.Body.Bytes())
	}
}

func TestEmptyListIsAListAndTheEnd(t *testing.T) {
	b := newBench(t, nil)
	for _, path := range []string{"events", "events?refused=true", "deliveries", "targets", "rules"} {
		w := b.ask("GET", "/api/v1/"+path)
		wantStatus(t, w, http.StatusOK)
		if got := w.Body.String(); got != `{"items":[],"next":""}`+"\n" {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestNextOfAPageIsTheCursorOfTheNextRequest(t *testing.T) {
	for _, list := range []string{"events", "deliveries"} {
		s := filled(t)
		b := newBench(t, func(c *Config) { c.Store = s })
		var first struct {
			Items []struct{ ID string }
			Next  string
		}
		if err := json.Unmarshal(b.ask("GET", "/api/v1/"+list).Body.Bytes(), &first); err != nil {
			t.Fatal(err)
		}
		if last := first.Items[len(first.Items)-1].ID; first.Next != last {
			t.Fatalf("%s: next is %q, want that of the last item, %q", list, first.Next, last)
		}
		wantStatus(t, b.ask("GET", "/api/v1/"+list+"?limit=2&cursor="+first.Next), http.StatusOK)
		if s.asked.Before != first.Next || s.asked.Limit != 2 {
			t.Errorf("%s: the store was asked for %+v", list, s.asked)
		}
		s.more = false
		if got := b.ask("GET", "/api/v1/"+list).Body.String(); !strings.HasSuffix(got, `,"next":""}`+"\n") {
			t.Errorf("%s: the last page ends with %s", list, got[max(0, len(got)-60):])
		}
	}
}
