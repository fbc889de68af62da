// Package storetest is what every outbox.Store must do, as tests. An
// implementation passes when Run does.
package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Open opens the store of one test. The first call makes it; called again after
// Store.Close, it opens the same one.
type Open func(t *testing.T) outbox.Store

// Run runs the suite. fresh is called for each test and gives it a store of its
// own. All of it runs twice: the second time with stores that have had more
// addresses than fit a mask of 64 bits, which an implementation may treat
// differently.
func Run(t *testing.T, fresh func(t *testing.T) Open) {
	t.Helper()
	for _, crowded := range []bool{false, true} {
		name := "few addresses"
		if crowded {
			name = "many addresses"
		}
		t.Run(name, func(t *testing.T) {
			tests := reflect.TypeFor[suite]()
			for i := range tests.NumMethod() {
				test := reflect.Zero(tests).Method(i).Interface().(func(*testing.T, *env))
				t.Run(tests.Method(i).Name, func(t *testing.T) {
					t.Parallel()
					test(t, newEnv(t, fresh(t), crowded))
				})
			}
		})
	}
}

// suite has a method for each promise.
type suite struct{}

// env is one test's store and clock.
type env struct {
	open Open
	s    outbox.Store
	ids  *event.IDs
	now  time.Time
	n    int
}

func newEnv(t *testing.T, open Open, crowded bool) *env {
	t.Helper()
	e := &env{open: open, s: open(t), ids: &event.IDs{}, now: time.Now().UTC().Truncate(time.Millisecond)}
	t.Cleanup(func() {
		if err := e.s.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	if crowded {
		e.crowd(t)
	}
	return e
}

// crowd uses up the first 64 addresses with an event that is erased again.
func (e *env) crowd(t *testing.T) {
	t.Helper()
	now := e.now
	e.now = now.Add(-1000 * time.Hour)
	var to []outbox.Address
	for i := range 64 {
		to = append(to, outbox.AddressOf("crowd", fmt.Sprint(i)))
	}
	in := e.put(t, nil, to...)
	var given []outbox.Attempt
	for _, a := range to {
		given = append(given, byHand(key(in, a), event.Discarded, time.Time{}))
	}
	e.end(t, given...)
	e.now = now
	if _, err := e.s.Purge(t.Context(), outbox.Retention{Bodies: now.Add(-time.Hour), Rows: now.Add(-time.Hour)}); err != nil {
		t.Fatal("purge:", err)
	}
}

// reopen closes the store and opens it again.
func (e *env) reopen(t *testing.T) {
	t.Helper()
	if err := e.s.Close(); err != nil {
		t.Fatal("close:", err)
	}
	e.s = e.open(t)
}

// entry makes an entry received now, with everything filled in. The clock moves
// on by a second.
func (e *env) entry(change func(*outbox.Entry), to ...outbox.Address) *outbox.Entry {
	e.n++
	id := e.ids.New(e.now)
	in := &outbox.Entry{
		Event: &event.Event{
			ID: id, Source: "preventor", ReceivedAt: e.now, Body: fmt.Appendf(nil, `{"id":"inv-%d","full_name":"Jo Doe"}`, e.n),
			Subject: fmt.Sprint("inv-", e.n), Ticket: fmt.Sprint("ticket-", e.n), Status: "REJECTED", Person: fmt.Sprint("cif-", e.n),
		},
		Verdicts: []outbox.Verdict{{Rule: "rejected", Verdict: "match"}, {Rule: "new", Verdict: "shadow"}},
		To:       to, DedupeSince: e.now.Add(-time.Hour),
	}
	copy(in.Event.Dedupe[:], in.Event.Body)
	if change != nil {
		change(in)
	}
	e.now = e.now.Add(time.Second)
	return in
}

// put writes one entry.
func (e *env) put(t *testing.T, change func(*outbox.Entry), to ...outbox.Address) *outbox.Entry {
	t.Helper()
	in := e.entry(change, to...)
	e.write(t, &outbox.Batch{Entries: []*outbox.Entry{in}})
	return in
}

func (e *env) write(t *testing.T, b *outbox.Batch) {
	t.Helper()
	if err := e.s.Write(t.Context(), b); err != nil {
		t.Fatal("write:", err)
	}
}

// end records attempts; what they leave open is filled in.
func (e *env) end(t *testing.T, attempts ...outbox.Attempt) []outbox.Attempt {
	t.Helper()
	for i := range attempts {
		a := &attempts[i]
		if a.At.IsZero() {
			a.At = e.now
			e.now = e.now.Add(time.Second)
		}
		if a.Outcome != 0 {
			a.Number, a.Tries, a.Duration = max(1, a.Number), max(1, a.Tries), 25*time.Millisecond
		}
	}
	e.write(t, &outbox.Batch{Attempts: attempts})
	return attempts
}

// key is the delivery of an entry to an address.
func key(in *outbox.Entry, a outbox.Address) outbox.Key {
	return outbox.Key{Event: in.Event.ID, Address: a}
}

// Ends of an attempt.
func success(k outbox.Key) outbox.Attempt {
	return outbox.Attempt{Key: k, Outcome: event.Delivered, Status: 200, State: event.Done}
}

func retry(k outbox.Key, number int, next time.Time) outbox.Attempt {
	return outbox.Attempt{
		Key: k, Number: number, Outcome: event.Retry, Status: 503, Reason: "the target answered 503", Tries: 3, State: event.Pending, NextAt: next,
	}
}

func rejected(k outbox.Key, number int) outbox.Attempt {
	return outbox.Attempt{Key: k, Number: number, Outcome: event.Rejected, Status: 422, Reason: "the target answered 422", State: event.Dead}
}

func byHand(k outbox.Key, s event.State, next time.Time) outbox.Attempt {
	return outbox.Attempt{Key: k, State: s, NextAt: next, Reason: "by hand"}
}

func (e *env) delivery(t *testing.T, k outbox.Key) *outbox.StoredDelivery {
	t.Helper()
	d, err := e.s.Delivery(t.Context(), k)
	if err != nil {
		t.Fatal("delivery:", err)
	}
	return d
}

func (e *env) event(t *testing.T, in *outbox.Entry) *outbox.StoredEvent {
	t.Helper()
	ev, err := e.s.Event(t.Context(), in.Event.ID)
	if err != nil {
		t.Fatal("event:", err)
	}
	return ev
}

func (e *env) attempts(t *testing.T, k outbox.Key) []outbox.Attempt {
	t.Helper()
	list, err := e.s.Attempts(t.Context(), k)
	if err != nil {
		t.Fatal("attempts:", err)
	}
	return list
}

func (e *env) counts(t *testing.T) map[outbox.Address]outbox.Count {
	t.Helper()
	counts, err := e.s.Counts(t.Context())
	if err != nil {
		t.Fatal("counts:", err)
	}
	for a := range counts {
		if a.Target() == "crowd" {
			delete(counts, a)
		}
	}
	return counts
}

// same compares times to the microsecond, and nothing with empty as equal.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	opts := cmp.Options{cmpopts.EquateApproxTime(time.Microsecond), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// is reports a test failure unless err wraps want.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}
