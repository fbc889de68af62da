package sqlite

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// keyring is the keys of the config as this store uses them. It is made when the
// store is opened and does not change; everybody may use it.
type keyring struct {
	configured []*key
	byID       map[int64]*key // those that the store knows
	mended     []byte         // which store it is, where another stands in the file; nil: that is right
}

// key encrypts and decrypts bodies. What is derived from a key is another in
// each store: no nonce of one store is a nonce of another.
type key struct {
	id          int64 // in this store, 0: not yet known to it
	fingerprint []byte
	aead        cipher.AEAD
}

const (
	nonceSize  = 12
	freshSize  = 4 // of the nonce, what is stored with the body
	sealedMore = freshSize + 16
)

// newKeyring derives what is used from the keys of the config.
func newKeyring(raw [][]byte, store []byte) (*keyring, error) {
	r := &keyring{byID: map[int64]*key{}}
	for i, k := range raw {
		if len(k) != 32 {
			return nil, fmt.Errorf("encryption key %d has %d bytes, it must be 32", i+1, len(k))
		}
		secret, err := hkdf.Key(sha256.New, k, store, "invitation-relay store: bodies", 32)
		if err != nil {
			return nil, err
		}
		fingerprint, err := hkdf.Key(sha256.New, k, store, "invitation-relay store: fingerprint", 16)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		r.configured = append(r.configured, &key{fingerprint: fingerprint, aead: aead})
	}
	return r, nil
}

// know is told of a key that the store knows, and says whether the config has
// it. Either of what stands there tells: a damaged byte must not cost all bodies.
func (r *keyring) know(known *knownKey) bool {
	for _, k := range r.configured {
		_, err := k.open(saltID, known.salt)
		if err == nil || bytes.Equal(k.fingerprint, known.fingerprint) {
			k.id = known.id
			r.byID[known.id] = k
			return true
		}
	}
	return false
}

// first is the key that encrypts, nil when bodies are stored in the clear.
func (r *keyring) first() *key {
	if len(r.configured) == 0 {
		return nil
	}
	return r.configured[0]
}

// seal appends a body, encrypted, to buf. The nonce begins with the seq, which no
// two events of a store share, so that no number of events uses a key up; four
// random bytes are for an event that is encrypted again.
func (k *key) seal(buf []byte, id event.ID, body []byte) []byte {
	var nonce [nonceSize]byte
	binary.BigEndian.PutUint64(nonce[:], uint64(id.Seq())) //nolint:gosec // bits
	_, _ = rand.Read(nonce[nonceSize-freshSize:])          // it never fails
	buf = append(buf, nonce[nonceSize-freshSize:]...)
	return k.aead.Seal(buf, nonce[:], body, id[:])
}

// open is the inverse of seal.
func (k *key) open(id event.ID, sealed []byte) ([]byte, error) {
	if len(sealed) < sealedMore {
		return nil, errors.New("it is too short to be encrypted")
	}
	var nonce [nonceSize]byte
	binary.BigEndian.PutUint64(nonce[:], uint64(id.Seq())) //nolint:gosec // bits
	copy(nonce[nonceSize-freshSize:], sealed)
	body, err := k.aead.Open([]byte{}, nonce[:], sealed[freshSize:], id[:]) // never nil: that is erased
	return body, err
}

// decrypt returns a body as it was received, from a column whose checksum
// matches. What does not decrypt all the same was changed on purpose.
func (r *keyring) decrypt(id event.ID, keyID int64, body []byte) ([]byte, error) {
	if keyID == 0 || body == nil {
		return body, nil
	}
	k := r.byID[keyID]
	if k == nil {
		return nil, fmt.Errorf("event %s: %w: the key that encrypted it is unknown", id, outbox.ErrCorrupt)
	}
	plain, err := k.open(id, body)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w: its body does not decrypt", id, outbox.ErrCorrupt)
	}
	return plain, nil
}
