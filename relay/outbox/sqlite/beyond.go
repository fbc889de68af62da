package sqlite

import (
	"context"
	"encoding/binary"
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

func unlistedTo(ctx context.Context, c *conn) (seq int64, err error) {
	return count(ctx, c, "SELECT coalesce((SELECT v FROM meta WHERE k = ?), 0)", beyondTo)
}

// noteUnlisted is told by an older store, in the transaction under way, that the
// events up to the last one list no addresses beyond.
func noteUnlisted(ctx context.Context, c *conn) error {
	return c.runOnce(ctx, `INSERT OR REPLACE INTO meta (k, v) SELECT ?1, coalesce(max(seq), 0) FROM events
		WHERE EXISTS (SELECT 1 FROM names WHERE kind = 'address' AND id > ?2)`, beyondTo, int64(maxBit))
}

// elsewhere logs, once an event, that a delivery is to an address it does not have.
func (c *claim) elsewhere(ev *readable) {
	if ev == nil { // reported
		return
	}
	if _, reported := c.s.quarantine.LoadOrStore(-ev.row.seq, true); !reported { // no event has such a seq
		c.s.log.Error("a delivery is damaged and will not be sent: its event does not have the address", "event_id", ev.event.ID)
	}
}
