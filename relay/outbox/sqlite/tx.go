package sqlite

import (
	"context"
	"fmt"
	"time"

	"invitation-relay/relay/outbox"
)

// writer is the connection that writes, and its statements.
type writer struct {
	*conn
	begin, commit, rollback                   *stmt
	insertEvent, findEvent                    *stmt
	endFirst, readEvent, setEvent             *stmt
	readDelivery, putDelivery, insertAttempt  *stmt
	insertJournal, journalFrom, journalAll    *stmt
	insertName, putCounter, insertRefused     *stmt
	advance, probe                            *stmt
	deleteEvent, deleteDeliveries             *stmt
	deleteAttempts, deleteRefused, deleteLate *stmt
	eraseBody, insertLate, setMeta            *stmt
	seqsBetween, readFinished, readStates     *stmt
	purgeRefused, deleteJournal               *stmt
}

// The fast path: a first try that succeeded clears the address's bit and fills
// its slot, in place. ?1 bit, ?2 time, ?3 number and slot, ?4 seq, ?5 rnd.
const endFirstSQL = `UPDATE events SET waiting = waiting & ~?1,
  finished_at = CASE WHEN waiting = ?1 | -9223372036854775808 AND retrying = 0 THEN ?2 ELSE finished_at END,
  ends = CASE length(ends) WHEN 14 THEN ?3 ELSE CAST(
    substr(ends, 1, length(ends)/14 + (instr(substr(ends, 1, length(ends)/14), substr(?3, 1, 1)) - 1)*13)
    || substr(?3, 2)
    || substr(ends, length(ends)/14 + instr(substr(ends, 1, length(ends)/14), substr(?3, 1, 1))*13 + 1) AS BLOB) END
  WHERE seq = ?4 AND waiting & ?1 <> 0 AND rnd = ?5`

func prepareWriter(c *conn) (*writer, error) {
	w := &writer{conn: c}
	for _, p := range []struct {
		s    **stmt
		n    int
		cols int
		sql  string
	}{
		{&w.begin, 0, 0, "BEGIN IMMEDIATE"},
		{&w.commit, 0, 0, "COMMIT"},
		{&w.rollback, 0, 0, "ROLLBACK"},
		{&w.insertEvent, 18, 0, `INSERT INTO events (seq, waiting, retrying, finished_at, ends, rnd, received_at, source, kind, targets,
			person, crc, dedupe, verdicts, subject, ticket, status, body, key_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)`},
		{&w.findEvent, 1, 4, "SELECT rnd, received_at, source, dedupe FROM events WHERE seq = ?"},
		{&w.endFirst, 5, 0, endFirstSQL},
		{&w.readEvent, 1, 5, "SELECT rnd, waiting, retrying, targets, ends FROM events WHERE seq = ?"},
		{&w.setEvent, 4, 0, "UPDATE events SET waiting = ?, retrying = ?, finished_at = ? WHERE seq = ?"},
		{&w.readDelivery, 2, 5, "SELECT state, attempts, outcome, status, reason FROM deliveries WHERE seq = ? AND address = ?"},
		{&w.putDelivery, 9, 0, `INSERT INTO deliveries (seq, address, state, attempts, next_at, finished_at, outcome, status, reason)
			VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (seq, address) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
			next_at = excluded.next_at, finished_at = excluded.finished_at, outcome = excluded.outcome, status = excluded.status, reason = excluded.reason`},
		{&w.insertAttempt, 11, 0, `INSERT OR IGNORE INTO attempts (seq, address, at, number, duration, outcome, status, tries, state, next_at, reason)
			VALUES (?,?,?,?,?,?,?,?,?,?,?)`},
		{&w.insertJournal, 2, 0, "INSERT INTO journal (n, keys) VALUES (?,?)"},
		{&w.journalFrom, 1, 2, "SELECT n, keys FROM journal WHERE n >= ? ORDER BY n LIMIT 1"},
		{&w.journalAll, 1, 1, "SELECT keys FROM journal WHERE n >= ? ORDER BY n"},
		{&w.insertName, 3, 0, "INSERT INTO names (kind, id, name) VALUES (?,?,?)"},
		{&w.putCounter, 3, 0, `INSERT INTO counters (address, delivered, dead) VALUES (?,?,?)
			ON CONFLICT (address) DO UPDATE SET delivered = excluded.delivered, dead = excluded.dead`},
		{&w.insertRefused, 10, 0, `INSERT INTO refused (seq, rnd, received_at, source, status, reason, content_type, iv, crc, body, key_id)
			VALUES (?,?,?,?,?,?,?,?,?,?,0)`},
		{&w.advance, 4, 0, `UPDATE deliveries SET next_at = ?1 WHERE state = 0 AND (seq, address) IN
			(SELECT seq, address FROM deliveries WHERE state = 0 AND address = ?2 AND next_at > ?3 ORDER BY next_at LIMIT ?4)`},
		{&w.probe, 1, 0, "UPDATE meta SET v = ? WHERE k = 'checked_at'"},
		{&w.deleteEvent, 1, 0, "DELETE FROM events WHERE seq = ?"},
		{&w.deleteDeliveries, 1, 0, "DELETE FROM deliveries WHERE seq = ?"},
		{&w.deleteAttempts, 1, 0, "DELETE FROM attempts WHERE seq = ?"},
		{&w.deleteRefused, 1, 0, "DELETE FROM refused WHERE seq = ?"},
		{&w.deleteLate, 1, 0, "DELETE FROM late WHERE seq = ?"},
		{&w.eraseBody, 1, 0, "UPDATE events SET body = NULL, person = 0, crc = crc & -4294967296 WHERE seq = ? AND body IS NOT NULL"},
		{&w.insertLate, 1, 0, "INSERT OR IGNORE INTO late (seq) VALUES (?)"},
		{&w.setMeta, 2, 0, "UPDATE meta SET v = ? WHERE k = ?"},
		{&w.seqsBetween, 3, 1, "SELECT seq FROM events WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?"},
		{&w.readFinished, 1, 2, "SELECT finished_at, targets FROM events WHERE seq = ?"},
		{&w.readStates, 1, 2, "SELECT address, state FROM deliveries WHERE seq = ?"},
		{&w.purgeRefused, 4, 0, `DELETE FROM refused WHERE seq IN (SELECT seq FROM refused WHERE source = ?1 AND (received_at < ?2
			OR seq NOT IN (SELECT seq FROM refused WHERE source = ?1 ORDER BY received_at DESC, seq DESC LIMIT ?3)) LIMIT ?4)`},
		{&w.deleteJournal, 1, 0, "DELETE FROM journal WHERE n <= ?"},
	} {
		s, err := c.prepare(p.sql, p.n, p.cols)
		if err != nil {
			return nil, err
		}
		*p.s = s
	}
	return w, nil
}

// tx is what a transaction will change in memory once it is committed. It is
// reused.
type tx struct {
	s *Store
	w *writer

	stored  []*outbox.Entry // in this transaction
	keys    []keys          // of stored, one by one
	fresh   map[uint64]int  // dedupe key → index in stored
	refused []int64         // seqs
	deltas  []counter       // by address number
	touched []int64         // address numbers with a delta

	journal, ends, verdicts, scratch []byte
}

func (t *tx) reset(w *writer) {
	t.w = w
	clear(t.stored)
	clear(t.fresh)
	t.stored, t.keys, t.refused = t.stored[:0], t.keys[:0], t.refused[:0]
	for _, id := range t.touched {
		t.deltas[id] = counter{}
	}
	t.touched = t.touched[:0]
}

// tally notes a change of an address's counts.
func (t *tx) tally(address int64, pending, delivered, dead int) {
	for int64(len(t.deltas)) <= address {
		t.deltas = append(t.deltas, counter{})
	}
	d := &t.deltas[address]
	if !d.touched {
		d.touched = true
		t.touched = append(t.touched, address)
	}
	d.pending += pending
	d.delivered += delivered
	d.dead += dead
}

// transact runs f in one transaction, alone among those who write. When it
// returns an error, nothing has changed.
func (s *Store) transact(ctx context.Context, doing string, f func(context.Context, *tx) error) error {
	if err := s.gate.enter(ctx); err != nil {
		return fault(doing, err)
	}
	defer s.gate.leave()
	ctx = context.WithoutCancel(ctx) // half a transaction helps nobody
	w, err := s.writer(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	t := &s.tx
	t.reset(w)
	if err = w.begin.run(ctx); err == nil {
		if err = f(ctx, t); err == nil {
			err = t.flush(ctx)
		}
		if err == nil {
			err = s.commit(ctx, t)
		} else if e := w.rollback.run(ctx); e != nil && !breaks(err) && code(err) != codeFull {
			err = fmt.Errorf("%w; roll back: %w", err, e) // a full disk rolls back by itself
		}
	}
	if err != nil {
		s.failed(t, err)
		return fault(doing, err)
	}
	s.applied(t)
	return nil
}

// commit makes the transaction durable. When it fails half way, whether it did
// is open: what it stored is then taken back before the next one.
func (s *Store) commit(ctx context.Context, t *tx) error {
	err := s.hook("before commit")
	if err == nil {
		err = t.w.commit.run(ctx)
	}
	if err == nil {
		err = s.hook("after commit")
	}
	if err != nil {
		_ = t.w.rollback.run(ctx) // SQLite may have done so already
		if breaks(err) {
			for _, k := range t.keys {
				s.doubtful = append(s.doubtful, k.seq)
			}
			s.doubtful = append(s.doubtful, t.refused...)
		}
	}
	return err
}

// flush writes what goes with every transaction.
func (t *tx) flush(ctx context.Context) error {
	w := t.w
	if err := t.s.names.save(ctx, w.insertName); err != nil {
		return err
	}
	for _, id := range t.touched {
		d, c := t.deltas[id], t.s.counts.of(id)
		if d.delivered == 0 && d.dead == 0 {
			continue
		}
		a := w.putCounter.args
		a[0].Value, a[1].Value, a[2].Value = id, int64(c.delivered+d.delivered), int64(c.dead+d.dead)
		if err := w.putCounter.run(ctx); err != nil {
			return err
		}
	}
	if len(t.keys) == 0 {
		return nil
	}
	t.journal = t.journal[:0]
	for _, k := range t.keys {
		t.journal = k.append(t.journal)
	}
	a := w.insertJournal.args
	a[0].Value, a[1].Value = t.s.commits+1, t.journal
	if err := w.insertJournal.run(ctx); err != nil {
		return err
	}
	return t.s.recent.forget(ctx, w, t.stored[len(t.stored)-1].Event.ReceivedAt)
}

// applied brings memory up to what was committed.
func (s *Store) applied(t *tx) {
	s.names.keep()
	s.counts.add(t)
	s.succeeded, s.fault = time.Now(), nil
	last := s.lastSeq.Load()
	for _, seq := range t.refused {
		last = max(last, seq)
	}
	for _, k := range t.keys {
		last = max(last, k.seq)
		s.recent.add(k)
	}
	s.lastSeq.Store(last)
	if len(t.keys) > 0 {
		s.commits++
		s.mark.note(s.commits, s.succeeded)
	}
}
