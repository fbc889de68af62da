package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func (suite) EventIsReadAsItWasPut(t *testing.T, e *env) {
	in := e.put(t, func(in *outbox.Entry) { in.Event.Kind = event.Replayed }, "b", "a.x1", "a.x2")
	want := &outbox.StoredEvent{Event: *in.Event, Verdicts: in.Verdicts, To: []outbox.Address{"a.x1", "a.x2", "b"}, Open: 3}
	want.Person = "" // only for searching
	same(t, "event", e.event(t, in), want)
	e.reopen(t)
	same(t, "event after reopening", e.event(t, in), want)
}

func (suite) UnknownEventIsNotFound(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	id := e.ids.New(e.now)
	_, err := e.s.Event(t.Context(), id)
	is(t, "event", err, event.ErrNotFound)
	_, err = e.s.Delivery(t.Context(), outbox.Key{Event: id, Address: "a"})
	is(t, "delivery", err, event.ErrNotFound)
	_, err = e.s.Delivery(t.Context(), key(in, "b"))
	is(t, "delivery to another address", err, event.ErrNotFound)

	other := in.Event.ID // the same time, another random half
	other[15]++
	_, err = e.s.Event(t.Context(), other)
	is(t, "event with the same Seq", err, event.ErrNotFound)
	_, err = e.s.Attempts(t.Context(), outbox.Key{Event: other, Address: "a"})
	is(t, "its attempts", err, event.ErrNotFound)
}

func (suite) EventWithoutDeliveriesIsFinished(t *testing.T, e *env) {
	in := e.put(t, nil)
	got := e.event(t, in)
	same(t, "finished", got.FinishedAt, in.Event.ReceivedAt)
	same(t, "deliveries", got.To, []outbox.Address(nil))
}

func (suite) AddressNamedTwiceIsOneDelivery(t *testing.T, e *env) {
	in := e.put(t, nil, "a", "b", "a")
	same(t, "deliveries", e.event(t, in).To, []outbox.Address{"a", "b"})
	same(t, "pending", e.counts(t)["a"].Pending, 1)
}

func (suite) BatchIsAllOrNothing(t *testing.T, e *env) {
	old := e.put(t, nil, "a")
	good := e.entry(nil, "a", "new")
	bad := e.entry(func(in *outbox.Entry) { in.Event.ID = old.Event.ID }, "a") // that id is taken
	ends := []outbox.Attempt{success(key(old, "a"))}
	ends[0].Number, ends[0].At = 1, e.now
	err := e.s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{good, bad}, Attempts: ends})
	if err == nil || errors.Is(err, event.ErrUnavailable) {
		t.Errorf("write: %v, want an error that is no event.ErrUnavailable", err)
	}
	_, err = e.s.Event(t.Context(), good.Event.ID)
	is(t, "event beside the bad one", err, event.ErrNotFound)
	same(t, "attempt beside the bad one", e.delivery(t, key(old, "a")).State, event.Pending)
	same(t, "pending", e.counts(t)["a"].Pending, 1)

	e.write(t, &outbox.Batch{Entries: []*outbox.Entry{good}, Attempts: ends})
	same(t, "event in the next batch", e.event(t, good).Open, 2)
	same(t, "attempt in the next batch", e.delivery(t, key(old, "a")).State, event.Done)
	if good.Duplicate {
		t.Error("the batch that failed is remembered: its event counts as stored before")
	}
}

func (suite) LastSeqIsTheGreatestEverStored(t *testing.T, e *env) {
	first, second := e.entry(nil), e.entry(nil, "a")
	e.write(t, &outbox.Batch{Entries: []*outbox.Entry{second, first}})
	same(t, "last", e.s.LastSeq(), second.Event.ID.Seq())
	refused := e.refused()
	e.write(t, &outbox.Batch{Refused: []*event.Refused{refused}})
	same(t, "last with a refused one", e.s.LastSeq(), refused.ID.Seq())
	e.reopen(t)
	same(t, "last after reopening", e.s.LastSeq(), refused.ID.Seq())
}

func (suite) PutReturnsAfterTheEventIsStored(t *testing.T, e *env) {
	w, stop := runWriter(t, e.s)
	defer stop()
	in := e.entry(nil, "a")
	if err := w.Put(t.Context(), in); err != nil {
		t.Fatal("put:", err)
	}
	same(t, "open", e.event(t, in).Open, 1)
}

func (suite) CheckIsHappyUntilTheStoreIsClosed(t *testing.T, e *env) {
	if err := e.s.Check(t.Context()); err != nil {
		t.Error("check:", err)
	}
	if err := e.s.Close(); err != nil {
		t.Fatal("close:", err)
	}
	is(t, "check", e.s.Check(t.Context()), event.ErrUnavailable)
	is(t, "write", e.s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{e.entry(nil)}}), event.ErrUnavailable)
}

// repeatOf makes an entry a repeat of another.
func repeatOf(of *outbox.Entry) func(*outbox.Entry) {
	return func(in *outbox.Entry) { in.Event.Dedupe = of.Event.Dedupe }
}

// isRepeat checks that an entry was found to repeat first, or nothing when first is nil.
func isRepeat(t *testing.T, in, first *outbox.Entry) {
	t.Helper()
	if first == nil {
		first = in
	}
	if in.Duplicate != (in != first) || in.StoredID != first.Event.ID {
		t.Errorf("duplicate %v of %v, want %v of %v", in.Duplicate, in.StoredID, in != first, first.Event.ID)
	}
}

// runWriter runs a Writer until stop.
func runWriter(t *testing.T, s outbox.Store) (w *outbox.Writer, stop func()) {
	t.Helper()
	w = outbox.NewWriter(outbox.WriterConfig{Store: s})
	return w, run(t, w)
}

func run(t *testing.T, w *outbox.Writer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("run:", err)
		}
	}
}

func (suite) RepeatWithinTheWindowIsNotStored(t *testing.T, e *env) {
	first := e.put(t, nil, "a")
	second := e.put(t, repeatOf(first), "a")
	isRepeat(t, first, nil)
	isRepeat(t, second, first)
	_, err := e.s.Event(t.Context(), second.Event.ID)
	is(t, "the repeat", err, event.ErrNotFound)
	same(t, "pending", e.counts(t)["a"].Pending, 1)
	e.reopen(t)
	isRepeat(t, e.put(t, repeatOf(first), "a"), first)
}

func (suite) RepeatInTheSameBatchIsNotStored(t *testing.T, e *env) {
	first := e.entry(nil, "a")
	second := e.entry(repeatOf(first), "a")
	e.write(t, &outbox.Batch{Entries: []*outbox.Entry{first, second}})
	isRepeat(t, first, nil)
	isRepeat(t, second, first)
}

func (suite) RepeatAfterTheWindowIsNew(t *testing.T, e *env) {
	first := e.put(t, nil, "a")
	edge := e.put(t, func(in *outbox.Entry) { repeatOf(first)(in); in.DedupeSince = first.Event.ReceivedAt }, "a")
	isRepeat(t, edge, first)
	second := e.put(t, func(in *outbox.Entry) {
		repeatOf(first)(in)
		in.DedupeSince = first.Event.ReceivedAt.Add(time.Millisecond)
	}, "a")
	isRepeat(t, second, nil)
	isRepeat(t, e.put(t, repeatOf(first), "a"), second) // from now on it counts
	e.reopen(t)
	isRepeat(t, e.put(t, repeatOf(first), "a"), second)
}

func (suite) RepeatOfAnotherSourceIsNew(t *testing.T, e *env) {
	first := e.put(t, nil, "a")
	isRepeat(t, e.put(t, func(in *outbox.Entry) { repeatOf(first)(in); in.Event.Source = "other" }, "a"), nil)
}

func (suite) WithoutDeduplicationAllAreNew(t *testing.T, e *env) {
	first := e.put(t, nil, "a")
	replay := e.put(t, func(in *outbox.Entry) { repeatOf(first)(in); in.DedupeSince = time.Time{} }, "a")
	isRepeat(t, replay, nil)
	isRepeat(t, e.put(t, repeatOf(first), "a"), first) // and it hides nothing
	alone := e.put(t, func(in *outbox.Entry) { in.DedupeSince = time.Time{} }, "a")
	isRepeat(t, e.put(t, repeatOf(alone), "a"), nil)
}

func (suite) RepeatOfAnErasedEventIsNew(t *testing.T, e *env) {
	first := e.put(t, nil)
	if _, err := e.s.Purge(t.Context(), outbox.Retention{Bodies: e.now, Rows: e.now}); err != nil {
		t.Fatal("purge:", err)
	}
	isRepeat(t, e.put(t, repeatOf(first)), nil)
}

func (suite) ManyAtOnceAreStoredOnce(t *testing.T, e *env) {
	w, stop := runWriter(t, e.s)
	defer stop()
	first := e.entry(nil, "a")
	entries := []*outbox.Entry{first}
	for range 31 {
		entries = append(entries, e.entry(repeatOf(first), "a"))
	}
	var wg sync.WaitGroup
	for _, in := range entries {
		wg.Go(func() {
			if err := w.Put(t.Context(), in); err != nil {
				t.Error("put:", err)
			}
		})
	}
	wg.Wait()
	stored := 0
	for _, in := range entries {
		if !in.Duplicate {
			stored++
		}
		if in.StoredID != entries[0].StoredID {
			t.Errorf("two ids: %v and %v", in.StoredID, entries[0].StoredID)
		}
	}
	same(t, "stored", stored, 1)
	same(t, "pending", e.counts(t)["a"].Pending, 1)
}
