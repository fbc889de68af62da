package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// keys is what the journal has of one event: 26 bytes, in the journal's row of
// the commit that stored it. Appending them costs next to nothing, where an
// index on any of these random values would cost more than the event. Hashes
// only narrow a search down: the event's row decides.
type keys struct {
	seq     int64
	dedupe  uint64 // 0: nothing is a repeat of it
	ticket  uint32 // 0: none
	subject uint32 // 0: none
	person  uint16 // 0: none; so short that it tells nobody apart by itself
}

const keysSize = 26

func (k keys) append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, uint64(k.seq)) //nolint:gosec // bits
	b = be.AppendUint64(b, k.dedupe)
	b = be.AppendUint32(b, k.ticket)
	b = be.AppendUint32(b, k.subject)
	return be.AppendUint16(b, k.person)
}

func keysAt(b []byte) keys {
	be := binary.BigEndian
	return keys{
		seq:    int64(be.Uint64(b)), //nolint:gosec // bits
		dedupe: be.Uint64(b[8:]), ticket: be.Uint32(b[16:]), subject: be.Uint32(b[20:]), person: be.Uint16(b[24:]),
	}
}

func textKey(s string) uint32 {
	if s == "" {
		return 0
	}
	return crc32.Checksum([]byte(s), crc32.MakeTable(crc32.Castagnoli)) | 1
}

func personKey(hash int64) uint16 { return uint16(hash >> 8) } //nolint:gosec // a part of it is wanted

// dedupeKey stands for a source and its key. Two that are not the same may
// share it, once in billions: then the later one takes the place, and a repeat
// of the earlier one is delivered again.
func dedupeKey(source int64, d *[32]byte) uint64 {
	h := uint64(source) * 0x9e3779b97f4a7c15 //nolint:gosec // bits
	for i := 0; i < len(d); i += 8 {
		h = bits.RotateLeft64((h^binary.LittleEndian.Uint64(d[i:]))*0xff51afd7ed558ccd, 29)
	}
	return h | 1
}

// last is the seq of the last event in a row of the journal.
func last(b []byte) int64 {
	if len(b) < keysSize {
		return 0
	}
	return keysAt(b[len(b)-keysSize:]).seq
}

// greatest is the greatest seq in a row of the journal, whose events stand in the
// order in which they were queued; 0 when it has none. A seq beyond the last one
// there ever was is a flipped bit's.
func greatest(b []byte, beyond int64) (seq int64) {
	for ; len(b) >= keysSize; b = b[keysSize:] {
		if k := keysAt(b); k.seq <= beyond {
			seq = max(seq, k.seq)
		}
	}
	return seq
}

// count runs a query that returns one whole number.
func count(ctx context.Context, c *conn, sql string, args ...driver.Value) (int64, error) {
	v, err := c.value(ctx, sql, args...)
	n, _ := v.(int64)
	return n, err
}
