package storetest

import (
	"math"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func (suite) FirstSuccessIsRememberedWhole(t *testing.T, e *env) {
	in := e.put(t, nil, "a", "b", "c")
	ends := e.end(t, success(key(in, "b")))
	ends = append(ends, e.end(t, outbox.Attempt{Key: key(in, "a"), Outcome: event.Delivered, Status: 250, Tries: 3, State: event.Done})...)
	for _, a := range ends {
		same(t, "attempts", e.attempts(t, a.Key), []outbox.Attempt{a})
		same(t, "delivery", e.delivery(t, a.Key), &outbox.StoredDelivery{
			Key: a.Key, State: event.Done, Attempts: 1, LastOutcome: event.Delivered, LastStatus: a.Status,
			CreatedAt: in.Event.ReceivedAt, FinishedAt: a.At,
		})
	}
	same(t, "the third", e.delivery(t, key(in, "c")), &outbox.StoredDelivery{Key: key(in, "c"), CreatedAt: in.Event.ReceivedAt})
	same(t, "its attempts", e.attempts(t, key(in, "c")), []outbox.Attempt(nil))
	same(t, "open", e.event(t, in).Open, 1)
}

func (suite) EventIsFinishedWhenItsLastDeliveryEnds(t *testing.T, e *env) {
	in := e.put(t, nil, "a", "b", "c")
	e.end(t, success(key(in, "a")))
	e.end(t, rejected(key(in, "b"), 1))
	if got := e.event(t, in); got.Open != 1 || !got.FinishedAt.IsZero() {
		t.Errorf("open %d, finished %v before the last delivery ended", got.Open, got.FinishedAt)
	}
	last := e.end(t, success(key(in, "c")))
	if got := e.event(t, in); got.Open != 0 || !got.FinishedAt.Equal(last[0].At) {
		t.Errorf("open %d, finished %v, want 0, %v", got.Open, got.FinishedAt, last[0].At)
	}
}

func (suite) RetriesAreRememberedInOrder(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	k := key(in, "a")
	next := e.now.Add(time.Minute)
	ends := e.end(t, retry(k, 1, next))
	want := &outbox.StoredDelivery{
		Key: k, Attempts: 1, NextAt: next, LastOutcome: event.Retry, LastStatus: 503, LastReason: "the target answered 503",
		CreatedAt: in.Event.ReceivedAt,
	}
	same(t, "after a retry", e.delivery(t, k), want)
	e.reopen(t)
	same(t, "after reopening", e.delivery(t, k), want)
	ends = append(ends, e.end(t, retry(k, 2, next), outbox.Attempt{Key: k, Number: 3, Outcome: event.Delivered, Status: 204, State: event.Done})...)
	same(t, "at the end", e.delivery(t, k), &outbox.StoredDelivery{
		Key: k, State: event.Done, Attempts: 3, LastOutcome: event.Delivered, LastStatus: 204,
		CreatedAt: in.Event.ReceivedAt, FinishedAt: ends[2].At,
	})
	same(t, "attempts", e.attempts(t, k), ends)
}

func (suite) DeathOfOldAgeIsNoAttempt(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	k := key(in, "a")
	end := outbox.Attempt{Key: k, State: event.Dead, Reason: "max_age reached"}
	ends := e.end(t, end)
	same(t, "delivery", e.delivery(t, k), &outbox.StoredDelivery{
		Key: k, State: event.Dead, LastReason: "max_age reached", CreatedAt: in.Event.ReceivedAt, FinishedAt: ends[0].At,
	})
	same(t, "history", e.attempts(t, k), ends)
}

func (suite) DeathOfOldAgeKeepsTheLastAttemptsReason(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	k := key(in, "a")
	old := outbox.Attempt{Key: k, State: event.Dead, Reason: "max_age reached"}
	ends := e.end(t, retry(k, 1, e.now), old)
	d := e.delivery(t, k)
	same(t, "reason", d.LastReason, "the target answered 503; max_age reached")
	same(t, "status", d.LastStatus, 503)
	same(t, "history", e.attempts(t, k), ends)
	said := e.put(t, nil, "a")
	ends = []outbox.Attempt{retry(key(said, "a"), 1, e.now), {Key: key(said, "a"), State: event.Dead, Reason: "the target answered 503; max_age reached"}}
	e.end(t, ends...)
	same(t, "reason that has it", e.delivery(t, key(said, "a")).LastReason, "the target answered 503; max_age reached")
	e.end(t, byHand(k, event.Pending, e.now))
	same(t, "reason, tried again", e.delivery(t, k).LastReason, "by hand")
	e.end(t, outbox.Attempt{Key: k, State: event.Pending})
	e.end(t, old)
	e.end(t, outbox.Attempt{Key: k, State: event.Pending})
	e.end(t, old)
	same(t, "reason, given up twice", e.delivery(t, k).LastReason, "by hand; max_age reached")
	e.end(t, byHand(k, event.Discarded, time.Time{}))
	same(t, "reason, discarded", e.delivery(t, k).LastReason, "by hand")
}

func (suite) ByHandADeadLetterIsTriedAgain(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	k := key(in, "a")
	e.end(t, rejected(k, 1))
	next := e.now
	e.end(t, byHand(k, event.Pending, next))
	same(t, "event", e.event(t, in).Open, 1)
	d := e.delivery(t, k)
	same(t, "state", d.State, event.Pending)
	same(t, "attempts", d.Attempts, 1)
	same(t, "next", d.NextAt, next)
	e.end(t, outbox.Attempt{Key: k, Number: 2, Outcome: event.Delivered, State: event.Done})
	same(t, "state", e.delivery(t, k).State, event.Done)
	same(t, "history", len(e.attempts(t, k)), 3)
}

func (suite) ByHandADeliveredOneIsSentAgain(t *testing.T, e *env) {
	in := e.put(t, nil, "a", "b")
	k := key(in, "a")
	e.end(t, success(k), success(key(in, "b")))
	e.end(t, byHand(k, event.Pending, e.now))
	same(t, "open", e.event(t, in).Open, 1)
	e.end(t, outbox.Attempt{Key: k, Number: 2, Outcome: event.Delivered, State: event.Done})
	same(t, "attempts", e.delivery(t, k).Attempts, 2)
	same(t, "history", len(e.attempts(t, k)), 3)
	same(t, "counts", e.counts(t)["a"], outbox.Count{Delivered: 1})
}

func (suite) ByHandAPendingOneIsGivenUp(t *testing.T, e *env) {
	in := e.put(t, nil, "a", "b")
	e.end(t, retry(key(in, "b"), 1, e.now.Add(time.Hour)))
	e.end(t, byHand(key(in, "a"), event.Discarded, time.Time{}), byHand(key(in, "b"), event.Discarded, time.Time{}))
	for _, a := range in.To {
		d := e.delivery(t, key(in, a))
		same(t, "state", d.State, event.Discarded)
		same(t, "next", d.NextAt, time.Time{})
	}
	if got := e.event(t, in); got.Open != 0 || got.FinishedAt.IsZero() {
		t.Error("the event is not finished")
	}
	same(t, "history", len(e.attempts(t, key(in, "b"))), 2)
}

func (suite) PendingOneIsPutOff(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	k, next := key(in, "a"), e.now.Add(time.Hour)
	e.end(t, outbox.Attempt{Key: k, State: event.Pending, NextAt: next, Reason: "waits for another"})
	same(t, "delivery", e.delivery(t, k), &outbox.StoredDelivery{
		Key: k, NextAt: next, LastReason: "waits for another", CreatedAt: in.Event.ReceivedAt,
	})
	got, due := e.claim(t, only("a"))
	same(t, "due before", got, []outbox.Key(nil))
	same(t, "next", due, next)
	got, _ = e.claim(t, outbox.Query{Addresses: []outbox.Address{"a"}, AfterSeq: math.MaxInt64, DueBy: next})
	same(t, "due then, as one tried before", got, []outbox.Key{k})
	e.end(t, success(k))
	same(t, "state", e.delivery(t, k).State, event.Done)
	same(t, "counts", e.counts(t)["a"], outbox.Count{Delivered: 1})
}

func (suite) AttemptRecordedTwiceCountsOnce(t *testing.T, e *env) {
	in := e.put(t, nil, "a", "b")
	first := e.end(t, retry(key(in, "a"), 1, e.now.Add(time.Minute)))
	second := e.end(t, retry(key(in, "a"), 2, e.now.Add(time.Hour)), success(key(in, "b")))
	before := e.delivery(t, key(in, "a"))
	e.end(t, append(first, second...)...)
	same(t, "delivery", e.delivery(t, key(in, "a")), before)
	same(t, "attempts", len(e.attempts(t, key(in, "a"))), 2)
	same(t, "attempts", len(e.attempts(t, key(in, "b"))), 1)
	same(t, "delivered", e.counts(t)["b"], outbox.Count{Delivered: 1})
}

func (suite) WhatHappensAtTheSameInstantHappensAllTheSame(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	k, now := key(in, "a"), e.now
	for _, a := range []outbox.Attempt{retry(k, 1, now), byHand(k, event.Discarded, time.Time{}), byHand(k, event.Pending, now), rejected(k, 1)} {
		a.At, a.Number = now, 1
		e.end(t, a)
		same(t, "state", e.delivery(t, k).State, a.State)
	}
}

func (suite) AttemptOfAnEndedDeliveryIsIgnored(t *testing.T, e *env) {
	in := e.put(t, nil, "done", "dead", "gone")
	e.end(t, success(key(in, "done")), rejected(key(in, "dead"), 1), byHand(key(in, "gone"), event.Discarded, time.Time{}))
	for _, a := range in.To {
		before, history := e.delivery(t, key(in, a)), e.attempts(t, key(in, a))
		e.end(t, retry(key(in, a), 2, e.now), rejected(key(in, a), 2), success(key(in, a)))
		same(t, string(a), e.delivery(t, key(in, a)), before)
		same(t, string(a), e.attempts(t, key(in, a)), history)
	}
}

func (suite) ByHandNothingGoesWhereNoArrowGoes(t *testing.T, e *env) {
	in := e.put(t, nil, "done", "gone")
	e.end(t, success(key(in, "done")), byHand(key(in, "gone"), event.Discarded, time.Time{}))
	e.end(t, byHand(key(in, "done"), event.Discarded, time.Time{}), byHand(key(in, "done"), event.Dead, time.Time{}),
		byHand(key(in, "gone"), event.Dead, time.Time{}))
	same(t, "delivered", e.delivery(t, key(in, "done")).State, event.Done)
	same(t, "discarded", e.delivery(t, key(in, "gone")).State, event.Discarded)
}

func (suite) AttemptOfAnUnknownDeliveryIsIgnored(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	other := in.Event.ID // the same time, another random half
	other[15]++
	for _, k := range []outbox.Key{{Event: e.ids.New(e.now), Address: "a"}, {Event: other, Address: "a"}, key(in, "b"), key(in, "a.x")} {
		e.end(t, success(k), retry(k, 1, e.now), byHand(k, event.Pending, e.now))
	}
	same(t, "counts", e.counts(t), map[outbox.Address]outbox.Count{"a": {Pending: 1, Oldest: in.Event.ReceivedAt}})
	same(t, "attempts", len(e.attempts(t, key(in, "a"))), 0)
}
