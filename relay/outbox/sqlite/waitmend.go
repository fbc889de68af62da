package sqlite

import (
	"context"
	"math"
	"math/bits"
)

// What waits of an event changes and has no checksum. Where its row contradicts
// itself, what is left of each delivery says what is true of it: one that ended at
// once has filled its slot in the row, one that was tried or changed by hand has a
// row of its own and its attempts, and one that waits has nothing of that. Where
// these contradict each other too, it stays as it is.

// mendWaiting makes the bits of such events what they were. It follows the making
// anew of events_waiting, in its transaction: from then on nothing else says what
// they were, and before, SQLite changes nothing that the index has otherwise.
func (s *Store) mendWaiting(ctx context.Context, c *conn, waiting map[int64]int64) error {
	for seq, w := range waiting {
		if err := c.runOnce(ctx, "UPDATE events SET waiting = ? WHERE seq = ?", w, seq); err != nil {
			return err
		}
	}
	if n := len(waiting); n > 0 {
		s.log.Error("flipped bits in what waits of events are mended: the disk may be damaging files", "events", n)
	}
	return nil
}

// trulyWaiting is what is to stand in such events, by seq, as far as that can be
// told. It is read before that transaction, which does not outlast a damaged page.
func (s *Store) trulyWaiting(ctx context.Context, c *conn) (map[int64]int64, error) {
	wrong, err := contradicting(ctx, c)
	if err != nil {
		return nil, err
	}
	truly := map[int64]int64{}
	for _, r := range wrong {
		waiting, err := r.trulyWaiting(ctx, c)
		switch {
		case err != nil && code(err) != codeCorrupt:
			return nil, err
		case err == nil && waiting != r.waiting:
			truly[r.seq] = waiting
		}
	}
	return truly, nil
}

// contradicting lists the events that accountedFor is false of, steps over those
// that cannot be read, and leaves out those that have ended and say so.
func contradicting(ctx context.Context, c *conn) (wrong []*row, err error) {
	q, err := c.prepareOnce(`SELECT seq, waiting, targets, ends, (`+ownOf+`events.seq) FROM events NOT INDEXED
		WHERE seq > ? AND (waiting <> -9223372036854775808 OR finished_at = 4611686018427387904) ORDER BY seq`, 1, 5)
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	for after := int64(math.MinInt64); ; {
		q.args[0].Value = after
		err := q.each(ctx, func() error {
			after = q.int(0)
			if r := (&row{seq: after, waiting: q.int(1), targets: q.int(2), ends: q.blob(3)}); !r.accountedFor(q.int(4)) {
				wrong = append(wrong, r)
			}
			return nil
		})
		if code(err) != codeCorrupt {
			return wrong, err
		}
		next, err := c.value(ctx, "SELECT min(seq) FROM events WHERE seq > ?", after)
		seq, ok := next.(int64)
		if err != nil || !ok || seq <= after {
			return wrong, nil //nolint:nilerr // the rest cannot be read
		}
		after = seq
	}
}

// trulyWaiting is what stands of a row's deliveries elsewhere, as a mask; the
// row's own where that cannot be told.
func (r *row) trulyWaiting(ctx context.Context, c *conn) (int64, error) {
	whole, err := wholeHead(ctx, c, r.seq)
	if err != nil || !whole || len(r.ends) != endSize*bits.OnesCount64(uint64(r.targets)) { //nolint:gosec // bits
		return r.waiting, err
	}
	own, err := addressesIn(ctx, c, "deliveries", r.seq)
	if err != nil {
		return 0, err
	}
	tried, err := addressesIn(ctx, c, "attempts", r.seq)
	if err != nil {
		return 0, err
	}
	waiting, slots := r.waiting&r.targets|noneWaiting, r.ends[bits.OnesCount64(uint64(r.targets)):] //nolint:gosec // bits
	pendingBits(r.targets, func(id int64) {
		bit, set, tries := int64(1)<<(id-1), 0, slots[slotSize-1]
		for _, b := range slots[:slotSize] {
			set += bits.OnesCount8(b)
		}
		slots = slots[slotSize:]
		switch {
		case set > 1 && tries > 0, own[id] && tried[id]: // one bit alone may have flipped
			waiting &^= bit
		case set == 0 && !own[id] && !tried[id]:
			waiting |= bit
		}
	})
	return waiting, nil
}

// wholeHead is whether an event is whole but for its body.
func wholeHead(ctx context.Context, c *conn, seq int64) (bool, error) {
	q, err := c.prepareOnce(batchSQL, 3, 14)
	if err != nil {
		return false, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	q.args[0].Value, q.args[1].Value, q.args[2].Value = seq, seq, int64(1)
	found, err := q.row(ctx)
	return found && err == nil && batchRow(q).verify(false) == nil, err
}

// addressesIn says which addresses a table has of an event.
func addressesIn(ctx context.Context, c *conn, table string, seq int64) (map[int64]bool, error) {
	q, err := c.prepareOnce("SELECT DISTINCT address FROM "+table+" WHERE seq = ?", 1, 1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	has := map[int64]bool{}
	q.args[0].Value = seq
	return has, q.each(ctx, func() error { has[q.int(0)] = true; return nil })
}
