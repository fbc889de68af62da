package sqlite

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"invitation-relay/relay/event"
)

// candidate is a delivery that may be claimed.
type candidate struct {
	seq, address, attempts, nextAt int64
	reason                         string
	waiting                        int64 // as events_waiting has it; 0: another index lists it
	damaged                        bool  // not to be sent: only an index has it, or its row cannot be read, which was reported
}

// sameAs is whether an index lists a delivery twice: one of them was another's.
func (d candidate) sameAs(o candidate) bool {
	return d.seq == o.seq && d.address == o.address && d.waiting == o.waiting
}

// lister is the index that a candidate comes from.
func (c *claim) lister(d candidate) string {
	switch {
	case d.waiting != 0:
		return waitingIndex
	case c.before != math.MaxInt64 && d.nextAt > 0:
		return stateIndex
	}
	return dueIndex
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
			pendingBits(m&int64(c.bits), func(id int64) { list = append(list, candidate{seq: seq, address: id, waiting: m}) }) //nolint:gosec // bits
		}, `SELECT seq, 0, 0, '' FROM events WHERE waiting = ? AND waiting <> -9223372036854775808
			AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`, m, c.after, c.before, c.limit)
		if err != nil {
			return nil, err
		}
	}
	for _, id := range c.beyond {
		more, err := c.freshBeyond(ctx, id)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
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

// onlyListed is of a row x of deliveries_due or deliveries_state that the table t
// does not have, or not as pending, 1, and 2 where the other index has it too: then
// it is the table that is damaged. Else it is 0. A delivery that has ended has a
// time of that: else its state is damaged.
func onlyListed(index string) string {
	also := ""
	if index == dueIndex {
		also = " OR " + anothers
	}
	return "(CASE WHEN t.seq IS NULL THEN 1 + " + otherLists(index, "0") + " ELSE t.state <> 0 AND t.finished_at <> 0" + also + " END)"
}

// anothers is whether an entry x of deliveries_due does not belong to the delivery t
// it leads to: it says a later time than t does, or an earlier one while the entry
// with the time of t is there too.
const anothers = `t.next_at > 0 AND t.next_at < x.next_at OR t.next_at > x.next_at AND EXISTS (SELECT 1 FROM deliveries y INDEXED BY deliveries_due
	WHERE y.state = 0 AND y.address = x.address AND y.next_at = t.next_at AND y.seq = x.seq)`

// otherLists is whether the other index of deliveries has a row x of one as well.
// In deliveries_due that is not one step, but all of an address.
func otherLists(index, state string) string {
	if index == dueIndex {
		return "EXISTS (SELECT 1 FROM deliveries y INDEXED BY deliveries_state WHERE y.state = " + state + " AND y.address = x.address AND y.seq = x.seq)"
	}
	return "(" + state + " = 0 AND EXISTS (SELECT 1 FROM deliveries y INDEXED BY deliveries_due WHERE y.state = 0 AND y.address = x.address AND y.seq = x.seq))"
}

// freshBeyond finds deliveries never tried of an address without a bit.
func (c *claim) freshBeyond(ctx context.Context, id int64) (list []candidate, err error) {
	text := `SELECT x.seq, ` + onlyListed(dueIndex) + `, 0, '' FROM deliveries x INDEXED BY deliveries_due
		LEFT JOIN deliveries t ON t.seq = x.seq AND t.address = x.address
		WHERE x.state = 0 AND x.address = ? AND x.next_at = 0 AND x.seq > ? AND x.seq < ? ORDER BY x.seq LIMIT ?`
	find := func(text string) error {
		list = list[:0]
		return c.query(ctx, func(seq, only, _ int64, _ string) {
			list = append(list, c.listed(dueIndex, candidate{seq: seq, address: id}, only))
		}, text, id, c.after, c.before, c.limit)
	}
	if err = find(text); code(err) == codeCorrupt { // a row could not be read: its event says the same
		err = find(`SELECT seq, 0, 0, '' FROM deliveries INDEXED BY deliveries_due
			WHERE state = 0 AND address = ? AND next_at = 0 AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`)
	}
	return list, err
}

// listed is a candidate of an index that only that may have: see onlyListed.
func (c *claim) listed(index string, d candidate, only int64) candidate {
	d.damaged = only > 0
	switch only {
	case 1:
		c.leaveOut(index, d.seq, d.address)
	case 2:
		c.s.lostRow(d.seq)
	}
	return d
}

// tried finds deliveries that are due again, in the order they became so, or
// below a seq in the order of their events: each is an order of an index.
func (c *claim) tried(ctx context.Context, limit int) (list []candidate, err error) {
	index, text := dueIndex, `SELECT x.seq, iif(`+onlyListed(dueIndex)+`, -`+onlyListed(dueIndex)+`, max(0, t.attempts)), x.next_at, t.reason
		FROM deliveries x INDEXED BY deliveries_due LEFT JOIN deliveries t ON t.seq = x.seq AND t.address = x.address
		WHERE x.state = 0 AND x.address = ? AND x.next_at > 0 AND x.next_at <= ? AND x.seq > ? AND x.seq < ? ORDER BY x.next_at LIMIT ?`
	byDue := func(a, b candidate) int { return cmp.Compare(a.nextAt, b.nextAt) }
	if c.before != math.MaxInt64 {
		index, text = stateIndex, `SELECT x.seq, iif(`+onlyListed(stateIndex)+`, -`+onlyListed(stateIndex)+`, max(0, t.attempts)), t.next_at, t.reason
			FROM deliveries x INDEXED BY deliveries_state LEFT JOIN deliveries t ON t.seq = x.seq AND t.address = x.address
			WHERE x.state = 0 AND x.address = ? AND (`+onlyListed(stateIndex)+` OR (t.next_at <> 0 OR t.attempts <> 0) AND t.next_at <= ?) AND x.seq > ? AND x.seq < ?
			ORDER BY x.seq LIMIT ?`
		byDue = func(a, b candidate) int { return cmp.Compare(a.seq, b.seq) }
	}
	for _, id := range c.all {
		n := len(list)
		err := c.query(ctx, func(seq, attempts, nextAt int64, reason string) {
			d := candidate{seq: seq, address: id, attempts: max(0, attempts), nextAt: max(1, nextAt), reason: reason}
			list = append(list, c.listed(index, d, max(0, -attempts)))
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
		if err := rows.Scan(number{&x}, number{&y}, number{&z}, letters{&text}); err != nil {
			return err
		}
		f(x, y, z, text)
	}
	return rows.Err()
}
