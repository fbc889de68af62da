package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"time"
)

// putBack stores the rows. Indexes that still say what was right cannot be changed
// together with rows that are not, and are made anew first, if they may be.
func (s *Store) putBack(ctx context.Context, w *writer, a *astray) error {
	if err := s.hook("give back"); err != nil {
		return err
	}
	err := inTransaction(ctx, w, func() error { return replaceRows(ctx, w, a) })
	if !disagrees(err) {
		return err
	}
	old := slices.DeleteFunc([]string{dueIndex, stateIndex}, func(x string) bool {
		at, ok := s.mended[x]
		return ok && time.Since(at) < remakeEvery
	})
	err = inTransaction(ctx, w, func() error {
		for _, x := range old {
			if err := w.exec(ctx, "REINDEX "+x); err != nil {
				return err
			}
		}
		return replaceRows(ctx, w, a)
	})
	for _, x := range old {
		if err == nil {
			s.noteMended(x)
		}
	}
	return err
}

func (s *Store) noteMended(index string) {
	if s.mended == nil {
		s.mended = map[string]time.Time{}
	}
	s.mended[index] = time.Now()
}

// errAmiss says that the rows of an event cannot be told from each other.
var errAmiss = errors.New("not all rows of the event could be replaced")

// replaceRows takes an event's rows out and puts them in where they belong. One that
// is out of order hides others from the search that a deletion is, but never the
// first that the search comes by: each time there are fewer.
func replaceRows(ctx context.Context, w *writer, a *astray) error {
	w.deleteDeliveries.args[0].Value = a.r.seq
	for n := len(a.rows); n > 0; {
		deleted, err := w.deleteDeliveries.changed(ctx)
		if err != nil {
			return err
		}
		left, err := everyRow(ctx, w, deliveryRows, 8, a.r.seq)
		if err != nil {
			return err
		}
		if deleted == 0 || len(left) != n-int(deleted) {
			return errAmiss
		}
		n = len(left)
	}
	for _, v := range a.rows {
		if err := w.runOnce(ctx, `INSERT INTO deliveries (seq, address, state, attempts, next_at, finished_at, outcome, status, reason)
			VALUES (?,?,?,?,?,?,?,?,?)`, a.r.seq, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]); err != nil {
			return err
		}
	}
	return nil
}

// inTransaction runs f in a transaction that holds nothing else. When it returns an
// error, nothing has changed.
func inTransaction(ctx context.Context, w *writer, f func() error) error {
	err := w.begin.run(ctx)
	if err == nil {
		if err = f(); err == nil {
			err = w.commit.run(ctx)
		}
	}
	if err != nil {
		_ = w.rollback.run(ctx) // SQLite may have done so already
	}
	return err
}

// everyRow reads the rows of a query about one event.
func everyRow(ctx context.Context, w *writer, text string, cols int, seq int64) (rows [][]driver.Value, err error) {
	q, err := w.prepareOnce(text, 1, cols)
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	q.args[0].Value = seq
	err = q.each(ctx, func() error {
		rows = append(rows, slices.Clone(q.dest))
		return nil
	})
	return rows, err
}
