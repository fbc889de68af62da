package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// listings are all the ways to the events' seqs. Each goes through other pages,
// from both ends; what one does not reach because of damage, another may.
func listings() []string {
	return []string{
		"SELECT seq FROM events ORDER BY seq", "SELECT seq FROM events ORDER BY seq DESC",
		"SELECT seq FROM events WHERE waiting <> -9223372036854775808 ORDER BY waiting, seq",
		"SELECT seq FROM events WHERE waiting <> -9223372036854775808 ORDER BY waiting DESC, seq DESC",
		"SELECT DISTINCT seq FROM deliveries ORDER BY seq", "SELECT DISTINCT seq FROM deliveries ORDER BY seq DESC",
	}
}

// seqs lists the events that there are, or were.
func (v *salvage) seqs(ctx context.Context) ([]int64, error) {
	known := map[int64]bool{}
	for _, sql := range listings() {
		_ = v.each(ctx, sql, 1, func(q *stmt) { known[q.int(0)] = true }) // as far as it comes
	}
	note := func(q *stmt) {
		for b := q.blob(1); len(b) >= keysSize; b = b[keysSize:] {
			known[keysAt(b).seq] = true
		}
	}
	first, last := int64(0), int64(0)
	_ = v.each(ctx, "SELECT n, keys FROM journal ORDER BY n", 2, func(q *stmt) { first = q.int(0); note(q) })
	err := v.each(ctx, "SELECT n, keys FROM journal ORDER BY n DESC", 2, func(q *stmt) { last = q.int(0); note(q) })
	if err != nil { // its numbers have no gaps: those between the damaged places are asked for one by one
		q, err := v.from.prepareOnce("SELECT n, keys FROM journal WHERE n = ?", 1, 2)
		if err != nil {
			return nil, fault("read the journal", err)
		}
		defer func() { _ = q.s.Close() }() // nothing was written
		for n := first + 1; n < last; n++ {
			q.args[0].Value = n
			if found, err := q.row(ctx); err == nil && found {
				note(q)
			}
		}
	}
	return slices.Sorted(maps.Keys(known)), nil
}

// each calls f with every row of a query, up to an error.
func (v *salvage) each(ctx context.Context, sql string, cols int, f func(q *stmt), args ...any) error {
	q, err := v.from.prepareOnce(sql, len(args), cols)
	if err != nil {
		return err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	for i, a := range args {
		q.args[i].Value = a
	}
	return q.each(ctx, func() error { f(q); return nil })
}

// read reads one event; with outbox.ErrCorrupt it has its rnd at least.
func (v *salvage) read(ctx context.Context, seq int64) (r *row, err error) {
	err = v.each(ctx, "SELECT "+columns+", body FROM events WHERE seq = ?", 19, func(q *stmt) {
		r = &row{
			seq: q.int(0), rnd: q.int(1), received: q.int(2), finished: q.int(3), waiting: q.int(4), retrying: q.int(5), targets: q.int(6),
			person: q.int(7), source: q.int(8), kind: q.int(9), crc: q.int(10), ends: q.blob(11), dedupe: q.blob(12), verdicts: q.blob(13),
			subject: q.text(14), ticket: q.text(15), status: q.text(16), keyID: q.int(17), body: q.blob(18),
		}
	}, seq)
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, event.ErrNotFound
	}
	if n := len(r.ends); n%endSize != 0 { // it is not in the checksum, since it changes
		r.ends = newEnds(nil, mask(r.targets))
	}
	return r, r.verify(true)
}

// deliveries reads an event's rows of deliveries, as far as that goes, and those
// only that are to an address the event has. One beyond the 63 must have a row.
func (v *salvage) deliveries(ctx context.Context, r *row) map[int64]delivery {
	rows := map[int64]delivery{}
	for _, id := range r.beyond() {
		rows[id] = delivery{}
	}
	_ = v.each(ctx, "SELECT address, "+stateNow+", attempts, next_at, finished_at, outcome, status, reason FROM deliveries WHERE seq = ?", 8, func(q *stmt) {
		elsewhere := v.names.of(kindAddress, q.int(0)) == "" || !r.goesTo(q.int(0), v.unlistedTo)
		if elsewhere || uint64(q.int(1)) > uint64(event.Discarded) || uint64(q.int(5)) > uint64(event.Held) { //nolint:gosec // below 0 is much
			v.Rows++
			return
		}
		d := delivery{
			state: event.State(q.int(1)), attempts: max(0, q.int(2)), nextAt: q.int(3), finished: q.int(4), //nolint:gosec // looked at above
			outcome: q.int(5), status: q.int(6), reason: q.text(7),
		}
		switch { // see notWritten
		case d.state != event.Pending && d.finished == 0:
			d.finished = r.received
		case d.state == event.Pending && d.attempts > 0:
			d.nextAt = max(1, d.nextAt)
		}
		rows[q.int(0)] = d
	}, r.seq)
	return rows
}

// attempts copies an event's attempts, as far as that goes.
func (v *salvage) attempts(ctx context.Context, seq int64) (err error) {
	_ = v.each(ctx, "SELECT seq, address, at, number, duration, outcome, status, tries, state, next_at, reason FROM attempts WHERE seq = ?", 11, func(q *stmt) {
		if err != nil {
			return
		}
		var kept bool
		if kept, err = put(ctx, v.to.insertAttempt, q.dest); err == nil && !kept {
			v.Rows++
		}
	}, seq)
	return err
}

// copyWhole copies the small tables row by row, from both ends.
func (v *salvage) copyWhole(ctx context.Context) error {
	return v.transact(ctx, func() error {
		if err := v.identity(ctx); err != nil {
			return err
		}
		if err := v.names.save(ctx, v.to); err != nil {
			return err
		}
		for _, table := range []struct{ name, key, columns string }{
			{"keys", "id", "id, fingerprint, salt"},
			{"rulesets", "id", "id, since, hash, text"},
			{"holds", "target", "target, since, reason, by_hand"},
			{"alarms", "kind, subject", "kind, subject, since, reason, event"},
			{"threads", "target, key", "target, key, ref, at"},
		} {
			if err := v.copyTable(ctx, table.name, table.key, table.columns); err != nil {
				return err
			}
		}
		return v.to.runOnce(ctx, "DELETE FROM meta WHERE k = 'salt' AND EXISTS (SELECT 1 FROM keys)")
	})
}

// identity copies what keys and persons' hashes were made with. How far purge
// has come is left out: it walks over all of it again.
func (v *salvage) identity(ctx context.Context) (err error) {
	identified := false
	read := v.each(ctx, "SELECT k, v FROM meta WHERE k IN ('store', 'salt', 'last_seq')", 2, func(q *stmt) {
		var value driver.Value = q.int(1)
		switch q.text(0) {
		case "salt":
			value = bytesOf(q.dest[1])
		case "store":
			id := bytesOf(q.dest[1])
			if marked := markedStore(v.mark); len(id) != storeSize && len(marked) == storeSize {
				id = marked
			}
			value, identified = id, true
		}
		if err == nil {
			err = v.to.runOnce(ctx, "INSERT OR REPLACE INTO meta (k, v) VALUES (?,?)", q.text(0), value)
		}
	})
	if err == nil && !identified {
		return fmt.Errorf("%w: what it is cannot be read: %w", outbox.ErrCorrupt, read)
	}
	return err
}

func (v *salvage) copyTable(ctx context.Context, table, key, columns string) (err error) {
	n := strings.Count(columns, ",") + 1
	insert, err := v.to.prepareOnce(fmt.Sprintf("INSERT OR REPLACE INTO %s (%s) VALUES (?%s)", table, columns, strings.Repeat(",?", n-1)), n, 0)
	if err != nil {
		return err
	}
	defer func() { _ = insert.s.Close() }() // what it did is not undone by that

	var read error
	lost := map[string]bool{} // a row may be met from both ends
	for _, order := range []string{"", " DESC"} {
		var failed error
		read = v.each(ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", columns, table, strings.ReplaceAll(key, ",", order+",")+order), n, func(q *stmt) {
			if failed != nil {
				return
			}
			if table == "keys" { // either of what stands there tells a key
				q.dest[1], q.dest[2] = bytesOf(q.dest[1]), bytesOf(q.dest[2])
			}
			var kept bool
			if kept, failed = put(ctx, insert, q.dest); failed == nil && !kept {
				lost[fmt.Sprint(q.dest)] = true
			}
		})
		if failed != nil {
			return failed
		}
		if read == nil {
			break
		}
	}
	if v.Rows += len(lost); unread(read) {
		v.Rows++ // and perhaps more
	}
	return nil
}

// refused copies what was refused and is whole.
func (v *salvage) refused(ctx context.Context) (err error) {
	seen := map[int64]bool{}
	var read error
	for _, order := range []string{"", " DESC"} {
		read = v.each(ctx, `SELECT seq, rnd, received_at, source, status, reason, content_type, iv, crc, body, key_id FROM refused ORDER BY seq`+order, 11, func(q *stmt) {
			if seen[q.int(0)] || err != nil {
				return
			}
			seen[q.int(0)] = true
			if int64(checksumOfBody(q.blob(9), q.int(10))) != q.int(8) {
				v.Damaged = append(v.Damaged, idOf(q.int(0), q.int(1)))
				return
			}
			var kept bool
			switch kept, err = put(ctx, v.to.insertRefused, q.dest); {
			case kept:
				v.Refused++
			case err == nil:
				v.Damaged = append(v.Damaged, idOf(q.int(0), q.int(1)))
			}
		})
	}
	if unread(read) {
		v.Unreadable++ // and perhaps more
	}
	return err
}
