package event

import (
	"encoding/binary"
	"math/bits"
)

// Trace is the trace of an event (W3C Trace Context): made of the id alone, so
// that attempts days and restarts later belong to the webhook's trace and
// nothing is stored for it. It is the id with its last 8 bytes rotated by the
// two bits that are the same in every UUID, because samplers that keep a share
// take those bytes for a random number.
func (id ID) Trace() [16]byte {
	t := [16]byte(id)
	binary.BigEndian.PutUint64(t[8:], bits.RotateLeft64(binary.BigEndian.Uint64(id[8:]), 2))
	return t
}

// Span is the span of the webhook in its trace, which attempts name as their
// parent without having seen it.
func (id ID) Span() [8]byte {
	var s [8]byte
	// The variant's bits make it unlike zero, which is no span.
	copy(s[:], id[8:])
	return s
}
