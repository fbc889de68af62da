package sqlite

import (
	"context"
	"database/sql"
	"slices"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// eraseRefused erases what was refused of her, and counts what nobody can look
// into: that goes when its time is up.
func (h *hers) eraseRefused(ctx context.Context, done *outbox.Forgotten) error {
	if h.f.Holds == nil {
		return nil
	}
	var ids []event.ID
	for after, more := int64(-1), true; more; {
		err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
			var some []event.ID
			var sealed int
			var err error
			if some, sealed, after, more, err = h.refused(ctx, tx, after); err == nil {
				ids, done.Sealed = append(ids, some...), done.Sealed+sealed
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for some := range slices.Chunk(ids, forgetStep) {
		err := h.s.transact(ctx, "forget", func(ctx context.Context, t *tx) error {
			for _, id := range some {
				if err := t.w.erase(ctx, id.Seq()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		done.Refused += len(some)
	}
	return nil
}

// refused looks at as many as one short transaction may. A damaged one tells of
// her when it can be read all the same.
func (h *hers) refused(ctx context.Context, tx *sql.Tx, after int64) (ids []event.ID, sealed int, last int64, more bool, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT seq, rnd, source, iv, key_id, body FROM refused WHERE seq > ? ORDER BY seq LIMIT ?", after, readerRows)
	if err != nil {
		return nil, 0, after, false, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	size := 0
	for rows.Next() && size < readerBytes {
		var r event.Refused
		var rnd, source, keyID int64
		if err := rows.Scan(&after, &rnd, &source, &r.IV, &keyID, &r.Body); err != nil {
			return nil, 0, after, false, err
		}
		size, more = size+len(r.Body), true
		r.ID, r.Source = idOf(after, rnd), h.s.names.of(kindSource, source)
		switch tells, readable := h.tells(&r, keyID); {
		case tells:
			ids = append(ids, r.ID)
		case !readable:
			sealed++
		}
	}
	return ids, sealed, after, more, rows.Err()
}

// tells reports whether a refused one tells of her, and whether it can be read:
// by nobody when it is damaged, or when its sender encrypted it with a key that
// is not there.
func (h *hers) tells(r *event.Refused, keyID int64) (tells, readable bool) {
	body, err := h.s.ring.decrypt(r.ID, keyID, r.Body)
	switch {
	case err != nil:
		return false, false
	case h.f.Holds(body):
		return true, true
	case r.IV == "":
		return false, true
	case h.f.Unseal == nil:
		return false, false
	}
	r.Body = body
	texts := h.f.Unseal(r)
	return slices.ContainsFunc(texts, h.f.Holds), len(texts) > 0
}
