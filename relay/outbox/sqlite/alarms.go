package sqlite

import (
	"context"
	"database/sql"

	"invitation-relay/relay/outbox"
)

// SetAlarm implements outbox.Store.
func (s *Store) SetAlarm(ctx context.Context, a outbox.Alarm) error {
	return s.transact(ctx, "set the alarm", func(ctx context.Context, t *tx) error {
		if a.Since.IsZero() {
			return t.w.runOnce(ctx, "DELETE FROM alarms WHERE kind = ? AND subject = ?", a.Kind, a.Subject)
		}
		return t.w.runOnce(ctx, "INSERT OR REPLACE INTO alarms (kind, subject, since, reason, event) VALUES (?,?,?,?,?)",
			a.Kind, a.Subject, nanos(a.Since), a.Reason, a.EventID[:])
	})
}

// Alarms implements outbox.Store.
func (s *Store) Alarms(ctx context.Context) (alarms []outbox.Alarm, err error) {
	err = s.read(ctx, "read the alarms", func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT kind, subject, since, reason, event FROM alarms ORDER BY kind, subject")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // rows.Err says it
		for rows.Next() {
			var a outbox.Alarm
			var since int64
			var id []byte
			if err := rows.Scan(&a.Kind, &a.Subject, &since, &a.Reason, &id); err != nil {
				return err
			}
			a.Since = instant(since)
			copy(a.EventID[:], id)
			alarms = append(alarms, a)
		}
		return rows.Err()
	})
	return alarms, err
}
