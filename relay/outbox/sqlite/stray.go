package sqlite

import (
	"context"
	"math/bits"
	"slices"

	"invitation-relay/relay/outbox"
)

// A row of deliveries whose address a flipped bit has changed is sent nowhere else:
// its event does not have that address. The one it was for is the event's only
// address, one bit away, that neither waits nor has an end or a row. A row is never
// deleted but with its event, so what stands in the stray one is how far that
// delivery had come, and giving it back sends nothing twice.

// mostStrays is how many of an address that nobody has are looked at.
const mostStrays = 100

// strayed is told of an event that has such a row. It is tried with the next
// transaction, once: what cannot be given back then waits for `store salvage`.
func (s *Store) strayed(seq int64) {
	s.strays.Store(seq, true)
	s.astray.Store(true)
}

// findStrays looks for pending rows whose address nobody has, one step in an index
// for each address: no target would ever ask for them.
func (s *Store) findStrays(ctx context.Context) error {
	next, err := s.w.prepareOnce("SELECT min(address) FROM deliveries WHERE state = 0 AND address > ?", 1, 1)
	if err != nil {
		return err
	}
	defer func() { _ = next.s.Close() }() // nothing was written
	for after := int64(-1 << 63); ; {
		next.args[0].Value = after
		if _, err := next.row(ctx); err != nil {
			return err
		}
		id, ok := next.dest[0].(int64)
		if !ok || id <= after {
			return nil
		}
		if after = id; s.names.of(kindAddress, id) != "" {
			continue
		}
		if err := s.findStraysAt(ctx, id); err != nil {
			return err
		}
	}
}

func (s *Store) findStraysAt(ctx context.Context, id int64) error {
	q, err := s.w.prepareOnce("SELECT seq FROM deliveries WHERE state = 0 AND address = ? LIMIT ?", 2, 1)
	if err != nil {
		return err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	q.args[0].Value, q.args[1].Value = id, int64(mostStrays)
	return q.each(ctx, func() error {
		seq := q.int(0)
		if _, reported := s.quarantine.LoadOrStore(-seq, true); !reported {
			s.log.Error("a delivery is damaged and will not be sent: nobody has its address", "event_id", (&row{seq: seq}).id())
		}
		s.strayed(seq)
		return nil
	})
}

// giveBack gives stray rows back, in the transaction under way.
func (t *tx) giveBack(ctx context.Context) error {
	var failed error
	t.s.strays.Range(func(key, _ any) bool {
		seq, _ := key.(int64)
		t.s.strays.Delete(seq)
		switch err := t.giveBackOf(ctx, seq); {
		case code(err) == codeCorrupt: // what else is damaged there is not touched
		case err != nil:
			failed = err
		}
		return failed == nil
	})
	t.s.astray.Store(failed != nil)
	return failed
}

func (t *tx) giveBackOf(ctx context.Context, seq int64) error {
	r, err := t.stands(ctx, seq)
	if err != nil || r == nil || r.verify(false) != nil {
		return err
	}
	q := t.w.readEvent
	q.args[0].Value = seq
	if _, err := q.row(ctx); err != nil {
		return err
	}
	waiting := mask(q.int(1))
	r.ends = q.blob(4)
	var have, strays []int64
	states := t.w.readStates
	states.args[0].Value = seq
	err = states.each(ctx, func() error {
		if id := states.int(0); r.goesTo(id, t.s.unlistedTo.Load()) {
			have = append(have, id)
		} else {
			strays = append(strays, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var missing []int64
	pendingBits(r.targets, func(id int64) {
		if _, ended := r.first(id); !ended && waiting&(1<<(id-1)) == 0 && !slices.Contains(have, id) {
			missing = append(missing, id)
		}
	})
	for _, id := range r.beyond() {
		if !slices.Contains(have, id) {
			missing = append(missing, id)
		}
	}
	for _, from := range strays {
		near := slices.DeleteFunc(slices.Clone(missing), func(to int64) bool { return !oneBitAway(from, to) })
		if len(near) != 1 {
			continue
		}
		if err := t.rename(ctx, r, from, near[0]); err != nil {
			return err
		}
		missing = slices.DeleteFunc(missing, func(id int64) bool { return id == near[0] })
	}
	return nil
}

// oneBitAway also sees the sign of a number that is stored narrower.
func oneBitAway(a, b int64) bool {
	d := a ^ b
	return bits.OnesCount64(uint64(d)) == 1 || d < 0 && bits.OnesCount64(uint64(-d)) == 1 //nolint:gosec // bits
}

// inIndexes says whether both indexes have a row: what they do not have cannot be
// changed without making them anew.
const inIndexes = `SELECT EXISTS (SELECT 1 FROM deliveries x INDEXED BY deliveries_state WHERE x.state = d.state AND x.address = d.address AND x.seq = d.seq)
	AND (d.state <> 0 OR EXISTS (SELECT 1 FROM deliveries x INDEXED BY deliveries_due
		WHERE x.state = 0 AND x.address = d.address AND x.next_at = d.next_at AND x.seq = d.seq)), d.state
	FROM deliveries d NOT INDEXED WHERE d.seq = ? AND d.address = ?`

// rename makes a delivery's address what it was.
func (t *tx) rename(ctx context.Context, r *row, from, to int64) error {
	whole, err := count(ctx, t.w.conn, inIndexes, r.seq, from)
	if err != nil || whole == 0 {
		return err
	}
	pending, err := count(ctx, t.w.conn, "SELECT state = 0 FROM deliveries WHERE seq = ? AND address = ?", r.seq, from)
	if err != nil {
		return err
	}
	if err := t.w.runOnce(ctx, "UPDATE deliveries SET address = ? WHERE seq = ? AND address = ?", to, r.seq, from); err != nil {
		return err
	}
	if pending != 0 {
		t.found(to, 1)
		if t.s.names.of(kindAddress, from) != "" {
			t.found(from, -1)
		}
	}
	t.s.log.Error("a flipped bit in the address of a delivery is mended: the disk may be damaging files", "event_id", r.id())
	return nil
}

// found notes that more deliveries of an address are pending than Counts had said.
func (t *tx) found(address int64, more int) {
	t.tally(address, more, 0, 0)
	if t.more == nil {
		t.more = map[outbox.Address]int{}
	}
	t.more[outbox.Address(t.s.names.of(kindAddress, address))] += more
}
