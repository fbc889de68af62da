package sqlite

import (
	"context"
	"database/sql"

	"invitation-relay/relay/outbox"
)

// SetAlarm implements outbox.Store. Where what is on could not be read it is not
// noted either: the write would stop the store, and a restart that tells of trouble
// once more is better.
func (s *Store) SetAlarm(ctx context.Context, a outbox.Alarm) error {
	if s.alarmsLost.Load() {
		return nil
	}
	return s.transact(ctx, "set the alarm", func(ctx context.Context, t *tx) error {
		if a.Since.IsZero() {
			return t.w.runOnce(ctx, "DELETE FROM alarms WHERE kind = ? AND subject = ?", a.Kind, a.Subject)
		}
		return t.w.runOnce(ctx, "INSERT OR REPLACE INTO alarms (kind, subject, since, reason, event) VALUES (?,?,?,?,?)",
			a.Kind, a.Subject, nanos(a.Since), a.Reason, a.EventID[:])
	})
}

// Alarms implements outbox.Store. Damage of what is on must not keep alarms from
// being told: what cannot be read of it is left out.
func (s *Store) Alarms(ctx context.Context) (alarms []outbox.Alarm, err error) {
	err = s.read(ctx, "read the alarms", func(ctx context.Context, tx *sql.Tx) error {
		alarms, err = readAlarms(ctx, tx)
		return err
	})
	if damage(err) {
		if !s.alarmsLost.Swap(true) {
			s.log.Error("which alarms are on is damaged: until the store is salvaged or replaced, a restart tells of them once more", "err", err)
		}
		return alarms, nil
	}
	return alarms, err
}

// readAlarms reads as far as it goes.
func readAlarms(ctx context.Context, tx *sql.Tx) (alarms []outbox.Alarm, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT kind, subject, since, reason, event FROM alarms ORDER BY kind, subject")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var a outbox.Alarm
		var since int64
		var id any
		if err := rows.Scan(letters{&a.Kind}, letters{&a.Subject}, number{&since}, letters{&a.Reason}, &id); err != nil {
			return alarms, err
		}
		if a.Kind == "" || since == 0 {
			continue // a flipped bit: none is kept without them
		}
		if b, ok := id.([]byte); ok && len(b) == len(a.EventID) {
			copy(a.EventID[:], b)
		}
		a.Since = instant(since)
		alarms = append(alarms, a)
	}
	return alarms, rows.Err()
}
