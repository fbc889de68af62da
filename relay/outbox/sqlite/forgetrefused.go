package sqlite

import (
	"context"
	"database/sql"
	"errors"
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
	var seqs []int64
	err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) (err error) {
		seqs, err = everyRefused(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	var ids []event.ID
	for len(seqs) > 0 {
		err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
			some, sealed, looked, err := h.refused(ctx, tx, seqs)
			ids, done.Sealed, seqs = append(ids, some...), done.Sealed+sealed, seqs[looked:]
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
		h.s.unclear.Store(true)
		done.Refused += len(some)
	}
	return nil
}

// everyRefused lists all that is refused: what the table does not say because of
// damage, its index does.
func everyRefused(ctx context.Context, tx *sql.Tx) (seqs []int64, err error) {
	sc := scanner{tx: tx}
	damaged := 0
	for _, from := range []string{"INDEXED BY refused_received", "NOT INDEXED"} {
		some, err := sc.seqs(ctx, "SELECT seq FROM refused "+from+" ORDER BY seq")
		if damage(err) {
			damaged++
			continue
		}
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, some...)
	}
	if damaged == 2 {
		return nil, errNoMask
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}

// refused looks at as many of these as one short transaction may. A damaged one
// tells of her when it can be read all the same.
func (h *hers) refused(ctx context.Context, tx *sql.Tx, seqs []int64) (ids []event.ID, sealed, looked int, err error) {
	one, err := tx.PrepareContext(ctx, "SELECT rnd, source, iv, crc, key_id, body FROM refused WHERE seq = ?")
	if err != nil {
		return nil, 0, 0, err
	}
	defer func() { _ = one.Close() }() // nothing was written
	size := 0
	for _, seq := range seqs[:min(readerRows, len(seqs))] {
		if size >= readerBytes {
			break
		}
		looked++
		var r event.Refused
		var rnd, source, crc, keyID int64
		var iv any
		err := one.QueryRowContext(ctx, seq).Scan(number{&rnd}, number{&source}, &iv, number{&crc}, number{&keyID}, &r.Body)
		if errors.Is(err, sql.ErrNoRows) {
			there := 0 // in the index: then it is not purged since
			err = tx.QueryRowContext(ctx, "SELECT count(*) FROM refused INDEXED BY refused_received WHERE seq = ?", seq).Scan(&there)
			if err == nil {
				sealed += there
				continue
			}
		}
		if err != nil && code(err) != codeCorrupt {
			return ids, sealed, looked, err
		}
		size += len(r.Body)
		_ = letters{&r.IV}.Scan(iv) // it never fails
		r.ID, r.Source = idOf(seq, rnd), h.s.names.of(kindSource, source)
		tells, readable := false, false
		if err == nil {
			tells, readable = h.tells(&r, keyID, crc)
			_, text := iv.(string)
			readable = readable && text
		}
		switch {
		case tells:
			ids = append(ids, r.ID)
		case !readable:
			sealed++
		}
	}
	return ids, sealed, looked, nil
}

// tells reports whether a refused one tells of her, and whether it can be read:
// by nobody when it is damaged, or when its sender encrypted it with a key that
// is not there.
func (h *hers) tells(r *event.Refused, keyID, crc int64) (tells, readable bool) {
	whole := int64(checksumOfBody(r.Body, keyID)) == crc
	body, err := h.s.ring.decrypt(r.ID, keyID, r.Body)
	switch {
	case err != nil:
		return false, false
	case h.f.Holds(body):
		return true, true
	case r.IV == "":
		return false, whole
	case h.f.Unseal == nil:
		return false, false
	}
	r.Body = body
	texts := h.f.Unseal(r)
	return slices.ContainsFunc(texts, h.f.Holds), whole && len(texts) > 0
}
