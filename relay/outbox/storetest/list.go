package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// events lists the subjects of all pages, and checks that each is full.
func (e *env) events(t *testing.T, f outbox.Filter) (subjects []string) {
	t.Helper()
	for {
		items, more, err := e.s.Events(t.Context(), f)
		if err != nil {
			t.Fatal("list events:", err)
		}
		for _, it := range items {
			subjects = append(subjects, it.Subject)
			if it.Body != nil {
				t.Error("a list has bodies")
			}
		}
		if !more {
			return subjects
		}
		if f.Limit > 0 && len(items) != f.Limit {
			t.Errorf("a page with more after it has %d items, want %d", len(items), f.Limit)
		}
		f.Before = items[len(items)-1].Cursor()
	}
}

func (e *env) deliveries(t *testing.T, f outbox.Filter) (keys []outbox.Key) {
	t.Helper()
	for {
		items, more, err := e.s.Deliveries(t.Context(), f)
		if err != nil {
			t.Fatal("list deliveries:", err)
		}
		for _, it := range items {
			keys = append(keys, it.Key)
		}
		if !more {
			return keys
		}
		if f.Limit > 0 && len(items) != f.Limit {
			t.Errorf("a page with more after it has %d items, want %d", len(items), f.Limit)
		}
		f.Before = items[len(items)-1].Cursor()
	}
}

// history fills a store with deliveries in every state, to one target with
// recipients and one without.
func (e *env) history(t *testing.T) (in []*outbox.Entry) {
	t.Helper()
	for i := range 30 {
		in = append(in, e.put(t, func(in *outbox.Entry) {
			in.Event.Source = []string{"preventor", "other"}[i%2]
			in.Event.Ticket, in.Event.Person = fmt.Sprint("ticket-", i/3), fmt.Sprint("cif-", i/5)
		}, []outbox.Address{"api", "mail.x", "mail.y"}[:i%4]...))
	}
	for i, entry := range in {
		if len(entry.To) > 0 && i%5 > 0 {
			k := key(entry, entry.To[0])
			e.end(t, []outbox.Attempt{success(k), rejected(k, 1), retry(k, 1, e.now), byHand(k, event.Discarded, time.Time{})}[i%5-1])
		}
	}
	return in
}

func (suite) EventsAreListedNewestFirstPageByPage(t *testing.T, e *env) {
	in := e.history(t)
	var want []string
	for _, entry := range slices.Backward(in) {
		want = append(want, entry.Event.Subject)
	}
	for _, limit := range []int{1, 7, 29, 30, 31, 1000} {
		same(t, fmt.Sprint("pages of ", limit), e.events(t, outbox.Filter{Limit: limit}), want)
	}
	items, _, err := e.s.Events(t.Context(), outbox.Filter{Limit: 1})
	if err != nil {
		t.Fatal("list:", err)
	}
	whole := e.event(t, in[29])
	whole.Body = nil
	same(t, "an item", items, []outbox.StoredEvent{*whole})
}

func (suite) DeliveriesAreListedNewestFirstPageByPage(t *testing.T, e *env) {
	var want []outbox.Key
	for _, entry := range slices.Backward(e.history(t)) {
		for _, a := range entry.To {
			want = append(want, key(entry, a))
		}
	}
	for _, limit := range []int{1, 2, 7, len(want), 1000} {
		same(t, fmt.Sprint("pages of ", limit), e.deliveries(t, outbox.Filter{Limit: limit}), want)
	}
	items, _, err := e.s.Deliveries(t.Context(), outbox.Filter{Limit: 1})
	if err != nil {
		t.Fatal("list:", err)
	}
	same(t, "an item", items, []outbox.StoredDelivery{*e.delivery(t, want[0])})
}

func (suite) EventsAreFilteredByAllThatIsSet(t *testing.T, e *env) {
	in := e.history(t)
	from, to := in[8].Event.ReceivedAt, in[21].Event.ReceivedAt
	filters := []outbox.Filter{
		{State: "pending"},
		{State: "finished"},
		{Event: in[7].Event.ID},
		{Event: in[7].Event.ID, Source: "preventor"},
		{Event: in[0].Event.ID, State: "finished"},
		{Event: in[5].Event.ID, State: "finished"},
		{Event: in[5].Event.ID, Target: "api"},
		{Event: in[5].Event.ID, Since: to},
		{Event: in[5].Event.ID, Until: from},
		{Event: e.ids.New(e.now)},
		{Event: other(in[7].Event.ID)},
		{Source: "other"},
		{ID: "inv-7"},
		{Ticket: "ticket-4"},
		{Person: "cif-2"},
		{Target: "api"},
		{Target: "mail"},
		{Since: from},
		{Until: to},
		{Since: from, Until: to, Source: "other", State: "pending"},
		{Target: "mail", State: "pending"},
		{Person: "cif-2", State: "finished"},
		{ID: "inv-7", Source: "nobody"},
		{Ticket: "ticket-4", Since: in[13].Event.ReceivedAt},
		{Ticket: "nothing"},
		{Person: "nobody"},
		{ID: "none"},
		{Source: "none"},
		{Target: "none"},
		{ID: in[3].Event.Subject, Ticket: in[3].Event.Ticket, Person: in[3].Event.Person, Source: in[3].Event.Source},
	}
	for _, f := range filters {
		var want []string
		for _, entry := range slices.Backward(in) {
			if open := e.event(t, entry).Open; wants(f, entry.Event) && hasTarget(f, entry.To) &&
				(f.State == "" || (f.State == "pending") == (open > 0)) {
				want = append(want, entry.Event.Subject)
			}
		}
		for _, f.Limit = range []int{2, 50} {
			same(t, fmt.Sprintf("%+v", f), e.events(t, f), want)
		}
	}
}

func (suite) DeliveriesAreFilteredByAllThatIsSet(t *testing.T, e *env) {
	in := e.history(t)
	var filters []outbox.Filter
	for _, f := range []outbox.Filter{
		{},
		{Event: in[11].Event.ID},
		{Event: in[11].Event.ID, Target: "mail"},
		{Event: in[11].Event.ID, Source: "preventor"},
		{Event: e.ids.New(e.now)},
		{Event: other(in[11].Event.ID)},
		{Source: "other"},
		{ID: "inv-7"},
		{Ticket: "ticket-4"},
		{Person: "cif-2"},
		{Target: "api"},
		{Target: "mail"},
		{Target: "none"},
		{Since: in[8].Event.ReceivedAt, Until: in[21].Event.ReceivedAt},
		{Target: "mail", Source: "other"},
		{Person: "cif-2", Target: "api"},
	} {
		for _, f.State = range []string{"", "pending", "delivered", "dead", "discarded"} {
			filters = append(filters, f)
		}
	}
	states := map[outbox.Key]string{}
	for _, entry := range in {
		for _, a := range entry.To {
			states[key(entry, a)] = e.delivery(t, key(entry, a)).State.String()
		}
	}
	for _, f := range filters {
		var want []outbox.Key
		for _, entry := range slices.Backward(in) {
			for _, a := range entry.To {
				if wants(f, entry.Event) && (f.Target == "" || a.Target() == f.Target) &&
					(f.State == "" || states[key(entry, a)] == f.State) {
					want = append(want, key(entry, a))
				}
			}
		}
		for _, f.Limit = range []int{2, 50} {
			same(t, fmt.Sprintf("%+v", f), e.deliveries(t, f), want)
		}
	}
}

func (suite) WithoutALimitAPageHasFifty(t *testing.T, e *env) {
	for range 51 {
		e.put(t, nil, "a")
	}
	events, more, err := e.s.Events(t.Context(), outbox.Filter{})
	if len(events) != 50 || !more || err != nil {
		t.Errorf("events: %d, more %v (%v)", len(events), more, err)
	}
	deliveries, more, err := e.s.Deliveries(t.Context(), outbox.Filter{})
	if len(deliveries) != 50 || !more || err != nil {
		t.Errorf("deliveries: %d, more %v (%v)", len(deliveries), more, err)
	}
}

func (suite) NonsenseInAFilterIsAnError(t *testing.T, e *env) {
	for _, f := range []outbox.Filter{{State: "lost"}, {Before: "x"}} {
		if _, _, err := e.s.Events(t.Context(), f); err == nil {
			t.Errorf("events %+v: no error", f)
		}
		if _, _, err := e.s.Deliveries(t.Context(), f); err == nil {
			t.Errorf("deliveries %+v: no error", f)
		}
	}
}

// other is an id of the same time with another random half.
func other(id event.ID) event.ID {
	id[15]++
	return id
}

func wants(f outbox.Filter, ev *event.Event) bool {
	return (f.Event == event.ID{} || f.Event == ev.ID) && (f.Source == "" || f.Source == ev.Source) && (f.ID == "" || f.ID == ev.Subject) &&
		(f.Ticket == "" || f.Ticket == ev.Ticket) && (f.Person == "" || f.Person == ev.Person) &&
		!ev.ReceivedAt.Before(f.Since) && (f.Until.IsZero() || ev.ReceivedAt.Before(f.Until))
}

func hasTarget(f outbox.Filter, to []outbox.Address) bool {
	return f.Target == "" || slices.ContainsFunc(to, func(a outbox.Address) bool { return a.Target() == f.Target })
}
