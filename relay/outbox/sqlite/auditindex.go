package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// auditBatch is how many rows of an index are compared with their table in one
// transaction.
const auditBatch = 1000

// inOrder reports whether an index is whole in itself: its pages have no gap, and
// from end to end it lists what has the right types in its order. Then a search
// in it does not go astray.
func (a *auditor) inOrder(ctx context.Context, x index) (whole bool, err error) {
	if err := a.conn.exec(ctx, "BEGIN"); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, a.conn.exec(ctx, "ROLLBACK")) }()
	cells, whole, err := a.pages(ctx, x)
	if whole && err == nil {
		whole, err = a.keys(ctx, x, cells)
	}
	if code(err) == codeCorrupt {
		return false, nil
	}
	return whole, err
}

// pages reports whether each page of an index is filled by what it says it has,
// and how much that is: https://www.sqlite.org/fileformat2.html#b_tree_pages
func (a *auditor) pages(ctx context.Context, x index) (cells int64, whole bool, err error) {
	q, err := a.conn.prepareOnce("SELECT pagetype, ncell, payload, unused, pgsize FROM dbstat WHERE name = ?", 1, 5)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	q.args[0].Value, whole = x.name, true
	err = q.each(ctx, func() error {
		head, each := int64(8), int64(2+1) // where a cell is, and the length of what is in it
		if q.text(0) == "internal" {
			head, each = 12, each+4 // the page below
		}
		cells += q.int(1)
		whole = whole && head+each*q.int(1)+q.int(2)+q.int(3) == q.int(4)
		return a.step()
	})
	return cells, whole, err
}

// keys reports whether the index lists as much as its pages have, numbers alone,
// and each after the one before it.
func (a *auditor) keys(ctx context.Context, x index, cells int64) (whole bool, err error) {
	n := strings.Count(x.lists, ",") + 1
	q, err := a.conn.prepareOnce(fmt.Sprintf("SELECT %s FROM %s INDEXED BY %s WHERE %s", x.lists, x.table, x.name, x.where), 0, n)
	if err != nil {
		return false, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	last, key := make([]int64, n), make([]int64, n)
	last[0], whole = math.MinInt64, true
	err = q.each(ctx, func() error {
		for i, v := range q.dest {
			var ok bool
			if key[i], ok = v.(int64); !ok {
				whole = false
				return io.EOF
			}
		}
		if slices.Compare(last, key) >= 0 {
			whole = false
			return io.EOF
		}
		cells--
		copy(last, key)
		return a.step()
	})
	return whole && cells == 0, err
}

// agrees reports whether the table says the same as an index that is in order.
// Where the table cannot be read, or contradicts itself, it is not the index that
// is damaged.
func (a *auditor) agrees(ctx context.Context, x index) (whole bool, err error) {
	q, err := a.conn.prepareOnce(agreement(x.name), strings.Count(x.lists, ",")+1, 4)
	if err != nil {
		return false, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	for i := range q.args {
		q.args[i].Value = int64(math.MinInt64)
	}
	for whole, n := true, auditBatch; whole && n == auditBatch; {
		since := time.Now()
		n, whole, err = a.batch(ctx, x, q)
		if code(err) == codeCorrupt {
			return true, nil
		}
		if err == nil {
			err = a.rest(since)
		}
		if err != nil || !whole {
			return whole, err
		}
	}
	return true, nil
}

// batch compares the rows behind the query's arguments, moves these on, and says
// how many rows there were.
func (a *auditor) batch(ctx context.Context, x index, q *stmt) (n int, whole bool, err error) {
	if err := a.conn.exec(ctx, "BEGIN"); err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, a.conn.exec(ctx, "ROLLBACK")) }()
	var differ [][3]int64
	err = q.each(ctx, func() error {
		n++
		for i := range q.args {
			q.args[i].Value = q.int(i)
		}
		if q.int(3) != 0 {
			differ = append(differ, [3]int64{q.int(0), q.int(1), q.int(2)})
		}
		return a.step()
	})
	whole = true
	for _, key := range differ {
		if err == nil && whole {
			whole, err = a.blames(ctx, x, key)
		}
	}
	return n, whole, err
}

// agreement asks for a batch of an index in its order, and whether the table says
// something else. A delivery that is listed once, for a time before it is due, is let
// pass: it is tried early, and not hidden. Where the table says what is never written,
// it is damaged and not the index: see rowmend.go.
func agreement(name string) string {
	switch name {
	case waitingIndex:
		return fmt.Sprintf(`SELECT x.waiting, x.seq, 0, e.waiting IS NOT x.waiting FROM (SELECT waiting, seq FROM events INDEXED BY events_waiting
			WHERE waiting <> -9223372036854775808 AND (waiting, seq) > (?,?) ORDER BY waiting, seq LIMIT %d) x
			LEFT JOIN events e NOT INDEXED ON e.seq = x.seq`, auditBatch)
	case dueIndex:
		return fmt.Sprintf(`SELECT x.address, x.next_at, x.seq, t.seq IS NULL OR t.state <> 0 AND t.finished_at <> 0
			OR (t.next_at > 0 OR t.next_at = 0 AND t.attempts = 0) AND (t.next_at > 0) <> (x.next_at > 0)
			OR `+anothers+`
			FROM (SELECT address, next_at, seq FROM deliveries INDEXED BY deliveries_due
			WHERE state = 0 AND (address, next_at, seq) > (?,?,?) ORDER BY address, next_at, seq LIMIT %d) x
			LEFT JOIN deliveries t ON t.seq = x.seq AND t.address = x.address`, auditBatch)
	default:
		return fmt.Sprintf(`SELECT x.state, x.address, x.seq, t.seq IS NULL OR t.state <> x.state AND (t.state = 0) = (t.finished_at = 0)
			FROM (SELECT state, address, seq FROM deliveries INDEXED BY deliveries_state
			WHERE (state, address, seq) > (?,?,?) ORDER BY state, address, seq LIMIT %d) x
			LEFT JOIN deliveries t ON t.seq = x.seq AND t.address = x.address`, auditBatch)
	}
}
