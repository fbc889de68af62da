package storetest

import (
	"fmt"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func (e *env) purge(t *testing.T, r outbox.Retention) int {
	t.Helper()
	n, err := e.s.Purge(t.Context(), r)
	if err != nil {
		t.Fatal("purge:", err)
	}
	return n
}

func (suite) BodiesOfFinishedEventsAreErased(t *testing.T, e *env) {
	done, dead, open, given := e.put(t, nil, "a"), e.put(t, nil, "a"), e.put(t, nil, "a"), e.put(t, nil, "a")
	history := e.put(t, nil)
	e.end(t, success(key(done, "a")), rejected(key(dead, "a"), 1), byHand(key(given, "a"), event.Discarded, time.Time{}))
	late := e.put(t, nil, "a")
	cut := e.now
	e.end(t, success(key(late, "a")))
	same(t, "erased", e.purge(t, outbox.Retention{Bodies: cut}), 3)
	for _, in := range []*outbox.Entry{done, given, history} {
		got := e.event(t, in)
		if got.Body != nil {
			t.Error("a body of a finished event is still there")
		}
		same(t, "subject", got.Subject, in.Event.Subject)
		same(t, "by person", e.events(t, outbox.Filter{Person: in.Event.Person}), []string(nil))
		same(t, "by ticket", e.events(t, outbox.Filter{Ticket: in.Event.Ticket}), []string{in.Event.Subject})
	}
	for what, in := range map[string]*outbox.Entry{"dead letter": dead, "pending": open, "finished later": late} {
		same(t, what, string(e.event(t, in).Body), string(in.Event.Body))
	}
	same(t, "delivery", e.delivery(t, key(done, "a")).State, event.Done)
	got, _ := e.claim(t, outbox.Query{Addresses: []outbox.Address{"a"}})
	same(t, "pending", got, []outbox.Key{key(open, "a")})

	e.end(t, byHand(key(dead, "a"), event.Discarded, time.Time{}), success(key(open, "a")))
	same(t, "erased in the next purge", e.purge(t, outbox.Retention{Bodies: e.now}), 3)
	same(t, "erased when nothing is left", e.purge(t, outbox.Retention{Bodies: e.now}), 0)
}

func (suite) RowsAreErasedWithAllThatHangsOnThem(t *testing.T, e *env) {
	done, dead, open := e.put(t, nil, "a", "b"), e.put(t, nil, "a"), e.put(t, nil, "a")
	e.end(t, success(key(done, "a")), retry(key(done, "b"), 1, e.now), rejected(key(dead, "a"), 1))
	e.end(t, outbox.Attempt{Key: key(done, "b"), Number: 2, Outcome: event.Delivered, State: event.Done})
	cut := e.now
	young := e.put(t, nil, "a")
	e.end(t, success(key(young, "a")))
	e.purge(t, outbox.Retention{Bodies: cut, Rows: cut})
	for _, in := range []*outbox.Entry{done, dead} {
		_, err := e.s.Event(t.Context(), in.Event.ID)
		is(t, "event", err, event.ErrNotFound)
		_, err = e.s.Delivery(t.Context(), key(in, "a"))
		is(t, "delivery", err, event.ErrNotFound)
		_, err = e.s.Attempts(t.Context(), key(in, "a"))
		is(t, "attempts", err, event.ErrNotFound)
		same(t, "by ticket", e.events(t, outbox.Filter{Ticket: in.Event.Ticket}), []string(nil))
	}
	same(t, "left", e.events(t, outbox.Filter{}), []string{young.Event.Subject, open.Event.Subject})
	same(t, "dead letters", e.deliveries(t, outbox.Filter{State: "dead"}), []outbox.Key(nil))
	same(t, "counts", e.counts(t)["a"], outbox.Count{Pending: 1, Delivered: 1, Oldest: open.Event.ReceivedAt})
	same(t, "counts", e.counts(t)["b"], outbox.Count{})

	e.end(t, success(key(open, "a")))
	e.purge(t, outbox.Retention{Bodies: e.now, Rows: e.now})
	same(t, "left in the end", e.events(t, outbox.Filter{}), []string(nil))
	last := young.Event.ID.Seq()
	same(t, "last", e.s.LastSeq(), last)
	e.reopen(t)
	same(t, "last after reopening", e.s.LastSeq(), last)
	same(t, "counts after reopening", e.counts(t)["a"], outbox.Count{})
	same(t, "the store goes on", e.event(t, e.put(t, nil, "a")).Open, 1)
}

func (suite) PurgeGoesThroughManyEvents(t *testing.T, e *env) {
	var batch outbox.Batch
	for range 1500 {
		batch.Entries = append(batch.Entries, e.entry(nil, "a"))
	}
	e.write(t, &batch)
	var ends []outbox.Attempt
	for i, in := range batch.Entries {
		if i%3 > 0 {
			ends = append(ends, success(key(in, "a")))
		}
	}
	e.end(t, ends...)
	same(t, "bodies", e.purge(t, outbox.Retention{Bodies: e.now}), 1000)
	same(t, "rows", e.purge(t, outbox.Retention{Bodies: e.now, Rows: e.now}), 1000)
	same(t, "counts", e.counts(t)["a"].Pending, 500)
	same(t, "delivered", e.counts(t)["a"].Delivered, 0)
}

func (suite) RefusedOnesAreErasedByAgeAndNumber(t *testing.T, e *env) {
	var batch outbox.Batch
	for i := range 10 {
		r := e.refused()
		r.Source = []string{"old", "many"}[i%2]
		batch.Refused = append(batch.Refused, r)
	}
	e.write(t, &batch)
	n := e.purge(t, outbox.Retention{RefusedAfter: func(source string) (time.Time, int) {
		switch source {
		case "old":
			return batch.Refused[6].ReceivedAt, 100
		case "many":
			return time.Time{}, 2
		}
		return time.Time{}, 1000
	}})
	same(t, "erased", n, 6)
	var left []string
	for _, r := range e.listRefused(t, outbox.Filter{}) {
		left = append(left, fmt.Sprint(r.Source, " ", string(r.Body[2:])))
	}
	want := []string{}
	for _, i := range []int{9, 8, 7, 6} {
		want = append(want, fmt.Sprint(batch.Refused[i].Source, " ", string(batch.Refused[i].Body[2:])))
	}
	same(t, "left", left, want)
}
