package sqlite

import (
	"context"
	"database/sql"

	"invitation-relay/relay/outbox"
)

// SetHold implements outbox.Store.
func (s *Store) SetHold(ctx context.Context, h outbox.Hold) error {
	return s.transact(ctx, "set the hold", func(ctx context.Context, t *tx) error {
		text, args := "DELETE FROM holds WHERE target = ?", 1
		if !h.Since.IsZero() {
			text, args = "INSERT OR REPLACE INTO holds (target, since, reason, by_hand) VALUES (?,?,?,?)", 4
		}
		return t.w.runOnce(ctx, text, []any{h.Target, nanos(h.Since), h.Reason, h.ByHand}[:args]...)
	})
}

// Holds implements outbox.Store. A page of them that cannot be read is an error,
// which refuses the start: without it a target might be sent to that an operator
// has stopped.
func (s *Store) Holds(ctx context.Context) (holds []outbox.Hold, err error) {
	err = s.read(ctx, "read the holds", func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT target, since, reason, by_hand FROM holds ORDER BY target")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // rows.Err says it
		for rows.Next() {
			var h outbox.Hold
			var since, byHand int64
			if err := rows.Scan(letters{&h.Target}, number{&since}, letters{&h.Reason}, number{&byHand}); err != nil {
				return err
			}
			h.Since, h.ByHand = instant(since), byHand != 0
			holds = append(holds, h)
		}
		return rows.Err()
	})
	return holds, err
}
