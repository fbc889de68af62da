package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"time"

	"invitation-relay/relay/event"
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

// recent answers deduplication from memory: the seq of the latest event with a
// key, for the window. About 40 MB for a million. Only the writer uses it.
type recent struct {
	seqs   map[uint64]int64
	window time.Duration
	n      int64 // the oldest commit of the journal that is still in seqs
	ends   int64 // seq of its last event: it may go when that has left the window
}

// add notes a stored event.
func (r *recent) add(k keys) {
	if k.dedupe != 0 {
		r.seqs[k.dedupe] = k.seq
	}
}

// forget drops what the window has left behind: of each commit that adds one
// row at most two, so that it never takes long and always keeps up.
func (r *recent) forget(ctx context.Context, w *writer, now time.Time) error {
	horizon := event.SeqAt(now.Add(-r.window))
	for range 2 {
		if r.ends >= horizon {
			return nil
		}
		w.journalFrom.args[0].Value = r.n
		found, err := w.journalFrom.row(ctx)
		if err != nil || !found {
			return err
		}
		b := w.journalFrom.blob(1)
		if last(b) >= horizon {
			r.n, r.ends = w.journalFrom.int(0), last(b)
			return nil
		}
		for ; len(b) >= keysSize; b = b[keysSize:] {
			if k := keysAt(b); r.seqs[k.dedupe] == k.seq {
				delete(r.seqs, k.dedupe)
			}
		}
		r.n = w.journalFrom.int(0) + 1
	}
	return nil
}

// last is the seq of the last event in a row of the journal.
func last(b []byte) int64 {
	if len(b) < keysSize {
		return 0
	}
	return keysAt(b[len(b)-keysSize:]).seq
}

// load reads the window from the journal.
func (r *recent) load(ctx context.Context, w *writer, now time.Time) error {
	r.seqs, r.n, r.ends = map[uint64]int64{}, 1, 0
	horizon := event.SeqAt(now.Add(-r.window))
	low, err := count(ctx, w.conn, "SELECT coalesce(min(n), 1) FROM journal")
	if err != nil {
		return err
	}
	high, err := count(ctx, w.conn, "SELECT coalesce(max(n), 0) + 1 FROM journal")
	if err != nil {
		return err
	}
	for low < high { // the first commit that reaches into the window
		mid := low + (high-low)/2
		w.journalFrom.args[0].Value = mid
		found, err := w.journalFrom.row(ctx)
		if err != nil {
			return err
		}
		if !found || last(w.journalFrom.blob(1)) >= horizon {
			high = mid
		} else {
			low = mid + 1
		}
	}
	r.n = low
	w.journalAll.args[0].Value = low
	return w.journalAll.each(ctx, func() error {
		for b := w.journalAll.blob(0); len(b) >= keysSize; b = b[keysSize:] {
			r.add(keysAt(b))
		}
		return nil
	})
}

// count runs a query that returns one whole number.
func count(ctx context.Context, c *conn, sql string, args ...driver.Value) (int64, error) {
	v, err := c.value(ctx, sql, args...)
	n, _ := v.(int64)
	return n, err
}
