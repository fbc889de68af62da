package sqlite

import (
	"context"
	"crypto/rand"
	"fmt"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// saltID stands for an event where a salt is encrypted: no event has this id.
var saltID event.ID

// knownKey is a row of keys.
type knownKey struct {
	id                int64
	fingerprint, salt []byte
}

func knownKeys(ctx context.Context, c *conn) (list []knownKey, err error) {
	q, err := c.prepareOnce("SELECT id, fingerprint, salt FROM keys ORDER BY id", 0, 3)
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	err = q.each(ctx, func() error {
		list = append(list, knownKey{q.int(0), q.blob(1), q.blob(2)})
		return nil
	})
	return list, err
}

// ringOf is the keyring of the store at path, and those of the keys it knows that
// the config does not have.
func ringOf(ctx context.Context, c *conn, path string, raw [][]byte) (ring *keyring, known []knownKey, missing []int64, err error) {
	id, err := c.value(ctx, "SELECT v FROM meta WHERE k = 'store'")
	if err != nil {
		return nil, nil, nil, fault("read", err)
	}
	store, _ := id.([]byte)
	if known, err = knownKeys(ctx, c); err != nil {
		return nil, nil, nil, fault("read the keys", err)
	}
	ring, missing, err = ringFor(raw, store, path, known)
	return ring, known, missing, err
}

// needs refuses to go on without a key that a body is encrypted with.
func needs(ctx context.Context, c *conn, ring *keyring, missing []int64) error {
	for _, id := range missing {
		used, err := count(ctx, c, "SELECT EXISTS (SELECT 1 FROM events WHERE key_id = ?1) OR EXISTS (SELECT 1 FROM refused WHERE key_id = ?1)", id)
		if err != nil {
			return fault("look for a missing key", err)
		}
		if used != 0 {
			return missingKey(ring)
		}
	}
	return nil
}

func missingKey(ring *keyring) error {
	if len(ring.configured) == 0 {
		return fmt.Errorf("%w: what it has is encrypted, and store.encryption_keys is empty: put the key back", outbox.ErrKey)
	}
	return fmt.Errorf("%w: it has bodies encrypted with a key that store.encryption_keys lacks: put that key back, behind the one that is to encrypt; "+
		"`store rekey` makes it dispensable", outbox.ErrKey)
}

// unlock makes the keys ready: it refuses when one is missing, forgets those
// that no body needs any more, and makes the one that encrypts known.
func (s *Store) unlock(ctx context.Context, c *conn) error {
	ring, known, missing, err := ringOf(ctx, c, s.cfg.Path, s.cfg.Keys)
	if err != nil {
		return err
	}
	if err := needs(ctx, c, ring, missing); err != nil {
		return err
	}
	if ring.mended != nil {
		s.log.Error("which store it is, without which no body can be decrypted, was damaged and is mended: the disk may be damaging files")
		if err = s.hook("mend"); err == nil {
			err = setStore(ctx, c, ring.mended)
		}
		if err != nil && !s.owe(err) {
			return fault("mend which store it is", err)
		}
		if err != nil {
			s.owed.store = ring.mended
		}
	}
	salt, fresh, err := saltOf(ctx, c, ring, known)
	if err != nil {
		return err
	}
	s.ring, s.salt = ring, salt
	first := ring.first()
	if fresh && len(ring.byID) > 0 {
		s.log.Error("the salt of customer ids is damaged, and there is a new one: by their customer id earlier events are not listed, only forgotten")
	}
	if !fresh && len(missing) == 0 && (first == nil || first.id != 0) {
		return nil // the usual case changes nothing
	}
	err = c.exec(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		err = s.register(ctx, c, missing, fresh)
	}
	if err == nil {
		err = c.exec(ctx, "COMMIT")
	}
	if err != nil {
		_ = c.exec(ctx, "ROLLBACK") // err says more
		return fault("note the keys", err)
	}
	// of the salt in the clear; should a reader be there, the next purge does it
	if busy, err := c.value(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil || busy != int64(0) {
		s.unclear.Store(true)
	}
	return nil
}

// register notes the first key and forgets missing ones, in a transaction. All
// keys get a fresh salt.
func (s *Store) register(ctx context.Context, c *conn, missing []int64, fresh bool) error {
	for id, k := range s.ring.byID {
		if !fresh {
			break
		}
		if err := c.runOnce(ctx, "UPDATE keys SET salt = ? WHERE id = ?", k.seal(nil, saltID, s.salt), id); err != nil {
			return err
		}
	}
	for _, id := range missing {
		if err := c.runOnce(ctx, "DELETE FROM keys WHERE id = ?", id); err != nil {
			return err
		}
	}
	first := s.ring.first()
	if first == nil {
		return c.runOnce(ctx, "INSERT OR REPLACE INTO meta (k, v) VALUES ('salt', ?)", s.salt)
	}
	if first.id == 0 {
		err := c.runOnce(ctx, "INSERT INTO keys (fingerprint, salt) VALUES (?,?)", first.fingerprint, first.seal(nil, saltID, s.salt))
		if err != nil {
			return err
		}
		id, err := count(ctx, c, "SELECT id FROM keys WHERE fingerprint = ?", first.fingerprint)
		if err != nil {
			return err
		}
		first.id = id
		s.ring.byID[id] = first
	}
	return c.runOnce(ctx, "DELETE FROM meta WHERE k = 'salt'")
}

// saltOf is the salt of person. It is a fresh one when it is damaged with each key
// that is there, or when none of those that have it is there and no person is left.
func saltOf(ctx context.Context, c *conn, ring *keyring, known []knownKey) (salt []byte, fresh bool, err error) {
	if len(known) == 0 {
		v, err := c.value(ctx, "SELECT v FROM meta WHERE k = 'salt'")
		salt, _ := v.([]byte)
		return salt, false, fault("read", err)
	}
	for _, k := range known {
		if key := ring.byID[k.id]; key != nil {
			if salt, err := key.open(saltID, k.salt); err == nil {
				return salt, false, nil
			}
		}
	}
	if len(ring.byID) == 0 {
		persons, err := count(ctx, c, "SELECT EXISTS (SELECT 1 FROM events WHERE person <> 0)")
		switch {
		case err != nil:
			return nil, false, fault("read", err)
		case persons != 0:
			return nil, false, missingKey(ring)
		}
	}
	salt = make([]byte, 32)
	_, _ = rand.Read(salt) // it never fails
	return salt, true, nil
}
