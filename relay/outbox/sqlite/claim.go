package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// candidate is a delivery that may be claimed.
type candidate struct {
	seq, address, attempts, nextAt int64
	reason                         string
	damaged                        bool // only an index has it
}

// claim is one Claim under way.
type claim struct {
	s             *Store
	tx            *sql.Tx
	bits          uint64
	beyond        []int64 // addresses without a bit
	all           []int64 // addresses
	after, before int64   // seqs, both excluded
	triedAfter    int64   // the same as after, for those tried before
	due           int64
	limit         int
}

// Claim implements outbox.Store. Deliveries that wait for other addresses are
// stepped over in the indexes, however many they are, and bodies are read of
// those events only that are returned.
func (s *Store) Claim(ctx context.Context, q outbox.Query) (due []outbox.Pending, next time.Time, err error) {
	due, next, err = s.claim(ctx, q)
	if code(err) == codeCorrupt && s.mendNow(ctx) {
		due, next, err = s.claim(ctx, q)
	}
	return due, next, err
}

func (s *Store) claim(ctx context.Context, q outbox.Query) (due []outbox.Pending, next time.Time, err error) {
	err = s.read(ctx, "claim", func(ctx context.Context, tx *sql.Tx) error {
		c := &claim{s: s, tx: tx, after: q.AfterSeq, before: q.BeforeSeq, triedAfter: q.TriedAfter, due: nanos(q.DueBy), limit: max(1, q.Limit)}
		if c.before == 0 {
			c.before = math.MaxInt64
		}
		c.bits, c.beyond = s.names.mask(q.Addresses)
		pendingBits(int64(c.bits), func(id int64) { c.all = append(c.all, id) }) //nolint:gosec // bits
		c.all = append(c.all, c.beyond...)

		if next, err = c.next(ctx); err != nil {
			return err
		}
		due, err = c.whole(ctx)
		return err
	})
	return due, next, err
}

// whole returns limit deliveries of events that are whole. Damaged ones make it
// look further: by twice as many as there were, so that it soon has enough, and
// ends when there is nothing more to find.
func (c *claim) whole(ctx context.Context) ([]outbox.Pending, error) {
	l := c.s.loader(c.tx, true)
	events, wanted := map[int64]*readable{}, c.limit
	for {
		list, err := c.find(ctx)
		if err != nil {
			return nil, err
		}
		due, damaged, err := c.load(ctx, l, events, list, wanted)
		if err != nil || damaged == 0 || len(due) >= wanted || len(list) < c.limit {
			return due, err
		}
		c.limit = wanted + 2*damaged
	}
}

// find finds what may be claimed, in its order.
func (c *claim) find(ctx context.Context) ([]candidate, error) {
	list, err := c.fresh(ctx)
	if err != nil || len(list) >= c.limit {
		return list, err
	}
	tried, err := c.tried(ctx, c.limit-len(list))
	return append(list, tried...), err
}

// fresh finds deliveries never tried, in the order of their events. Those of
// the last event are not cut apart: AfterSeq would step over the rest.
func (c *claim) fresh(ctx context.Context) (list []candidate, err error) {
	masks, err := waitingMasks(ctx, c.tx)
	if err != nil {
		return nil, err
	}
	for _, m := range masks {
		if mask(m)&c.bits == 0 {
			continue
		}
		err := c.query(ctx, func(seq, _, _ int64, _ string) {
			pendingBits(m&int64(c.bits), func(id int64) { list = append(list, candidate{seq: seq, address: id}) }) //nolint:gosec // bits
		}, `SELECT seq, 0, 0, '' FROM events WHERE waiting = ? AND waiting <> -9223372036854775808
			AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`, m, c.after, c.before, c.limit)
		if err != nil {
			return nil, err
		}
	}
	for _, id := range c.beyond {
		err := c.query(ctx, func(seq, _, _ int64, _ string) { list = append(list, candidate{seq: seq, address: id}) },
			`SELECT seq, 0, 0, '' FROM deliveries WHERE state = 0 AND address = ? AND next_at = 0
			AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`, id, c.after, c.before, c.limit)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.address, b.address))
	})
	n := min(c.limit, len(list))
	for n > 0 && n < len(list) && list[n].seq == list[n-1].seq {
		n++
	}
	return list[:n], nil
}

// tried finds deliveries that are due again, in the order they became so, or
// below a seq in the order of their events: each is an order of an index.
func (c *claim) tried(ctx context.Context, limit int) (list []candidate, err error) {
	text := `SELECT seq, attempts, next_at, reason FROM deliveries INDEXED BY deliveries_due WHERE state = 0 AND address = ?
		AND next_at > 0 AND next_at <= ? AND seq > ? AND seq < ? ORDER BY next_at LIMIT ?`
	byDue := func(a, b candidate) int { return cmp.Compare(a.nextAt, b.nextAt) }
	if c.before != math.MaxInt64 {
		text = `SELECT seq, attempts, next_at, reason FROM deliveries INDEXED BY deliveries_state WHERE state = 0 AND address = ?
			AND next_at > 0 AND next_at <= ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`
		byDue = func(a, b candidate) int { return cmp.Compare(a.seq, b.seq) }
	}
	for _, id := range c.all {
		n := len(list)
		err := c.query(ctx, func(seq, attempts, nextAt int64, reason string) {
			list = append(list, candidate{seq: seq, address: id, attempts: attempts, nextAt: nextAt, reason: reason})
		}, text, id, c.due, c.triedAfter, c.before, limit)
		if code(err) == codeCorrupt {
			list, err = c.oneByOne(ctx, list[:n], id, limit)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(list, byDue)
	return list[:min(limit, len(list))], nil
}

// oneByOne asks for the rows of what an index lists, after one of them could not
// be read: that must not keep the others from being sent.
func (c *claim) oneByOne(ctx context.Context, list []candidate, id int64, limit int) ([]candidate, error) {
	text, n := `SELECT seq, 0, next_at, '' FROM deliveries INDEXED BY deliveries_due WHERE state = 0 AND address = ?
		AND next_at > 0 AND next_at <= ? AND seq > ? AND seq < ? ORDER BY next_at LIMIT ?`, len(list)
	if c.before != math.MaxInt64 {
		text = strings.Replace(text, "ORDER BY next_at", "ORDER BY seq", 1)
	}
	err := c.query(ctx, func(seq, _, nextAt int64, _ string) {
		list = append(list, candidate{seq: seq, address: id, nextAt: nextAt})
	}, text, id, c.due, c.triedAfter, c.before, limit)
	if err != nil {
		return nil, err
	}
	for i := n; i < len(list); i++ {
		d := &list[i]
		found := false
		err := c.query(ctx, func(_, attempts, nextAt int64, reason string) {
			d.attempts, d.nextAt, d.reason, found = attempts, nextAt, reason, true
		}, "SELECT seq, attempts, next_at, reason FROM deliveries WHERE seq = ? AND address = ?", d.seq, id)
		if err != nil && code(err) != codeCorrupt {
			return nil, err
		}
		if d.damaged = !found; d.damaged {
			c.s.report(&row{seq: d.seq}, fault("read its delivery", cmp.Or(err, event.ErrNotFound)))
		}
	}
	return list, nil
}

// next is when the first delivery not yet due will be.
func (c *claim) next(ctx context.Context) (time.Time, error) {
	first := int64(0)
	for _, id := range c.all {
		err := c.query(ctx, func(_, _, nextAt int64, _ string) {
			if first == 0 || nextAt < first {
				first = nextAt
			}
		}, `SELECT 0, 0, next_at, '' FROM deliveries WHERE state = 0 AND address = ? AND next_at > ? AND seq < ?
			ORDER BY next_at LIMIT 1`, id, c.due, c.before)
		if err != nil {
			return time.Time{}, err
		}
	}
	return instant(first), nil
}

func (c *claim) query(ctx context.Context, f func(a, b, c int64, d string), text string, args ...any) error {
	rows, err := c.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var x, y, z int64
		var text string
		if err := rows.Scan(&x, &y, &z, &text); err != nil {
			return err
		}
		f(x, y, z, text)
	}
	return rows.Err()
}

// load reads the events of the candidates, each once, until it has as many
// deliveries as wanted. Damaged ones are left out and counted, and so are those
// to an address that the event does not have: a flipped bit in the masks or in a
// row of deliveries, which change and have no checksum, sends nothing to a target
// it was not meant for.
func (c *claim) load(ctx context.Context, l *loader, events map[int64]*readable, list []candidate, wanted int) (due []outbox.Pending, damaged int, err error) {
	if err := c.several(ctx, l, events, list); err != nil {
		return nil, 0, err
	}
	due = make([]outbox.Pending, 0, min(wanted, len(list)))
	last := int64(-1) // its deliveries never tried stay together
	for _, d := range list {
		if d.damaged { // reported
			damaged++
			continue
		}
		if len(due) >= wanted && (d.nextAt > 0 || d.seq != last) {
			break
		}
		ev, ok := events[d.seq]
		if !ok {
			if ev, err = c.event(ctx, l, d.seq); err != nil {
				return nil, 0, err
			}
			events[d.seq] = ev
		}
		address := outbox.Address(c.s.names.of(kindAddress, d.address))
		if ev == nil || address == "" || !ev.row.goesTo(d.address, c.s.unlistedTo.Load()) {
			c.elsewhere(ev)
			damaged++
			continue
		}
		last = d.seq
		due = append(due, outbox.Pending{
			Key:      outbox.Key{Event: ev.event.ID, Address: address},
			Attempts: int(d.attempts), CreatedAt: ev.event.ReceivedAt, Reason: d.reason, Event: &ev.event,
		})
	}
	return due, damaged, nil
}

// several reads the events of the candidates that are not there yet, as far as
// they can be read together: damage leaves the rest to be read one by one.
func (c *claim) several(ctx context.Context, l *loader, events map[int64]*readable, list []candidate) error {
	seqs := make([]int64, 0, len(list))
	for _, d := range list {
		if _, ok := events[d.seq]; !ok && !d.damaged {
			seqs = append(seqs, d.seq)
		}
	}
	if len(seqs) < 2 {
		return nil
	}
	err := l.several(ctx, seqs, func(r *row, damage error) {
		events[r.seq] = nil
		if damage == nil {
			events[r.seq] = c.readable(r)
		}
	})
	if code(err) == codeCorrupt {
		return nil
	}
	return err
}

func (c *claim) readable(r *row) *readable {
	return &readable{event: r.event(c.s.names), row: r}
}

// readable is an event that is whole, and its row, for the addresses its checksum
// covers.
type readable struct {
	event event.Event
	row   *row
}

// event reads one event, nil when it is damaged: where its checksum does not
// match, where an index lists it and it is not there, or where its pages cannot
// be read. One such event must not keep the others from being sent.
func (c *claim) event(ctx context.Context, l *loader, seq int64) (*readable, error) {
	r, err := l.row(ctx, seq)
	switch {
	case err == nil:
		return c.readable(r), nil
	case errors.Is(err, outbox.ErrCorrupt): // reported
		return nil, nil //nolint:nilnil // as it says
	case errors.Is(err, event.ErrNotFound) || code(err) == codeCorrupt:
		c.s.report(&row{seq: seq}, fault("read the event", err))
		return nil, nil //nolint:nilnil // as it says
	}
	return nil, err
}

// Advance implements outbox.Store.
func (s *Store) Advance(ctx context.Context, to []outbox.Address, now time.Time, limit int) (changed int, err error) {
	at := nanos(now)
	err = s.transact(ctx, "advance", func(ctx context.Context, t *tx) error {
		changed = 0
		for _, a := range to {
			v := t.w.advance.args
			v[0].Value, v[1].Value, v[2].Value, v[3].Value = at, s.names.find(kindAddress, string(a)), at, int64(limit-changed)
			n, err := t.w.advance.changed(ctx)
			if err != nil {
				return err
			}
			if changed += int(n); changed >= limit {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}
