package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"
)

// threadKey is a thread's key as the file has it: with the salt of person, so that
// who has the file and no key cannot try what it is a hash of.
func (s *Store) threadKey(key string) string {
	sum := sha256.Sum256(append(append([]byte("thread "), s.salt...), key...))
	return hex.EncodeToString(sum[:])
}

// SaveThread implements outbox.Store.
func (s *Store) SaveThread(ctx context.Context, target, key, ref string, now time.Time) error {
	return s.transact(ctx, "remember the thread", func(ctx context.Context, t *tx) error {
		return t.w.runOnce(ctx, "INSERT INTO threads (target, key, ref, at) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
			target, s.threadKey(key), ref, nanos(now))
	})
}

// Thread implements outbox.Store. One that is not text any more because of a flipped
// bit is none. A page that cannot be read is an error: to begin the thread anew
// would write to it.
func (s *Store) Thread(ctx context.Context, target, key string) (ref string, err error) {
	err = s.read(ctx, "read the thread", func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT ref FROM threads WHERE target = ? AND key = ?", target, s.threadKey(key)).Scan(letters{&ref})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return ref, err
}

// threads forgets those that began before what is kept of rows.
func (p *purge) threads(ctx context.Context) (bool, error) {
	return p.transact(ctx, func(ctx context.Context, t *tx) (int, bool, error) {
		v := t.w.purgeThreads.args
		v[0].Value, v[1].Value = p.rows, int64(purgeStep)
		n, err := t.w.purgeThreads.changed(ctx)
		return int(n), n == purgeStep, err
	})
}
