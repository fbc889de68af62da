package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// tells is a Forget.Holds that finds a word.
func tells(word string) func([]byte) bool {
	return func(body []byte) bool { return bytes.Contains(body, []byte(word)) }
}

func (e *env) forget(t *testing.T, f outbox.Forget) outbox.Forgotten {
	t.Helper()
	f.Now = e.now
	done, err := e.s.Forget(t.Context(), f)
	if err != nil {
		t.Fatal("forget:", err)
	}
	return done
}

// of makes an event of a person, with an invitation and a ticket.
func (e *env) of(t *testing.T, person, subject, ticket, body string, to ...outbox.Address) *outbox.Entry {
	t.Helper()
	return e.put(t, func(in *outbox.Entry) {
		in.Event.Person, in.Event.Subject, in.Event.Ticket, in.Event.Body = person, subject, ticket, []byte(body)
		in.Ruleset = "the rules"
	}, to...)
}

func (suite) PersonIsForgottenAndNobodyElse(t *testing.T, e *env) {
	hers := []*outbox.Entry{
		e.of(t, "cif-1", "inv-1", "ticket-1", `{"full_name":"Jo"}`, "a", "b"),
		e.of(t, "", "inv-nested", "", `{"data":{"who":"JO-1"}}`, "a"),
		e.of(t, "", "ticket-1", "ticket-1", `{}`, "a"),         // linked by the ticket
		e.of(t, "", "inv-linked", "ticket-1", `{}`),            // and this one
		e.of(t, "", "inv-linked", "ticket-further", `{}`, "a"), // by what that has
	}
	others := []*outbox.Entry{
		e.of(t, "cif-2", "inv-2", "ticket-2", `{"full_name":"Al"}`, "a", "b"),
		e.of(t, "cif-2", "inv-3", "ticket-1", `{}`, "a"), // it has her ticket, but is his
		e.of(t, "", "", "", `{}`, "a"),
	}
	e.end(t, success(key(hers[0], "a")), rejected(key(hers[0], "b"), 1), retry(key(hers[1], "a"), 1, e.now.Add(time.Hour)))
	before := map[*outbox.Entry]*outbox.StoredEvent{}
	for _, in := range others {
		before[in] = e.event(t, in)
	}
	same(t, "forgotten", e.forget(t, outbox.Forget{Person: "cif-1", Holds: tells("JO-1")}), outbox.Forgotten{Events: 5, Discarded: 4})
	for range 2 {
		for i, in := range hers {
			got := e.event(t, in)
			want := event.Event{ID: in.Event.ID, Source: in.Event.Source, ReceivedAt: in.Event.ReceivedAt, Status: in.Event.Status}
			same(t, "what is left", got.Event, want)
			same(t, "rules", got.Verdicts, in.Verdicts)
			same(t, "ruleset", got.Ruleset, "the rules")
			same(t, "open", got.Open, 0)
			for _, a := range in.To {
				want := event.Discarded
				if i == 0 && a == "a" {
					want = event.Done
				}
				same(t, "state", e.delivery(t, key(in, a)).State, want)
			}
		}
		for _, in := range others {
			same(t, "somebody else's", e.event(t, in), before[in])
		}
		for _, f := range []outbox.Filter{{Person: "cif-1"}, {ID: "inv-1"}, {ID: "inv-linked"}, {Ticket: "ticket-further"}} {
			same(t, "found", e.events(t, f), []string(nil))
		}
		same(t, "by ticket", e.events(t, outbox.Filter{Ticket: "ticket-1"}), []string{"inv-3"})
		got, _ := e.claim(t, outbox.Query{Addresses: []outbox.Address{"a", "b"}, DueBy: e.now.Add(24 * time.Hour)})
		same(t, "due", len(got), 4)
		same(t, "counts", e.counts(t)["a"].Pending, 3)
		e.reopen(t)
	}
	same(t, "forgotten again", e.forget(t, outbox.Forget{Person: "cif-1", Holds: tells("JO-1")}), outbox.Forgotten{})
	again := e.put(t, func(in *outbox.Entry) { in.Event.Dedupe, in.Event.Person = hers[0].Event.Dedupe, "cif-1" }, "a")
	same(t, "what comes after is new", again.Duplicate, false)
	same(t, "purged like any other", e.purge(t, outbox.Retention{Rows: e.now.Add(time.Hour)}) > 0, true)
}

func (suite) RefusedOnesAreForgottenWhereTheyCanBeRead(t *testing.T, e *env) {
	var batch outbox.Batch
	for _, body := range []string{"of JO-1", "of nobody", "JO-1 again", "sealed"} {
		r := e.refused()
		if r.Body = []byte(body); body != "sealed" {
			r.IV = ""
		}
		batch.Refused = append(batch.Refused, r)
	}
	e.write(t, &batch)
	same(t, "forgotten", e.forget(t, outbox.Forget{Person: "cif-1", Holds: tells("JO-1")}), outbox.Forgotten{Refused: 2, Sealed: 1})
	var left []string
	for _, r := range e.listRefused(t, outbox.Filter{}) {
		left = append(left, string(r.Body))
	}
	same(t, "left", left, []string{"sealed", "of nobody"})
}

func (suite) DeliveriesOfWhomIsForgottenAreGivenUpFirst(t *testing.T, e *env) {
	in := e.of(t, "cif-1", "", "", "{}", "a", "b", "c")
	e.end(t, success(key(in, "a")))
	var told []outbox.Key
	busy := errors.New("an attempt is under way")
	discard := func(_ context.Context, list []outbox.StoredDelivery) error {
		told = nil
		for _, d := range list {
			told = append(told, d.Key)
		}
		return busy
	}
	_, err := e.s.Forget(t.Context(), outbox.Forget{Person: "cif-1", Discard: discard, Now: e.now})
	is(t, "forget", err, busy)
	same(t, "told of", told, []outbox.Key{key(in, "b"), key(in, "c")})
	same(t, "body", string(e.event(t, in).Body), "{}")
	busy = nil
	same(t, "forgotten", e.forget(t, outbox.Forget{Person: "cif-1", Discard: discard}), outbox.Forgotten{Events: 1, Discarded: 2})
	if _, err := e.s.Forget(t.Context(), outbox.Forget{}); err == nil {
		t.Error("nobody was named, and that is no error")
	}
}

// What is hers only by what another event has must be found again after an end
// halfway.
func (suite) ForgetAgainDoesTheRest(t *testing.T, e *env) {
	var hers []*outbox.Entry
	for i := range 60 {
		ticket := fmt.Sprint("ticket-", i)
		hers = append(hers, e.of(t, "cif-1", "", ticket, "{}", "a"), e.of(t, "", "linked-"+ticket, ticket, "{}", "a"))
	}
	for end := 2; ; end++ {
		calls, busy := 0, errors.New("an attempt is under way")
		discard := func(context.Context, []outbox.StoredDelivery) error {
			if calls++; calls == end {
				return busy
			}
			return nil
		}
		_, err := e.s.Forget(t.Context(), outbox.Forget{Person: "cif-1", Discard: discard, Now: e.now})
		if err == nil {
			break
		}
		is(t, "forget", err, busy)
	}
	for _, in := range hers {
		got := e.event(t, in)
		same(t, "what is left", got.Subject+got.Ticket+string(got.Body), "")
	}
}
