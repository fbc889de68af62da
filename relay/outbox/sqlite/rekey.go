package sqlite

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"invitation-relay/relay/event"
)

// rekeyRows and rekeyBytes are what one transaction of Rekey encrypts.
const (
	rekeyRows  = 500
	rekeyBytes = 4 << 20
)

// Rekeyed is what Rekey has done.
type Rekeyed struct {
	Bodies  int        // encrypted with the first key now
	Damaged []event.ID // left as they were: they do not decrypt
	KeysLet int        // how many keys nothing needs any more
}

// Rekey encrypts with the first of cfg.Keys every body that is encrypted with
// another, or not at all. No process may have the store open. What is done is
// done: after an end halfway, the next Rekey does the rest. done is called after
// each body.
func Rekey(ctx context.Context, cfg Config, done func(bodies int)) (r Rekeyed, err error) {
	if len(cfg.Keys) == 0 {
		return r, errors.New("there is no key to encrypt with")
	}
	s, err := OpenThere(ctx, cfg)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	k := &rekeying{s: s, done: done, Rekeyed: &r}
	for _, table := range []string{"events", "refused"} {
		k.after = 0
		for more := true; more; {
			if ctx.Err() != nil {
				return r, context.Cause(ctx)
			}
			if more, err = k.step(ctx, table); err != nil {
				return r, err
			}
		}
	}
	err = s.transact(ctx, "forget the other keys", func(ctx context.Context, t *tx) error {
		q, err := t.w.prepareOnce(`DELETE FROM keys WHERE id <> ? AND id NOT IN (SELECT key_id FROM events) AND id NOT IN (SELECT key_id FROM refused)`, 1, 0)
		if err != nil {
			return err
		}
		defer func() { _ = q.s.Close() }() // what it did is not undone by that
		q.args[0].Value = s.ring.first().id
		n, err := q.changed(ctx)
		r.KeysLet = int(n)
		return err
	})
	if err != nil {
		return r, err
	}
	return r, s.truncateWAL(ctx, 500)
}

// OpenThere is Open for a store that must be there.
func OpenThere(ctx context.Context, cfg Config) (*Store, error) {
	if _, err := os.Stat(cfg.Path); err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err // who called knows the path
		}
		return nil, err
	}
	return Open(ctx, cfg)
}

// rekeying is one Rekey under way.
type rekeying struct {
	*Rekeyed
	s     *Store
	done  func(int)
	after int64 // the seq up to which it has come
}

// sealed is a body to be encrypted again.
type sealed struct {
	seq, rnd, keyID, crc int64
	body                 []byte
}

// step encrypts one transaction's worth, and says whether there may be more.
func (k *rekeying) step(ctx context.Context, table string) (more bool, err error) {
	after, bodies := k.after, 0
	var damaged []event.ID
	err = k.s.transact(ctx, "encrypt", func(ctx context.Context, t *tx) error {
		rows, err := k.next(ctx, t.w, table)
		if err != nil {
			return err
		}
		update, err := t.w.prepareOnce("UPDATE "+table+" SET body = ?, key_id = ?, crc = (crc & -4294967296) | ? WHERE seq = ?", 4, 0)
		if err != nil {
			return err
		}
		defer func() { _ = update.s.Close() }() // what it did is not undone by that
		there, err := t.w.prepareOnce("SELECT 1 FROM "+table+" WHERE seq = ?", 1, 1)
		if err != nil {
			return err
		}
		defer func() { _ = there.s.Close() }() // nothing was written
		for _, r := range rows {
			there.args[0].Value = r.seq
			found, err := there.row(ctx)
			if err != nil {
				return err
			}
			if found { // else it does not stand where it says, or it cannot be found there
				after = max(after, r.seq)
			}
			id := idOf(r.seq, r.rnd)
			body, err := k.s.ring.decrypt(id, r.keyID, r.body)
			if int64(checksumOfBody(r.body, r.keyID)) != r.crc&0xffffffff || err != nil || !found {
				damaged = append(damaged, id)
				continue
			}
			stored, keyID := t.seal(id, body)
			a := update.args
			a[0].Value, a[1].Value, a[2].Value, a[3].Value = stored, keyID, int64(checksumOfBody(stored, keyID)), r.seq
			if err := update.run(ctx); err != nil {
				return err
			}
			bodies++
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	more = after > k.after
	k.after = after
	for _, id := range damaged {
		if !slices.Contains(k.Damaged, id) { // one that stands elsewhere comes again
			k.Damaged = append(k.Damaged, id)
		}
	}
	for range bodies {
		k.Bodies++
		k.done(k.Bodies)
	}
	return more, nil
}

// next reads bodies that are not yet encrypted with the first key.
func (k *rekeying) next(ctx context.Context, w *writer, table string) (rows []sealed, err error) {
	q, err := w.prepareOnce("SELECT seq, rnd, key_id, crc, body FROM "+table+
		" WHERE seq > ? AND key_id <> ? AND body IS NOT NULL ORDER BY seq LIMIT ?", 3, 5)
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	q.args[0].Value, q.args[1].Value, q.args[2].Value = k.after, k.s.ring.first().id, int64(rekeyRows)
	size := 0
	err = q.each(ctx, func() error {
		rows = append(rows, sealed{q.int(0), q.int(1), q.int(2), q.int(3), q.blob(4)})
		if size += len(q.blob(4)); size >= rekeyBytes {
			return io.EOF
		}
		return nil
	})
	return rows, err
}
