package relay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay"
	"invitation-relay/relay/event"
)

func TestDryRunDecidesOnAStoredEventAsOnItsWebhook(t *testing.T) {
	yaml := strings.Replace(fmt.Sprintf(dryConfig, "relay.db", "http://127.0.0.1:1", 2525), "{path: /plain}", "{path: /plain, max_body: 1KiB}", 1)
	yaml = strings.Replace(yaml, "unmatched, to", "'unmatched && event_id != \"\" && received_at.Year() > 2000', to", 1)
	d := dryRun(t, yaml)
	at := time.Now().UTC()
	for _, body := range []string{
		fmt.Sprintf(dryBody, 1, "REJECTED"), fmt.Sprintf(dryBody, 1, "ACCEPTED"), `{}`, `{"id":"i-1","attempts":"x"}`, `[]`, `{"id":`,
		`{"id":"i-1","pad":"` + strings.Repeat("x", 1024) + `"}`,
	} {
		sent, err := d.Run(t.Context(), relay.Webhook{Source: "plain", Body: []byte(body), At: at})
		if err != nil {
			t.Fatal(err)
		}
		ev := &event.Event{ID: new(event.IDs).New(at), Source: "plain", ReceivedAt: at, Body: []byte(body)}
		stored, err := d.Stored(ev)
		if err != nil {
			t.Fatal(err)
		}
		if stored.Status != sent.Status || stored.Reason != sent.Reason || (stored.Event == nil) != (sent.Event == nil) {
			t.Errorf("%s\nstored: %d %s\nsent: %d %s", body, stored.Status, stored.Reason, sent.Status, sent.Reason)
		}
		if diff := cmp.Diff(sent.Decision.Targets, stored.Decision.Targets); diff != "" {
			t.Errorf("%s\n%s", body, diff)
		}
		if stored.Event != nil && stored.Event.ID != ev.ID || ev.Fields != nil {
			t.Errorf("the event was changed, or has another id: %+v", stored.Event)
		}
	}
}

func TestDryRunDecidesOnAStoredEventOfAnEncryptedSource(t *testing.T) {
	yaml := strings.Replace(fmt.Sprintf(dryConfig, "relay.db", "http://127.0.0.1:1", 2525), "{path: /enc,", "{path: /enc, max_body: 1KiB,", 1)
	d := dryRun(t, yaml)
	for body, want := range map[string]int{
		fmt.Sprintf(dryBody, 1, "REJECTED"): 202,
		`{}`:                                400, // as everything on an encrypted source
		`{"id":"i-1","x":"` + strings.Repeat("x", 750) + `"}`:  413, // base64 makes it longer
		`{"id":"i-1","x":"` + strings.Repeat("x", 740) + `"}`:  202,
		`{"id":"i-1","x":"` + strings.Repeat("x", 1024) + `"}`: 413,
	} {
		o, err := d.Stored(&event.Event{Source: "enc", ReceivedAt: time.Now(), Body: []byte(body)})
		if err != nil || o.Status != want {
			t.Errorf("%s is answered %+v (%v), want %d", body, o, err, want)
		}
	}
	if _, err := d.Stored(&event.Event{Source: "gone"}); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("a source that is gone: %v, want event.ErrNotFound", err)
	}
}
