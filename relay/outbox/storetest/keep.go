package storetest

import (
	"fmt"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func (suite) CountsFollowEveryChange(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 4 {
		in = append(in, e.put(t, nil, "a", "b"))
	}
	at := func(i int) time.Time { return in[i].Event.ReceivedAt }
	expect := func(what string, a, b outbox.Count) {
		t.Helper()
		same(t, what, e.counts(t), map[outbox.Address]outbox.Count{"a": a, "b": b})
	}
	b := outbox.Count{Pending: 4, Oldest: at(0)}
	expect("new", outbox.Count{Pending: 4, Oldest: at(0)}, b)
	e.end(t, success(key(in[0], "a")))
	expect("one delivered", outbox.Count{Pending: 3, Delivered: 1, Oldest: at(1)}, b)
	e.end(t, retry(key(in[1], "a"), 1, e.now.Add(time.Hour)))
	expect("one to be retried", outbox.Count{Pending: 3, Delivered: 1, Oldest: at(1)}, b)
	e.end(t, rejected(key(in[1], "a"), 2), rejected(key(in[2], "a"), 1))
	expect("two dead", outbox.Count{Pending: 1, Delivered: 1, Dead: 2, Oldest: at(3)}, b)
	e.end(t, byHand(key(in[1], "a"), event.Pending, e.now), byHand(key(in[2], "a"), event.Discarded, time.Time{}))
	expect("one alive again, one discarded", outbox.Count{Pending: 2, Delivered: 1, Oldest: at(1)}, b)
	e.reopen(t)
	expect("after reopening", outbox.Count{Pending: 2, Delivered: 1, Oldest: at(1)}, b)
}

func (suite) HoldsAreKeptUntilTheyAreRemoved(t *testing.T, e *env) {
	hold := func(h outbox.Hold) {
		t.Helper()
		if err := e.s.SetHold(t.Context(), h); err != nil {
			t.Fatal("set hold:", err)
		}
	}
	expect := func(want ...outbox.Hold) {
		t.Helper()
		got, err := e.s.Holds(t.Context())
		if err != nil {
			t.Fatal("holds:", err)
		}
		same(t, "holds", got, want)
	}
	a := outbox.Hold{Target: "a", Since: e.now, Reason: "401"}
	b := outbox.Hold{Target: "b", Since: e.now, Reason: "for maintenance", ByHand: true}
	expect()
	hold(b)
	hold(a)
	expect(a, b)
	a.Reason = "403"
	hold(a)
	e.reopen(t)
	expect(a, b)
	hold(outbox.Hold{Target: "b"})
	hold(outbox.Hold{Target: "nobody"})
	expect(a)
}

// refused makes one received now; the clock moves on by a second.
func (e *env) refused() *event.Refused {
	e.n++
	r := &event.Refused{
		ID: e.ids.New(e.now), Source: "preventor", ReceivedAt: e.now, Status: 400, Reason: "no key decrypts it",
		ContentType: "text/plain", IV: "AAAAAAAAAAAAAAAAAAAAAA==", Body: fmt.Appendf(nil, "\x00\xffbody %d", e.n),
	}
	e.now = e.now.Add(time.Second)
	return r
}

func (e *env) listRefused(t *testing.T, f outbox.Filter) (list []event.Refused) {
	t.Helper()
	for {
		items, more, err := e.s.Refused(t.Context(), f)
		if err != nil {
			t.Fatal("list refused:", err)
		}
		list = append(list, items...)
		if !more {
			return list
		}
		f.Before = items[len(items)-1].ID.String()
	}
}

func (suite) RefusedOnesAreListedWholeAndNewestFirst(t *testing.T, e *env) {
	var batch []*event.Refused
	var want []event.Refused
	for i := range 5 {
		r := e.refused()
		if i%2 == 1 {
			r.Source, r.IV = "other", ""
		}
		batch = append(batch, r)
		want = append([]event.Refused{*r}, want...)
	}
	e.write(t, &outbox.Batch{Refused: batch})
	for limit := 1; limit <= 6; limit++ {
		same(t, fmt.Sprint("pages of ", limit), e.listRefused(t, outbox.Filter{Limit: limit}), want)
	}
	e.reopen(t)
	same(t, "after reopening", e.listRefused(t, outbox.Filter{}), want)
	same(t, "by source", e.listRefused(t, outbox.Filter{Source: "other"}), []event.Refused{want[1], want[3]})
	same(t, "by time", e.listRefused(t, outbox.Filter{Since: want[3].ReceivedAt, Until: want[1].ReceivedAt}), want[2:4])
	same(t, "by id", e.listRefused(t, outbox.Filter{ID: want[2].ID.String()}), want[2:3])
	same(t, "of nobody", e.listRefused(t, outbox.Filter{Source: "nobody"}), []event.Refused(nil))
}

func (suite) RefusedOnesAreKeptThroughTheWriter(t *testing.T, e *env) {
	w, stop := runWriter(t, e.s)
	defer stop()
	r := e.refused()
	if err := w.Refuse(t.Context(), r); err != nil {
		t.Fatal("refuse:", err)
	}
	same(t, "refused", e.listRefused(t, outbox.Filter{}), []event.Refused{*r})
}

func (suite) RefusedOnesBeyondTheNumberAreErasedAtOnce(t *testing.T, e *env) {
	keep := func(source string) int { return map[string]int{"few": 3, "none": 0}[source] }
	expect := func(source string, want []*event.Refused) {
		t.Helper()
		var got []string
		for _, r := range e.listRefused(t, outbox.Filter{Source: source}) {
			got = append([]string{r.ID.String()}, got...)
		}
		var ids []string
		for _, r := range want {
			ids = append(ids, r.ID.String())
		}
		same(t, "kept of "+source, got, ids)
	}
	of := func(source string) *event.Refused { r := e.refused(); r.Source = source; return r }

	other := of("other")
	e.write(t, &outbox.Batch{Refused: []*event.Refused{other}}) // nil keeps all
	var few []*event.Refused
	for range 5 {
		batch := &outbox.Batch{Refused: []*event.Refused{of("few"), of("few"), of("none")}, KeepRefused: keep}
		e.write(t, batch)
		few = append(few, batch.Refused[:2]...)
		expect("few", few[max(0, len(few)-3):])
	}
	expect("none", nil)
	expect("other", []*event.Refused{other})
}

func (suite) RefusedOnesBeyondTheNumberAreErasedThroughTheWriter(t *testing.T, e *env) {
	w := outbox.NewWriter(outbox.WriterConfig{Store: e.s, KeepRefused: func(string) int { return 2 }})
	stop := run(t, w)
	defer stop()
	for range 5 {
		if err := w.Refuse(t.Context(), e.refused()); err != nil {
			t.Fatal("refuse:", err)
		}
	}
	same(t, "kept", len(e.listRefused(t, outbox.Filter{})), 2)
}

func (suite) RefusedOnesAreNoEvents(t *testing.T, e *env) {
	r := e.refused()
	e.write(t, &outbox.Batch{Refused: []*event.Refused{r}})
	same(t, "events", e.events(t, outbox.Filter{}), []string(nil))
	_, err := e.s.Event(t.Context(), r.ID)
	is(t, "event", err, event.ErrNotFound)
}
