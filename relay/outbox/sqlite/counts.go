package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"invitation-relay/relay/outbox"
)

// counter is what there is of one address, or by how much that changes.
type counter struct {
	pending, delivered, dead int
	touched                  bool // in a tx: listed there
}

// counters keeps the counts of all addresses, by their numbers, so that nobody
// has to count a million rows.
type counters struct {
	mu      sync.Mutex
	by      []counter
	pending int // of all addresses
	tell    func(more map[outbox.Address]int)
}

func (c *counters) of(id int64) counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id < int64(len(c.by)) {
		return c.by[id]
	}
	return counter{}
}

// at returns the counter of an address. The caller holds mu.
func (c *counters) at(id int64) *counter {
	for int64(len(c.by)) <= id {
		c.by = append(c.by, counter{})
	}
	return &c.by[id]
}

// add takes over what a transaction has changed.
func (c *counters) add(t *tx) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range t.touched {
		d, n := t.deltas[id], c.at(id)
		n.pending += d.pending
		n.delivered += d.delivered
		n.dead += d.dead
		c.pending += d.pending
	}
}

// load counts the pending deliveries, in the indexes alone, and reads what was
// kept of the ended ones. It returns by how many more there are of each address
// than there were.
func (c *counters) load(ctx context.Context, w *writer, n *names) (more map[outbox.Address]int, err error) {
	var found counters
	if err := found.read(ctx, w, n); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.by
	c.by, c.pending = found.by, found.pending
	more = map[outbox.Address]int{}
	for id := range int64(max(len(was), len(c.by))) {
		d := c.at(id).pending
		if id < int64(len(was)) {
			d -= was[id].pending
		}
		if name := n.of(kindAddress, id); d != 0 && name != "" {
			more[outbox.Address(name)] = d
		}
	}
	return more, nil
}

// read is load for counters that nobody else has. An address that has no name is
// one of a damaged index.
func (c *counters) read(ctx context.Context, w *writer, n *names) error {
	read := func(sql string, f func(key, n, m int64)) error {
		q, err := w.prepareOnce(sql, 0, 3)
		if err != nil {
			return err
		}
		defer func() { _ = q.s.Close() }() // nothing was written
		return q.each(ctx, func() error { f(q.int(0), q.int(1), q.int(2)); return nil })
	}
	pending := func(id, more int64) {
		if n.of(kindAddress, id) != "" {
			c.at(id).pending += int(more)
			c.pending += int(more)
		}
	}

	err := read("SELECT waiting, count(*), 0 FROM events WHERE waiting <> -9223372036854775808 GROUP BY waiting",
		func(waiting, n, _ int64) { pendingBits(waiting, func(id int64) { pending(id, n) }) })
	if err != nil {
		return err
	}
	err = read("SELECT address, count(*), 0 FROM deliveries WHERE state = 0 GROUP BY address",
		func(id, n, _ int64) { pending(id, n) })
	if err != nil {
		return err
	}
	return read("SELECT address, delivered, dead FROM counters",
		func(id, delivered, dead int64) {
			if n.of(kindAddress, id) != "" {
				c.at(id).delivered, c.at(id).dead = int(delivered), int(dead)
			}
		})
}

// WhenMended has f told, from now on, whenever what waits was counted again or a
// delivery was given back to its address, since deliveries may be found then that
// were not: by how many more of each address are pending than Counts had said. f
// must not block, nor call the store.
func (s *Store) WhenMended(f func(more map[outbox.Address]int)) {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	s.counts.tell = f
}

// say tells what WhenMended says.
func (c *counters) say(more map[outbox.Address]int) {
	c.mu.Lock()
	tell := c.tell
	c.mu.Unlock()
	if tell != nil {
		tell(more)
	}
}

// Pending is how many deliveries are pending, of all addresses. It is cheap.
func (s *Store) Pending() int {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	return s.counts.pending
}

// Counts implements outbox.Store.
func (s *Store) Counts(ctx context.Context) (map[outbox.Address]outbox.Count, error) {
	counts, err := s.countAll(ctx)
	if errors.Is(err, outbox.ErrCorrupt) && s.mendNow(ctx) {
		counts, err = s.countAll(ctx)
	}
	return counts, err
}

func (s *Store) countAll(ctx context.Context) (map[outbox.Address]outbox.Count, error) {
	s.counts.mu.Lock()
	by := append([]counter(nil), s.counts.by...)
	s.counts.mu.Unlock()

	counts := make(map[outbox.Address]outbox.Count, len(by))
	err := s.read(ctx, "count", func(ctx context.Context, tx *sql.Tx) error {
		oldest, err := s.oldest(ctx, tx, by)
		for id, c := range by {
			if name := s.names.of(kindAddress, int64(id)); name != "" {
				counts[outbox.Address(name)] = outbox.Count{
					Pending: c.pending, Delivered: c.delivered, Dead: c.dead, Oldest: instant(oldest[int64(id)]),
				}
			}
		}
		return err
	})
	return counts, err
}

// oldest is when the oldest pending event of each address was received: the
// first of each mask and of each address's rows, a step in an index each.
func (s *Store) oldest(ctx context.Context, tx *sql.Tx, by []counter) (map[int64]int64, error) {
	first := map[int64]int64{} // by address: seq
	note := func(id, seq int64) {
		if have, ok := first[id]; !ok || seq < have {
			first[id] = seq
		}
	}
	masks, err := waitingMasks(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, m := range masks {
		seq, _, err := leastSeq(ctx, tx, "SELECT min(seq) FROM events WHERE waiting = ? AND waiting <> -9223372036854775808", m)
		if err != nil {
			return nil, err
		}
		pendingBits(m, func(id int64) { note(id, seq) })
	}
	for id, c := range by {
		if c.pending == 0 {
			continue
		}
		seq, some, err := leastSeq(ctx, tx, "SELECT min(seq) FROM deliveries WHERE state = 0 AND address = ?", int64(id))
		if err != nil {
			return nil, err
		}
		if some {
			note(int64(id), seq)
		}
	}
	for id, seq := range first {
		var received int64
		err := tx.QueryRowContext(ctx, "SELECT received_at FROM events WHERE seq = ?", seq).Scan(number{&received})
		if err != nil && !errors.Is(err, sql.ErrNoRows) && code(err) != codeCorrupt { // of one that is damaged it is not known
			return nil, err
		}
		first[id] = received
	}
	return first, nil
}

// leastSeq is what a query finds in an index, if there is some.
func leastSeq(ctx context.Context, tx *sql.Tx, text string, of int64) (seq int64, some bool, err error) {
	var v any
	if err := tx.QueryRowContext(ctx, text, of).Scan(&v); err != nil || v == nil {
		return 0, false, err
	}
	seq, some = v.(int64)
	if !some {
		err = errNoMask
	}
	return seq, some, err
}

// errNoMask says that the index of what waits has another type of value than its
// table can have: it is to be made anew.
var errNoMask = fmt.Errorf("%w: an index is not of its table", outbox.ErrCorrupt)

// waitingMasks lists the masks that occur among events with deliveries never
// tried, without reading those events: one step in the index for each mask.
func waitingMasks(ctx context.Context, tx *sql.Tx) (masks []int64, err error) {
	rows, err := tx.QueryContext(ctx, `WITH RECURSIVE m(w) AS (
		SELECT (SELECT min(waiting) FROM events WHERE waiting <> -9223372036854775808)
		UNION ALL
		SELECT (SELECT min(waiting) FROM events WHERE waiting > w AND waiting <> -9223372036854775808) FROM m WHERE w IS NOT NULL
	) SELECT w FROM m WHERE w IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var v any
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		m, ok := v.(int64)
		if !ok {
			return nil, errNoMask
		}
		masks = append(masks, m)
	}
	return masks, rows.Err()
}
