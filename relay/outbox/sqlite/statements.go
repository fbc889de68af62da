package sqlite

// writer is the connection that writes, and its statements.
type writer struct {
	*conn
	begin, commit, rollback                   *stmt
	insertEvent, findEvent                    *stmt
	endFirst, readEvent, setEvent             *stmt
	readDelivery, putDelivery, insertAttempt  *stmt
	insertJournal, journalFrom, journalAll    *stmt
	readReceived                              *stmt
	insertName, sayNames                      *stmt
	putCounter, insertRefused                 *stmt
	advance, probe                            *stmt
	deleteEvent, deleteDeliveries             *stmt
	deleteAttempts, deleteRefused, deleteLate *stmt
	eraseBody, insertLate, setMeta            *stmt
	readFinished, readStates                  *stmt
	keepRefused, deleteJournal                *stmt
	purgeThreads, purgeRulesets               *stmt
}

// statement is where a prepared statement goes, how many parameters and result
// columns it has, and its text.
type statement struct {
	s       **stmt
	n, cols int
	sql     string
}

// prepareWriter prepares all that the connection will run.
func prepareWriter(c *conn) (*writer, error) {
	w := &writer{conn: c}
	for _, list := range [][]statement{w.forTransactions(), w.forEvents(), w.forDeliveries(), w.forPurge()} {
		for _, p := range list {
			s, err := c.prepare(p.sql, p.n, p.cols)
			if err != nil {
				return nil, err
			}
			*p.s = s
		}
	}
	return w, nil
}

func (w *writer) forTransactions() []statement {
	return []statement{
		{&w.begin, 0, 0, "BEGIN IMMEDIATE"},
		{&w.commit, 0, 0, "COMMIT"},
		{&w.rollback, 0, 0, "ROLLBACK"},
		{&w.insertJournal, 2, 0, "INSERT INTO journal (n, keys) VALUES (?,?)"},
		{&w.journalFrom, 1, 2, "SELECT n, keys FROM journal WHERE n >= ? ORDER BY n LIMIT 1"},
		{&w.journalAll, 1, 1, "SELECT keys FROM journal WHERE n >= ? ORDER BY n"},
		{&w.readReceived, 1, 1, "SELECT received_at FROM events WHERE seq = ?"},
		{&w.insertName, 4, 0, insertNameSQL},
		{&w.sayNames, 1, 0, sayNamesSQL},
		{&w.putCounter, 3, 0, `INSERT INTO counters (address, delivered, dead) VALUES (?,?,?)
			ON CONFLICT (address) DO UPDATE SET delivered = excluded.delivered, dead = excluded.dead`},
		{&w.probe, 1, 0, "UPDATE meta SET v = ? WHERE k = 'checked_at'"},
	}
}

func (w *writer) forEvents() []statement {
	return []statement{
		{&w.insertEvent, 19, 0, `INSERT INTO events (seq, waiting, retrying, finished_at, ends, rnd, received_at, source, kind, targets,
			person, crc, dedupe, verdicts, subject, ticket, status, body, key_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`},
		{&w.findEvent, 1, 13, `SELECT rnd, received_at, source, dedupe, kind, targets, crc, verdicts, subject, ticket, status, body, key_id
			FROM events WHERE seq = ?`},
		{&w.insertRefused, 11, 0, `INSERT INTO refused (seq, rnd, received_at, source, status, reason, content_type, iv, crc, body, key_id)
			VALUES (?,?,?,?,?,?,?,?,?,?,?)`},
		{&w.keepRefused, 2, 0, `DELETE FROM refused WHERE seq IN
			(SELECT seq FROM refused WHERE source = ? ORDER BY received_at DESC, seq DESC LIMIT -1 OFFSET ?)`},
	}
}

// The fast path: a first try that succeeded clears the address's bit and fills
// its slot, in place. ?1 bit, ?2 time, ?3 number and slot, ?4 seq, ?5 rnd.
const endFirstSQL = `UPDATE events SET waiting = waiting & ~?1,
  finished_at = CASE WHEN waiting = ?1 | -9223372036854775808 AND retrying = 0 THEN ?2 ELSE finished_at END,
  ends = CASE length(ends) WHEN 14 THEN ?3 ELSE CAST(
    substr(ends, 1, length(ends)/14 + instr(ends, substr(?3, 1, 1))*13 - 13)
    || substr(?3, 2)
    || substr(ends, length(ends)/14 + instr(ends, substr(?3, 1, 1))*13 + 1) AS BLOB) END
  WHERE seq = ?4 AND waiting & ?1 <> 0 AND rnd = ?5`

func (w *writer) forDeliveries() []statement {
	return []statement{
		{&w.endFirst, 5, 0, endFirstSQL},
		{&w.readEvent, 1, 5, "SELECT rnd, waiting, retrying, targets, ends FROM events WHERE seq = ?"},
		{&w.setEvent, 4, 0, "UPDATE events SET waiting = ?, retrying = ?, finished_at = ? WHERE seq = ?"},
		{&w.readDelivery, 2, 6, "SELECT " + stateNow + ", attempts, outcome, status, reason, " + notWritten + " FROM deliveries WHERE seq = ? AND address = ?"},
		{&w.putDelivery, 9, 0, `INSERT INTO deliveries (seq, address, state, attempts, next_at, finished_at, outcome, status, reason)
			VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (seq, address) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
			next_at = excluded.next_at, finished_at = excluded.finished_at, outcome = excluded.outcome, status = excluded.status, reason = excluded.reason`},
		{&w.insertAttempt, 11, 0, `INSERT OR IGNORE INTO attempts (seq, address, at, number, duration, outcome, status, tries, state, next_at, reason)
			VALUES (?,?,?,?,?,?,?,?,?,?,?)`},
		{&w.advance, 4, 0, `UPDATE deliveries SET next_at = ?1 WHERE state = 0 AND (seq, address) IN
			(SELECT seq, address FROM deliveries WHERE state = 0 AND address = ?2 AND next_at > ?3 ORDER BY next_at LIMIT ?4)`},
	}
}

func (w *writer) forPurge() []statement {
	return []statement{
		{&w.deleteEvent, 1, 0, "DELETE FROM events WHERE seq = ?"},
		{&w.deleteDeliveries, 1, 0, "DELETE FROM deliveries WHERE seq = ?"},
		{&w.deleteAttempts, 1, 0, "DELETE FROM attempts WHERE seq = ?"},
		{&w.deleteRefused, 1, 0, "DELETE FROM refused WHERE seq = ?"},
		{&w.deleteLate, 1, 0, "DELETE FROM late WHERE seq = ?"},
		{&w.eraseBody, 1, 0, "UPDATE events SET body = NULL, key_id = 0, person = 0, crc = crc & -4294967296 WHERE seq = ? AND body IS NOT NULL"},
		{&w.insertLate, 1, 0, "INSERT OR IGNORE INTO late (seq) VALUES (?)"},
		{&w.setMeta, 2, 0, "UPDATE meta SET v = ? WHERE k = ?"},
		{&w.readFinished, 1, 3, "SELECT finished_at, targets, received_at FROM events WHERE seq = ?"},
		{&w.readStates, 1, 2, "SELECT address, " + stateNow + " FROM deliveries WHERE seq = ?"},
		{&w.deleteJournal, 1, 0, "DELETE FROM journal WHERE n <= ?"},
		{&w.purgeThreads, 2, 0, `DELETE FROM threads WHERE (target, key) IN (SELECT target, key FROM threads WHERE at < ? LIMIT ?)`},
		{&w.purgeRulesets, 2, 0, `DELETE FROM rulesets AS r WHERE (SELECT min(since) FROM rulesets AS next WHERE next.since > r.since) < ?
			AND id <> ?`},
	}
}
