package sqlite

import (
	"bytes"
	"io"
	"iter"
	"os"
)

// storeSize is how many bytes say which store it is.
const storeSize = 8

// Which store it is, eight random bytes in meta, goes into every key: with one
// flipped bit there no body could be read any more. Which they were can be
// tried: only with the right ones does the store know a key of the config.

// ringFor is the keyring with which the store knows a key of the config: that of
// the store's id as it stands there, or, when with it none is known, of the id in
// the mark beside it, or of one that differs in one bit. When none fits, it is
// the first one again.
func ringFor(raw [][]byte, store []byte, path string, known []knownKey) (ring *keyring, missing []int64, err error) {
	ring, missing, err = ringWith(raw, store, known)
	if err != nil || len(raw) == 0 || len(known) == 0 || len(missing) < len(known) {
		return ring, missing, err
	}
	for id := range likeIDs(store, path) {
		other, lacks, err := ringWith(raw, id, known)
		if err == nil && len(lacks) < len(known) {
			other.mended = id
			return other, lacks, nil
		}
	}
	return ring, missing, nil
}

// ringWith is the keyring for a store's id, and those of the keys the store knows
// that the config does not have.
func ringWith(raw [][]byte, store []byte, known []knownKey) (ring *keyring, missing []int64, err error) {
	if ring, err = newKeyring(raw, store); err != nil {
		return nil, nil, err
	}
	for _, k := range known {
		if !ring.know(&k) {
			missing = append(missing, k.id)
		}
	}
	return ring, missing, nil
}

// likeIDs are what a store's id may have been.
func likeIDs(store []byte, path string) iter.Seq[[]byte] {
	return func(yield func(id []byte) bool) {
		if marked := markedStore(path + ".mark"); marked != nil && !yield(marked) {
			return
		}
		for i := range 8 * len(store) {
			id := bytes.Clone(store)
			id[i/8] ^= 1 << (i % 8)
			if !yield(id) {
				return
			}
		}
	}
}

// markedStore is the store that a mark is of, nil when it does not tell.
func markedStore(path string) []byte {
	f, err := os.Open(path) //nolint:gosec // the path comes from the config
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, markSize))
	if err != nil {
		return nil
	}
	store, _, _ := readMark(text)
	return store
}
