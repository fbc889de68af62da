package storetest

import (
	"math"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// only asks for what is due now at some addresses.
func only(a ...outbox.Address) outbox.Query { return outbox.Query{Addresses: a} }

// claim returns the keys claimed and when the next is due.
func (e *env) claim(t *testing.T, q outbox.Query) ([]outbox.Key, time.Time) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.DueBy.IsZero() {
		q.DueBy = e.now
	}
	due, next, err := e.s.Claim(t.Context(), q)
	if err != nil {
		t.Fatal("claim:", err)
	}
	var keys []outbox.Key
	for _, p := range due {
		keys = append(keys, p.Key)
	}
	return keys, next
}

func (suite) ClaimHandsOutWhatDispatchNeeds(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	e.end(t, retry(key(in, "a"), 1, e.now))
	due, _, err := e.s.Claim(t.Context(), outbox.Query{Addresses: []outbox.Address{"a"}, DueBy: e.now, Limit: 1})
	if err != nil {
		t.Fatal("claim:", err)
	}
	ev := *in.Event
	ev.Person = ""
	same(t, "claimed", due, []outbox.Pending{{Key: key(in, "a"), Attempts: 1, CreatedAt: ev.ReceivedAt, Reason: "the target answered 503", Event: &ev}})
}

func (suite) ClaimIsInOrderNeverTriedFirst(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 6 {
		in = append(in, e.put(t, nil, "a"))
	}
	soon := e.now.Add(time.Minute)
	e.end(t, retry(key(in[0], "a"), 1, soon.Add(time.Second)), retry(key(in[3], "a"), 1, soon), retry(key(in[4], "a"), 1, soon.Add(time.Hour)))
	e.end(t, success(key(in[2], "a")))

	got, next := e.claim(t, only("a"))
	same(t, "now", got, []outbox.Key{key(in[1], "a"), key(in[5], "a")})
	same(t, "next", next, soon)
	later := outbox.Query{Addresses: []outbox.Address{"a"}, DueBy: soon.Add(time.Second)}
	got, next = e.claim(t, later)
	same(t, "later", got, []outbox.Key{key(in[1], "a"), key(in[5], "a"), key(in[3], "a"), key(in[0], "a")})
	same(t, "next", next, soon.Add(time.Hour))
	got, _ = e.claim(t, later)
	same(t, "once more: a claim changes nothing", len(got), 4)
	later.Limit = 3
	got, _ = e.claim(t, later)
	same(t, "limited", got, []outbox.Key{key(in[1], "a"), key(in[5], "a"), key(in[3], "a")})
}

func (suite) ClaimIsFullUntilThereAreNoMore(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 25 {
		in = append(in, e.put(t, nil, "a"))
	}
	for _, entry := range in[5:] {
		e.end(t, retry(key(entry, "a"), 1, e.now))
	}
	seen := map[outbox.Key]bool{}
	for _, want := range []int{10, 10, 5, 0} {
		got, _ := e.claim(t, outbox.Query{Addresses: []outbox.Address{"a"}, Limit: 10})
		same(t, "claimed", len(got), want)
		for _, k := range got {
			seen[k] = true
			e.end(t, retry(k, 2, e.now.Add(time.Hour)))
		}
	}
	same(t, "claimed in all", len(seen), len(in))
}

func (suite) ClaimIsForTheAddressesAskedFor(t *testing.T, e *env) {
	one, two := e.put(t, nil, "a", "b"), e.put(t, nil, "b", "c.1", "c.2")
	got, next := e.claim(t, only("a", "c.2"))
	same(t, "a and c.2", got, []outbox.Key{key(one, "a"), key(two, "c.2")})
	same(t, "next", next, time.Time{})
	got, _ = e.claim(t, only("b"))
	same(t, "b", got, []outbox.Key{key(one, "b"), key(two, "b")})
	got, _ = e.claim(t, only("nobody"))
	same(t, "nobody", got, []outbox.Key(nil))
	got, _ = e.claim(t, only())
	same(t, "no address", got, []outbox.Key(nil))
}

func (suite) ClaimGoesOnAfterASeq(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 5 {
		in = append(in, e.put(t, nil, "a", "b"))
	}
	e.end(t, retry(key(in[0], "a"), 1, e.now))
	q := outbox.Query{Addresses: []outbox.Address{"a"}, AfterSeq: in[2].Event.ID.Seq()}
	got, _ := e.claim(t, q)
	same(t, "after the third: tried ones all the same", got, []outbox.Key{key(in[3], "a"), key(in[4], "a"), key(in[0], "a")})
}

func (suite) ClaimStopsBeforeASeq(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 5 {
		in = append(in, e.put(t, nil, "a"))
	}
	e.end(t, retry(key(in[0], "a"), 1, e.now), retry(key(in[3], "a"), 1, e.now))
	e.end(t, retry(key(in[1], "a"), 1, e.now.Add(-time.Minute)))
	q := outbox.Query{Addresses: []outbox.Address{"a"}, BeforeSeq: in[3].Event.ID.Seq()}
	got, _ := e.claim(t, q)
	same(t, "before the fourth, tried or not", got, []outbox.Key{key(in[2], "a"), key(in[0], "a"), key(in[1], "a")})
	q.Limit = 2
	got, _ = e.claim(t, q)
	same(t, "the oldest of those tried", got, []outbox.Key{key(in[2], "a"), key(in[0], "a")})
}

func (suite) ClaimReadsWhatWasTriedInPages(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 5 {
		in = append(in, e.put(t, nil, "a"))
	}
	later := e.now.Add(time.Hour)
	for _, entry := range in[:4] {
		later = later.Add(-time.Minute) // not in the order of their events
		e.end(t, retry(key(entry, "a"), 1, later))
	}
	q := outbox.Query{
		Addresses: []outbox.Address{"a"}, DueBy: e.now.Add(2 * time.Hour), Limit: 2,
		AfterSeq: math.MaxInt64, BeforeSeq: math.MaxInt64 - 1, TriedAfter: in[0].Event.ID.Seq(),
	}
	got, _ := e.claim(t, q)
	same(t, "after the first", got, []outbox.Key{key(in[1], "a"), key(in[2], "a")})
	q.TriedAfter = in[2].Event.ID.Seq()
	got, _ = e.claim(t, q)
	same(t, "after the third", got, []outbox.Key{key(in[3], "a")})
}

func (suite) ClaimFindsOneDeliveryByItsSeq(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 5 {
		in = append(in, e.put(t, nil, "a"))
	}
	e.end(t, retry(key(in[1], "a"), 1, e.now.Add(time.Hour)), retry(key(in[2], "a"), 1, e.now), rejected(key(in[3], "a"), 1))
	for i, want := range [][]outbox.Key{{key(in[0], "a")}, {key(in[1], "a")}, {key(in[2], "a")}, nil, {key(in[4], "a")}} {
		seq := in[i].Event.ID.Seq()
		got, _ := e.claim(t, outbox.Query{
			Addresses: []outbox.Address{"a"}, DueBy: e.now.Add(2 * time.Hour), AfterSeq: seq - 1, TriedAfter: seq - 1, BeforeSeq: seq + 1,
		})
		same(t, "claimed", got, want)
	}
}

func (suite) ClaimCutsNoEventApart(t *testing.T, e *env) {
	one, two := e.put(t, nil, "a.1", "a.2", "a.3"), e.put(t, nil, "a.1", "a.2", "a.3")
	q := outbox.Query{Addresses: []outbox.Address{"a.1", "a.2", "a.3"}, Limit: 2}
	got, _ := e.claim(t, q)
	same(t, "the first", got, []outbox.Key{key(one, "a.1"), key(one, "a.2"), key(one, "a.3")})
	q.AfterSeq = one.Event.ID.Seq()
	got, _ = e.claim(t, q)
	same(t, "the second", got, []outbox.Key{key(two, "a.1"), key(two, "a.2"), key(two, "a.3")})
}

func (suite) RestartLeavesTheSamePending(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 20 {
		in = append(in, e.put(t, nil, "a", "b"))
	}
	for i, entry := range in {
		switch i % 4 {
		case 0:
			e.end(t, success(key(entry, "a")))
		case 1:
			e.end(t, retry(key(entry, "a"), 1, e.now.Add(time.Duration(i)*time.Minute)))
		case 2:
			e.end(t, rejected(key(entry, "b"), 1))
		}
	}
	q := outbox.Query{Addresses: []outbox.Address{"a", "b"}, DueBy: e.now.Add(10 * time.Minute)}
	before, next := e.claim(t, q)
	counts := e.counts(t)
	e.reopen(t)
	after, nextAfter := e.claim(t, q)
	same(t, "claimed", after, before)
	same(t, "next", nextAfter, next)
	same(t, "counts", e.counts(t), counts)
}

func (suite) BeyondAMaskOfBitsNothingIsDifferent(t *testing.T, e *env) {
	var to []outbox.Address
	for i := range 150 {
		to = append(to, outbox.AddressOf("mail", string(rune('a'+i/26))+string(rune('a'+i%26))))
	}
	in := e.put(t, nil, to...)
	got, _ := e.claim(t, outbox.Query{Addresses: to, Limit: 1})
	same(t, "claimed", len(got), len(to))
	for i, a := range to {
		switch i % 3 {
		case 0:
			e.end(t, success(key(in, a)))
		case 1:
			e.end(t, rejected(key(in, a), 1))
		}
	}
	same(t, "open", e.event(t, in).Open, 50)
	same(t, "addresses", e.event(t, in).To, to)
	same(t, "delivered", e.delivery(t, key(in, to[147])).State, event.Done)
	same(t, "dead", e.delivery(t, key(in, to[148])).State, event.Dead)
	same(t, "pending", e.delivery(t, key(in, to[149])).State, event.Pending)
	got, _ = e.claim(t, outbox.Query{Addresses: to})
	same(t, "claimed", len(got), 50)
	items, _, err := e.s.Deliveries(t.Context(), outbox.Filter{Limit: 1000, Target: "mail"})
	if err != nil {
		t.Fatal("list:", err)
	}
	same(t, "listed", len(items), len(to))
}

func (suite) AdvanceMakesWaitingOnesDue(t *testing.T, e *env) {
	var in []*outbox.Entry
	for range 5 {
		in = append(in, e.put(t, nil, "a", "b"))
	}
	for _, entry := range in[1:] {
		e.end(t, retry(key(entry, "a"), 1, e.now.Add(time.Hour)), retry(key(entry, "b"), 1, e.now.Add(time.Hour)))
	}
	for _, want := range []int{3, 1, 0} {
		n, err := e.s.Advance(t.Context(), []outbox.Address{"a", "nobody"}, e.now, 3)
		if err != nil {
			t.Fatal("advance:", err)
		}
		same(t, "changed", n, want)
	}
	got, next := e.claim(t, outbox.Query{Addresses: []outbox.Address{"a"}})
	same(t, "due", len(got), 5)
	same(t, "next", next, time.Time{})
	got, next = e.claim(t, outbox.Query{Addresses: []outbox.Address{"b"}})
	same(t, "due for another address", len(got), 1)
	if !next.After(e.now) {
		t.Error("another address was advanced too")
	}
	d := e.delivery(t, key(in[1], "a"))
	same(t, "attempts", d.Attempts, 1)
	same(t, "next attempt", d.NextAt, e.now)
}

func (suite) AdvanceLeavesEndedOnesAlone(t *testing.T, e *env) {
	in := e.put(t, nil, "a")
	e.end(t, rejected(key(in, "a"), 1))
	n, err := e.s.Advance(t.Context(), in.To, e.now, 10)
	if n != 0 || err != nil {
		t.Errorf("advanced %d (%v), want none", n, err)
	}
	same(t, "state", e.delivery(t, key(in, "a")).State, event.Dead)
}
