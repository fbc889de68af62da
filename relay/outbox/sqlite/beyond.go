package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// Addresses beyond the 63 with a bit are in no mask: an event that goes to some
// lists them at the end of its verdicts, behind a 0, which is no rule's number. So
// the checksum covers all that an event goes to, and a flipped bit in a row of
// deliveries, which changes and has none, sends nothing elsewhere.

// beyondTo, in meta, is the last event of a release that did not list them.
const beyondTo = "beyond_to"

// appendBeyond ends the verdicts column.
func appendBeyond(verdicts []byte, beyond []int64) []byte {
	if len(beyond) == 0 {
		return verdicts
	}
	if len(verdicts) == 0 {
		verdicts = append(verdicts, 0, 0) // no ruleset: else the next 0 would begin one
	}
	verdicts = append(verdicts, 0)
	for _, id := range beyond {
		verdicts = binary.AppendUvarint(verdicts, uint64(id)) //nolint:gosec // counts from 1
	}
	return verdicts
}

// beyond lists the event's addresses without a bit. Its checksum has been looked at.
func (r *row) beyond() (ids []int64) {
	_, b := cutRuleset(r.verdicts)
	for len(b) > 0 && b[0] != 0 {
		_, i := binary.Uvarint(b)
		_, j := binary.Uvarint(b[max(i, 0):])
		if i <= 0 || j <= 0 {
			return nil
		}
		b = b[i+j:]
	}
	for len(b) > 1 {
		id, i := binary.Uvarint(b[1:])
		if i <= 0 {
			return nil
		}
		ids = append(ids, int64(id)) //nolint:gosec // counts from 1
		b = b[i:]
	}
	return ids
}

// goesTo says whether an event that is whole has an address.
func (r *row) goesTo(id, unlistedTo int64) bool {
	if id <= maxBit {
		return id > 0 && r.targets&(1<<(id-1)) != 0
	}
	return r.seq <= unlistedTo || slices.Contains(r.beyond(), id)
}

// unlistedTo is what meta says of that, not known when it is damaged: then any
// event may be one that does not list them, and is sent.
func unlistedTo(ctx context.Context, c *conn) (seq int64, known bool, err error) {
	v, err := c.value(ctx, "SELECT v FROM meta WHERE k = ?", beyondTo)
	b, _ := v.([]byte)
	if err != nil || len(b) != 12 {
		return 0, false, err
	}
	seq = int64(binary.BigEndian.Uint64(b)) //nolint:gosec // a seq
	return seq, bytes.Equal(b, sayUnlisted(seq)), nil
}

func sayUnlisted(seq int64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(seq)) //nolint:gosec // a seq
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func setUnlisted(ctx context.Context, c *conn, seq int64) error {
	return c.runOnce(ctx, "INSERT OR REPLACE INTO meta (k, v) VALUES (?,?)", beyondTo, sayUnlisted(seq))
}

// noteUnlisted is told by an older store, in the transaction under way, that the
// events up to the last one list no addresses beyond. It is 0 where there are none.
func noteUnlisted(ctx context.Context, c *conn) error {
	seq, err := count(ctx, c, `SELECT coalesce(max(seq), 0) FROM events
		WHERE EXISTS (SELECT 1 FROM names WHERE kind = 'address' AND id > ?)`, int64(maxBit))
	if err != nil {
		return err
	}
	return setUnlisted(ctx, c, seq)
}

// loadUnlisted is unlistedTo for what is sent, and mends the file, if not now, then
// later.
func (s *Store) loadUnlisted(ctx context.Context) error {
	err := s.hook("unlisted")
	var seq int64
	var known bool
	if err == nil {
		seq, known, err = unlistedTo(ctx, s.w.conn)
	}
	if err != nil { // what was known before stays
		return fault("read", err)
	}
	mend := !known
	if mend {
		if !s.owed.unlisted { // else it was said
			s.log.Error("up to where events do not list all their addresses is damaged and is mended: the disk may be damaging files")
		}
		seq = s.lastSeq.Load()
		if err = s.hook("mend"); err == nil {
			err = setUnlisted(ctx, s.w.conn, seq)
		}
	}
	s.unlistedTo.Store(seq)
	if s.owed.unlisted = mend && err != nil && s.owe(err); s.owed.unlisted {
		return nil
	}
	return fault("read", err)
}

// elsewhere logs, once an event, that a delivery is to an address it does not have.
func (c *claim) elsewhere(ev *readable) {
	if ev == nil { // reported
		return
	}
	if _, reported := c.s.quarantine.LoadOrStore(-ev.row.seq, true); !reported { // no event has such a seq
		c.s.log.Error("a delivery is damaged and is not sent to where its row says: its event does not have the address", "event_id", ev.event.ID)
		c.s.strayed(ev.row.seq)
	}
}
