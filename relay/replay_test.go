package relay

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
)

// drawer is a Store with one event in it.
type drawer struct {
	outbox.Store
	e *outbox.StoredEvent
}

func (d *drawer) Event(context.Context, event.ID) (*outbox.StoredEvent, error) { return d.e, nil }

const replayYAML = `
sources: {a: {path: /a, auth: {anonymous: true}}}
rules:
  - {name: by-day, when: 'received_at.Hour() == 9 && event_id != "" && attempts > 2', to: [day]}
  - {name: by-night, when: 'received_at.Hour() == 23', to: [night]}
targets: {day: {log: {}}, night: {log: {}}}
`

// late is a relay at 23 o'clock with an event of 9 o'clock in its store.
func late(t *testing.T, body string) (*Relay, *plan, *drawer) {
	t.Helper()
	nine := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	var ids event.IDs
	d := &drawer{e: &outbox.StoredEvent{Event: event.Event{ID: ids.New(nine), Source: "a", ReceivedAt: nine, Body: []byte(body)}}}
	r := &Relay{store: d, opts: Options{Now: func() time.Time { return nine.Add(14 * time.Hour) }}, metrics: newMetrics(prometheus.NewRegistry(), "")}
	r.log = slog.New(slog.DiscardHandler)
	r.intake = intake.NewMetrics(nil)
	p, err := r.assemble(parsed(t, replayYAML))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return r, p, d
}

func TestReplayDecidesByWhenTheOriginalCame(t *testing.T) {
	r, p, d := late(t, `{"id":"i-1","attempts":3,"cifcod":"C-77","ticket":"t-1","transaction_status":"REJECTED"}`)
	entry, _, err := r.copied(t.Context(), p, d.e.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(entry.To) != 1 || entry.To[0] != "day" || entry.Ruleset == "" || !entry.DedupeSince.IsZero() {
		t.Errorf("it goes to %v with rules %q", entry.To, entry.Ruleset)
	}
	ev := entry.Event
	if ev.ID == d.e.ID || ev.Kind != event.Replayed || !ev.ReceivedAt.Equal(r.opts.Now()) || ev.Subject != "i-1" || ev.Ticket != "t-1" ||
		ev.Status != "REJECTED" || ev.Person != "C-77" || string(ev.Body) != string(d.e.Body) {
		t.Errorf("the copy is %+v", ev)
	}
	// Of a rule that read what the copy does not have no values are shown.
	stored := &outbox.StoredEvent{Event: *ev, Verdicts: entry.Verdicts, Ruleset: entry.Ruleset}
	r.plan.Store(p)
	for _, rule := range r.detail(stored, admin.ShowFull).Rules {
		if len(rule.Parts) != 0 {
			t.Errorf("%s has parts %+v", rule.Name, rule.Parts)
		}
	}
}

func TestReplayOfWhatDoesNotFitTodayIsWhatCouldBeRead(t *testing.T) {
	r, p, d := late(t, `{"attempts":"x","cifcod":"C-77"}`)
	for _, source := range []string{"a", "gone"} {
		d.e.Source = source
		entry, _, err := r.copied(t.Context(), p, d.e.ID, []string{"night", "day"})
		if err != nil {
			t.Fatal(err)
		}
		if len(entry.To) != 2 || entry.Ruleset != "" || entry.Event.Person != "C-77" || entry.Event.Fields["cifcod"] != "C-77" {
			t.Errorf("from %s: %+v of %+v", source, entry, entry.Event)
		}
	}
}

func TestWhatCannotBeReplayedSaysWhy(t *testing.T) {
	r, p, d := late(t, `{"id":"i-1"}`)
	if _, _, err := r.copied(t.Context(), p, d.e.ID, []string{"nowhere"}); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("to an unknown target: %v", err)
	}
	for what, change := range map[string]func(){
		"a test":       func() { d.e.Kind = event.Test },
		"an alarm":     func() { d.e.Kind = event.Alarm },
		"without body": func() { d.e.Kind, d.e.Body = event.Received, nil },
		"broken":       func() { d.e.Body = []byte("{") },
	} {
		d.e.Kind, d.e.Body = event.Received, []byte(`{"id":"i-1"}`)
		change()
		_, _, err := r.copied(t.Context(), p, d.e.ID, nil)
		if invalid, ok := errors.AsType[*admin.InvalidError](err); !ok || len(invalid.Problems) != 1 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestRetryOfWhatHasNoBodyAndDiscardOfWhatHasEndedAreRefused(t *testing.T) {
	r, _, d := late(t, "")
	d.e.Body = nil
	for _, state := range []event.State{event.Done, event.Discarded} {
		was := []outbox.StoredDelivery{{Key: outbox.Key{Event: d.e.ID, Address: "day"}, State: state}}
		if err := r.retry(t.Context(), was)[0]; !errors.Is(err, errNoBody) {
			t.Errorf("retry of %s: %v", state, err)
		}
		if err := r.discard(t.Context(), was)[0]; !errors.Is(err, errNotDiscarded) {
			t.Errorf("discard of %s: %v", state, err)
		}
	}
}

func TestSamplesAreThoseOfTheDocumentation(t *testing.T) {
	for preset, file := range map[string]string{"invitation": "accepted.json", "idv-ticket": "ticket-rejected.json"} {
		want, err := os.ReadFile("../testdata/samples/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := sample(preset, nil); err != nil || string(got) != string(want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", preset, err, got, want)
		}
	}
}

func TestSampleIsTakenByItsPresetAndHasEveryDeclaredField(t *testing.T) {
	for _, preset := range []string{"invitation", "idv-ticket", "json"} {
		declared := map[string]string{"a": "string", "b": "integer", "c": "number", "d": "bool", "e": "any", "größe": "number"}
		body, err := sample(preset, declared)
		if err != nil {
			t.Fatal(err)
		}
		f, err := intake.Decode(body, schema(preset, declared))
		if err != nil {
			t.Errorf("%s: %v\n%s", preset, err, body)
		}
		for name := range declared {
			if f.Members[name] == nil {
				t.Errorf("%s: no %s in\n%s", preset, name, body)
			}
		}
	}
}
