package admin

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

const (
	anEventMade = "019a0000-0000-7000-8000-0000000000ff"
	refusedID   = "019a0000-0000-7000-8000-00000000ffff"
)

// deeds is what the API has had done, in words, and what each deed is to end in.
type deeds struct {
	done []string
	err  error
	one  map[string]error // of a delivery or event by id
}

func (d *deeds) of(what string, ids ...string) {
	d.done = append(d.done, what+" "+strings.Join(ids, " "))
}

func (d *deeds) decide(what string) func(context.Context, []outbox.StoredDelivery) []error {
	return func(_ context.Context, was []outbox.StoredDelivery) (errs []error) {
		var ids []string
		for i := range was {
			ids = append(ids, was[i].Key.String())
			err := d.err
			if one, ok := d.one[was[i].Key.String()]; ok {
				err = one
			}
			errs = append(errs, err)
		}
		d.of(what, ids...)
		return errs
	}
}

func (d *deeds) replay(_ context.Context, ids []event.ID, refused bool, to []string) (out []Replayed) {
	made, _ := event.ParseID(anEventMade)
	what := "replay"
	if refused {
		what = "replay refused"
	}
	var names []string
	for _, id := range ids {
		names = append(names, id.String())
		r := Replayed{ID: made, Duplicate: refused, Err: d.err}
		if one, ok := d.one[id.String()]; ok {
			r.Err = one
		}
		out = append(out, r)
	}
	d.of(what+" to ["+strings.Join(to, ",")+"]", names...)
	return out
}

// filledBench is an API over a shelf with one of everything, and with everything
// that can be done.
func filledBench(t *testing.T, change ...func(*Config)) (*bench, *deeds) {
	t.Helper()
	d := &deeds{}
	b := newBench(t, func(c *Config) {
		c.Store = filled(t)
		c.Targets = func() []TargetStatus {
			return []TargetStatus{
				{
					Name: "ops-mail", Kind: "email", Held: true, HeldSince: noon.Add(-30 * time.Minute), HeldReason: "the mail server refuses the login",
					NextProbe: noon.Add(10 * time.Second), Waiting: noon.Add(time.Hour),
				},
				{Name: "case-api", Kind: "http", Held: true, HeldSince: noon.Add(-time.Minute), HeldReason: "maintenance", ByHand: true},
				{Name: "archive", Kind: "log"},
				{Name: "old-slack"},
			}
		}
		c.Rules = func() []RuleStatus {
			return []RuleStatus{{Name: "rejected", When: `transaction_status == "REJECTED"`, To: []string{"case-api"}, Enabled: true}, {Name: "none"}}
		}
		c.Sources = func() []string { return []string{"preventor", "tickets"} }
		c.Detail = detailOf
		c.Alarms = func(context.Context) ([]outbox.Alarm, error) {
			return []outbox.Alarm{
				{Kind: "target_held", Subject: "ops-mail", Since: noon.Add(-30 * time.Minute), Reason: "the mail server refuses the login"},
				{Kind: "rule_error", Subject: "odd", Since: noon.Add(-time.Hour), Reason: "it could not be evaluated", EventID: mustID(t, anEvent)},
			}, nil
		}
		c.Reloaded = func() ReloadStatus { return ReloadStatus{OK: true, At: noon.Add(-2 * time.Hour)} }
		c.Reload = func(context.Context) error { return d.err }
		c.Retry, c.Discard, c.Replay = d.decide("retry"), d.decide("discard"), d.replay
		c.Hold = func(name, reason string) error { d.of("hold", name, reason); return d.err }
		c.Release = func(name string) error { d.of("release", name); return d.err }
		c.SendTest = func(_ context.Context, name, source string) (event.ID, []outbox.Key, error) {
			d.of("send-test", name, source)
			id := mustID(t, anEventMade)
			return id, []outbox.Key{{Event: id, Address: "ops-mail.3fa9"}, {Event: id, Address: "ops-mail.77b0"}}, d.err
		}
		c.Explain = func(_ context.Context, source string, body io.Reader) (any, error) {
			text, err := io.ReadAll(body)
			d.of("explain", source)
			return map[string]any{"source": source, "payload": string(text)}, err
		}
		for _, f := range change {
			f(c)
		}
	})
	return b, d
}

// detailOf shows what Config.Detail is told to promise of each Show.
func detailOf(e *outbox.StoredEvent, show Show) Detail {
	d := Detail{Rules: []DecidedRule{{Name: "rejected", Verdict: "match", When: `attempts > 1 && odd`}, {Name: "odd", Verdict: "error", When: "odd > 1"}}}
	if e.Body == nil || show == ShowNone {
		return d
	}
	name := any("C***")
	d.Body = json.RawMessage(`{"full_name":"C***"}`)
	if show == ShowFull {
		name, d.Body = canaryName, e.Body
	}
	d.Rules[0].Parts = []RulePart{
		{Text: `attempts > 1 && odd`, Values: []any{true}, Evaluated: true},
		{Text: "full_name", Depth: 1, Values: []any{name}, Evaluated: true},
		{Text: "odd", Depth: 1},
	}
	d.Rules[1].Parts = []RulePart{{Text: "odd > 1", Failed: true}}
	return d
}
