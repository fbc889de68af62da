package event

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// ID identifies an event everywhere: in the 202 answer, in webhook-id, in the
// store, on the page. It is a UUIDv7 (RFC 9562, section 5.7) whose first 60
// bits of payload are strictly increasing within one relay, so that a store may
// use them as its key (see Seq). The zero ID is no event.
type ID [16]byte

// ParseID reads the canonical text form. Anything but a UUIDv7 is an error.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || u.Version() != 7 {
		return ID{}, fmt.Errorf("%w: want a UUIDv7 like 0198c5a2-…", ErrBadID)
	}
	return ID(u), nil
}

// String is the canonical lower-case form with hyphens, 36 bytes.
func (id ID) String() string { return uuid.UUID(id).String() }

// Short is what fits a footer or a column: the last 8 hex digits, which are
// random, unlike the first, which all events of a minute share.
func (id ID) Short() string { s := id.String(); return s[len(s)-8:] }

// IsZero reports whether id is no event.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText makes an ID a JSON string.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *ID) UnmarshalText(b []byte) (err error) { *id, err = ParseID(string(b)); return err }

// Seq is the 48-bit millisecond and the 12 bits after the version as one
// number: unique and increasing in the order of creation within one relay.
func (id ID) Seq() int64 {
	hi := binary.BigEndian.Uint64(id[:8])
	return int64(hi>>16<<12 | hi&0xfff) //nolint:gosec // 60 bits
}

// SeqAt is the smallest Seq an ID made at t can have, for searching by time.
func SeqAt(t time.Time) int64 { return max(0, t.UnixMilli()) << 12 }

// IDs makes IDs. The zero value is ready and safe for concurrent use.
type IDs struct{ last atomic.Int64 }

// Floor makes every later ID greater than seq. A relay calls it once with the
// greatest Seq in its store: after a clock that went back, new IDs count on
// from there instead of colliding with stored ones (RFC 9562, section 6.2).
func (g *IDs) Floor(seq int64) {
	for {
		last := g.last.Load()
		if seq <= last || g.last.CompareAndSwap(last, seq) {
			return
		}
	}
}

// New returns the ID of an event received at now.
func (g *IDs) New(now time.Time) ID {
	ns := now.UnixNano()
	seq := ns/1e6<<12 | ns%1e6*4096/1e6
	for {
		last := g.last.Load()
		seq = max(seq, last+1)
		if g.last.CompareAndSwap(last, seq) {
			break
		}
	}
	var id ID
	_, _ = rand.Read(id[8:])                                                         // never fails (crypto/rand)
	binary.BigEndian.PutUint64(id[:8], uint64(seq)>>12<<16|0x7000|uint64(seq)&0xfff) //nolint:gosec // 60 bits, never negative
	id[8] = id[8]&0x3f | 0x80
	return id
}
