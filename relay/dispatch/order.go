package dispatch

import (
	"hash/maphash"
	"slices"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// order keeps the deliveries of a lane whose events have the same key in the
// order of their events, each address by itself. It knows every pending delivery
// that the lane has let in, or that was tried before, by the hash of its key: a
// chain for each, of which the first may be tried while none is in flight.
//
// The others wait on disk, not in the queue, where they would keep those of
// other keys out. What is on disk and was never let in need not be known: it
// comes in the order of events. So this takes memory in proportion to what has
// failed and what that blocks, and not to the backlog.
type order struct {
	key    *keyer
	chains map[uint64]chain
	known  map[ref]uint64   // to which chain a delivery belongs
	turn   map[ref]struct{} // first of their chains now, to be fetched from the store
	newest int64            // the greatest Seq let in
	ready  bool             // all that was tried before is known
	learnt int64            // else: up to this Seq
	doubts int              // how often that was doubted
	again  bool             // it was ready once: what is in flight is known
}

// ref is a delivery as its order knows it.
type ref struct {
	seq     int64
	address outbox.Address
}

func refOf(k outbox.Key) ref { return ref{k.Event.Seq(), k.Address} }

// chain is the pending deliveries of one key to one address.
type chain struct {
	first  int64
	rest   []int64 // ascending, all greater than first
	flying int64   // in flight, or its end not yet committed; 0: none
}

func newOrder(key *keyer) *order {
	return &order{key: key, chains: map[uint64]chain{}, known: map[ref]uint64{}, turn: map[ref]struct{}{}}
}

// doubt has all that was tried before learnt again, beside what is known.
func (o *order) doubt() {
	o.again = o.again || o.ready
	o.ready, o.learnt, o.doubts = false, 0, o.doubts+1
}

// join makes a pending delivery known. One that is known stays as it is.
func (o *order) join(h uint64, r ref) {
	if _, ok := o.known[r]; ok || h == 0 {
		return
	}
	o.known[r] = h
	c, ok := o.chains[h]
	switch {
	case !ok:
		c = chain{first: r.seq}
	case r.seq < c.first:
		c.rest = slices.Insert(c.rest, 0, c.first)
		c.first = r.seq
	default:
		i, _ := slices.BinarySearch(c.rest, r.seq)
		c.rest = slices.Insert(c.rest, i, r.seq)
	}
	o.chains[h] = c
}

// free reports whether the delivery may be tried now. One that is in no chain
// may.
func (o *order) free(r ref) bool {
	h, ok := o.known[r]
	if !ok {
		return true
	}
	c := o.chains[h]
	return c.first == r.seq && c.flying == 0
}

// begin notes that a delivery is being tried.
func (o *order) begin(r ref) {
	h, ok := o.known[r]
	if !ok {
		return
	}
	c := o.chains[h]
	c.flying = r.seq
	o.chains[h] = c
	delete(o.turn, r)
}

// takeTurn makes it the turn of one that may be tried now, whichever. It does
// nothing while there is any turn to be taken.
func (o *order) takeTurn() {
	if len(o.turn) > 0 {
		return
	}
	for r := range o.known {
		if o.free(r) {
			o.turn[r] = struct{}{}
			return
		}
	}
}

// ended notes what has been committed of a delivery: its end, or that it goes on
// waiting. The one whose turn that makes it is to be fetched.
func (o *order) ended(r ref, pending bool) {
	h, ok := o.known[r]
	if !ok {
		return
	}
	c := o.chains[h]
	was, flew := c.first, c.flying == r.seq
	if flew {
		c.flying = 0
	}
	if !pending {
		delete(o.known, r)
		delete(o.turn, r)
		if i, found := slices.BinarySearch(c.rest, r.seq); found {
			c.rest = slices.Delete(c.rest, i, i+1)
		} else if len(c.rest) > 0 {
			c.first, c.rest = c.rest[0], c.rest[1:]
		} else {
			delete(o.chains, h)
			return
		}
	}
	o.chains[h] = c
	// One that failed waits as its schedule says. One that was put off because it
	// was not the first, and is now, does not.
	if next := (ref{c.first, r.address}); c.flying == 0 && (c.first != was || flew != (next == r)) {
		o.turn[next] = struct{}{}
	}
}

// keyer makes the hash of an event's key. The zero hash is no key.
type keyer struct {
	of   func(ev *event.Event) (string, error)
	seed maphash.Seed
}

// hash is of key and address. What an operator or the relay itself caused is in
// no order. Two keys of the same hash are one order, which is harmless.
func (k *keyer) hash(ev *event.Event, a outbox.Address) uint64 {
	if ev.Kind == event.Test || ev.Kind == event.Alarm {
		return 0
	}
	key, err := k.of(ev)
	if err != nil || key == "" {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(k.seed)
	_, _ = h.WriteString(key) // never fails
	_ = h.WriteByte(0)
	_, _ = h.WriteString(string(a))
	return max(1, h.Sum64())
}

// hashes are those of claimed deliveries, nil for a nil keyer. An event that
// cannot be decoded has none. Called without mu.
func (k *keyer) hashes(rows []outbox.Pending, decode func(*event.Event) error) []uint64 {
	if k == nil {
		return nil
	}
	all := make([]uint64, len(rows))
	for i := range rows {
		if ev, err := decoded(rows[i].Event, decode); err == nil {
			all[i] = k.hash(ev, rows[i].Key.Address)
		}
	}
	return all
}
