package sqlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

const (
	// noneWaiting is the mask of an event whose deliveries were all tried: the
	// sign bit alone. It is set in every mask, so that the number never gets
	// narrower and the row, however large its body, is overwritten in place.
	noneWaiting = math.MinInt64

	// notFinished is the finished_at of an event with a pending delivery: in
	// the year 2116, and as wide as any other.
	notFinished = 1 << 62

	slotSize = 13
	endSize  = 1 + slotSize

	// idBehind in a slot's time says that the id is later.
	idBehind = 1 << 47
)

// row is an event as it stands in its table.
type row struct {
	seq, rnd           int64
	received, finished int64
	waiting, retrying  int64
	targets, person    int64
	source, kind       int64
	crc                int64
	ends               []byte
	dedupe             []byte
	verdicts           []byte
	subject, ticket    string
	status             string
	keyID              int64 // 0: the body is in the clear
	body               []byte

	damaged bool // its checksum does not match
}

// nanos and instant convert times; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func instant(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// seqAndRest are the two halves of an id, idOf puts them together again.
func seqAndRest(id event.ID) (seq, rnd int64) {
	return id.Seq(), int64(binary.BigEndian.Uint64(id[8:])) //nolint:gosec // bits, not a number
}

func idOf(seq, rnd int64) (id event.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(seq)>>12<<16|0x7000|uint64(seq)&0xfff) //nolint:gosec // bits
	binary.BigEndian.PutUint64(id[8:], uint64(rnd))                                  //nolint:gosec // bits
	return id
}

func (r *row) id() event.ID { return idOf(r.seq, r.rnd) }

// mask is the waiting deliveries, without the sign bit.
func mask(waiting int64) uint64 { return uint64(waiting) &^ (1 << 63) } //nolint:gosec // bits

// open is how many deliveries are pending.
func (r *row) open() int { return bits.OnesCount64(mask(r.waiting)) + int(r.retrying) }

// person stands for a person's id in the store: a keyed hash, so that the id is
// in the body only and goes when the body does.
func person(salt []byte, id string) int64 {
	if id == "" {
		return 0
	}
	buf := make([]byte, 0, 128)
	sum := sha256.Sum256(append(append(buf, salt...), id...))
	return int64(binary.BigEndian.Uint64(sum[:]) | 1) //nolint:gosec // bits; never 0, which is nobody
}

// checksum is the crc column: of what never changes in the upper half, of the
// body as it is stored in the lower, where 0 stands for a body that was erased.
// It guards against what SQLite cannot see, since its pages have no checksum,
// and needs no key to tell damage from a wrong one.
func (r *row) checksum(scratch []byte) (crc int64, buf []byte) {
	le := binary.LittleEndian
	b := scratch[:0]
	for _, v := range [...]int64{r.seq, r.rnd, r.received, r.source, r.kind, r.targets} {
		b = le.AppendUint64(b, uint64(v)) //nolint:gosec // bits
	}
	for _, s := range [...]string{r.subject, r.ticket, r.status} {
		b = append(le.AppendUint32(b, uint32(len(s))), s...) //nolint:gosec // a body's limit is far below
	}
	b = append(append(b, r.dedupe...), r.verdicts...)
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the library
	head, body := crc32.Checksum(b, table), checksumOfBody(r.body, r.keyID)
	return int64(uint64(head)<<32 | uint64(body)), b //nolint:gosec // bits
}

// checksumOfBody covers the number of the key as well: what was encrypted must
// never pass for a body in the clear.
func checksumOfBody(body []byte, keyID int64) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum(body, table)
	if keyID != 0 {
		sum = crc32.Update(sum, table, binary.LittleEndian.AppendUint64(nil, uint64(keyID))) //nolint:gosec // bits
	}
	return sum
}

// verify reports damage. Without its body only the rest is looked at.
func (r *row) verify(withBody bool) error {
	crc, _ := r.checksum(nil)
	if crc>>32 != r.crc>>32 || withBody && crc != r.crc {
		return fmt.Errorf("event %s: %w: its checksum does not match", r.id(), outbox.ErrCorrupt)
	}
	return nil
}

// newEnds is the ends column of a new event: the numbers of its addresses and
// an empty slot for each.
func newEnds(buf []byte, targets uint64) []byte {
	for m := targets; m != 0; m &= m - 1 {
		buf = append(buf, byte(bits.TrailingZeros64(m)+1)) //nolint:gosec // at most 63
	}
	return append(buf, make([]byte, len(buf)*slotSize)...)
}

// end is how a first try that succeeded is noted: an address's number, then its
// slot: when (microseconds after the id's millisecond), how long
// (microseconds), status, tries. Ids run ahead of a clock that was set back: then
// it is milliseconds before, with the highest bit set.
func end(buf []byte, address, seq int64, a *outbox.Attempt) []byte {
	at := min(a.At.UnixMicro()-seq>>12*1000, idBehind-1)
	if at < 0 {
		at = idBehind | min(-at/1000, idBehind-1)
	}
	dur := min(max(0, a.Duration.Microseconds()), math.MaxUint32)
	be := binary.BigEndian
	buf = append(buf, byte(address))           //nolint:gosec // at most 63
	buf = be.AppendUint16(buf, uint16(at>>32)) //nolint:gosec // four years
	buf = be.AppendUint32(buf, uint32(at))     //nolint:gosec // the rest of it
	buf = be.AppendUint32(buf, uint32(dur))
	buf = be.AppendUint16(buf, uint16(a.Status)) //nolint:gosec // three digits
	return append(buf, byte(min(max(1, a.Tries), math.MaxUint8)))
}

// first is the attempt that delivered at once, if one did.
func (r *row) first(address int64) (a outbox.Attempt, ok bool) {
	n := len(r.ends) / endSize
	i := bytes.IndexByte(r.ends[:n], byte(address)) //nolint:gosec // at most 63
	if i < 0 || address > maxBit {
		return a, false
	}
	slot := r.ends[n+i*slotSize:][:slotSize]
	be := binary.BigEndian
	at := int64(be.Uint16(slot))<<32 | int64(be.Uint32(slot[2:]))
	if at&idBehind != 0 {
		at = -1000 * (at &^ idBehind)
	}
	a = outbox.Attempt{
		Number:   1,
		At:       time.UnixMicro(r.seq>>12*1000 + at).UTC(),
		Duration: time.Duration(be.Uint32(slot[6:])) * time.Microsecond,
		Outcome:  event.Delivered,
		Status:   int(be.Uint16(slot[10:])),
		Tries:    int(slot[12]),
		State:    event.Done,
	}
	return a, a.Tries > 0
}

// encodeVerdicts is the verdicts column: pairs of numbers, after the ruleset's.
func encodeVerdicts(buf []byte, n *names, list []outbox.Verdict) []byte {
	for _, v := range list {
		buf = binary.AppendUvarint(buf, uint64(n.number(kindRule, v.Rule)))       //nolint:gosec // counts from 1
		buf = binary.AppendUvarint(buf, uint64(n.number(kindVerdict, v.Verdict))) //nolint:gosec // counts from 1
	}
	return buf
}

func decodeVerdicts(b []byte, n *names) (list []outbox.Verdict) {
	_, b = cutRuleset(b)
	for len(b) > 0 && b[0] != 0 { // see appendBeyond
		rule, i := binary.Uvarint(b)
		verdict, j := binary.Uvarint(b[max(i, 0):])
		if i <= 0 || j <= 0 {
			return list // the checksum has been looked at: this cannot be
		}
		b = b[i+j:]
		list = append(list, outbox.Verdict{
			Rule:    n.of(kindRule, int64(rule)),       //nolint:gosec // counts from 1
			Verdict: n.of(kindVerdict, int64(verdict)), //nolint:gosec // counts from 1
		})
	}
	return list
}

// event is the row as an event.
func (r *row) event(n *names) event.Event {
	ev := event.Event{
		ID: r.id(), Source: n.of(kindSource, r.source), ReceivedAt: instant(r.received), Body: r.body,
		Subject: r.subject, Ticket: r.ticket, Status: r.status, Kind: event.Kind(r.kind), //nolint:gosec // as it was written
	}
	copy(ev.Dedupe[:], r.dedupe)
	return ev
}
