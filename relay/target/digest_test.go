package target

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
)

// deliveries are messages of the given bodies, a minute apart.
func deliveries(t testing.TB, bodies ...string) []*Message {
	t.Helper()
	at := time.Date(2026, time.November, 23, 1, 41, 7, 0, time.UTC)
	ids := event.IDs{}
	var ms []*Message
	for i, body := range bodies {
		ev := &event.Event{ID: ids.New(at), Source: "preventor", ReceivedAt: at.Add(time.Duration(i) * time.Minute), Body: []byte(body)}
		if err := json.Unmarshal(ev.Body, &ev.Fields); err != nil {
			t.Fatal(err)
		}
		ev.Status, _ = ev.Fields["transaction_status"].(string)
		ms = append(ms, &Message{DeliveryID: ev.ID.String() + ".x", Attempt: 1, Event: ev, Now: at})
	}
	return ms
}

// TestADigestSaysHowManyOfWhat: the title counts, whatever comes together.
func TestADigestSaysHowManyOfWhat(t *testing.T) {
	status := func(s string) string { return `{"id":"i","transaction_status":"` + s + `"}` }
	state := func(s string) string { return `{"id":"i","invitation_state":"` + s + `"}` }
	yes, no := status("ACCEPTED"), status("REJECTED")
	for want, bodies := range map[string][]string{
		"5 verifications: 3 rejected, 2 accepted":                  {yes, no, no, yes, no},
		"2 verifications rejected":                                 {no, no},
		"2 identities verified":                                    {status("VERIFIED"), status("VERIFIED")},
		"3 events: 2 invitations expired, 1 verification rejected": {no, state("EXPIRED"), state("EXPIRED")},
		"2 events from preventor":                                  {`{}`, `{"a":1}`},
		"3 events: 2 of other kinds, 1 verification accepted":      {`{}`, `{"a":1}`, yes},
		"2 verifications: 2 UNDER_REVIEW":                          {status("UNDER_REVIEW"), status("UNDER_REVIEW")},
		"6 verifications: 1 A, 1 B, 1 C, 1 D, 2 other":             {status("A"), status("B"), status("C"), status("D"), status("E"), status("F")},
	} {
		if got := summariseDigest(deliveries(t, bodies...)).title; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestADigestHasALineAnEventInTheirOrder(t *testing.T) {
	ms := deliveries(t,
		`{"id":"i-1","transaction_status":"REJECTED","full_name":"Jon\nDoe","attempts":3,"ticket":"t-1","cifcod":"C-1"}`,
		`{"id":"i-2","invitation_state":"EXPIRED"}`)
	ms[1].Event.Kind = event.Replayed
	ms[1].Event.Source = "tickets"
	d := summariseDigest(ms)
	if len(d.lines) != 2 {
		t.Fatalf("%d lines", len(d.lines))
	}
	a, b := d.lines[0], d.lines[1]
	if a.title != "Verification rejected" || a.who != "Jon Doe" || a.tries != "3 attempts" || a.time != "01:41:07" ||
		len(a.ids) != 1 || a.ids[0].value != "t-1" || a.event != ms[0].Event.ID.Short() {
		t.Errorf("%+v", a)
	}
	if b.title != "[replay] Invitation expired" || len(b.ids) != 1 || b.ids[0].value != "i-2" {
		t.Errorf("%+v", b)
	}
	if got := strings.Join(d.notes, " · "); got != "preventor · tickets · received 2026-11-23 01:41:07 to 01:42:07 UTC" {
		t.Errorf("%s", got)
	}
	ms[1].Event.ReceivedAt = ms[1].Event.ReceivedAt.Add(24 * time.Hour)
	if got := summariseDigest(ms); got.lines[0].time != "2026-11-23 01:41:07" || !strings.HasSuffix(got.notes[2], " to 2026-11-24 01:42:07 UTC") {
		t.Errorf("over two days: %+v", got)
	}
}
