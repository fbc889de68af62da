//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// stamp is what a webhook's id says to the sink: in which phase of a run it was
// sent, as which, and when.
type stamp struct {
	phase uint8
	seq   uint32
	at    time.Time
}

const (
	stampBegins = `{"id":"bench-`
	stampSize   = 1 + 4 + 8 // in bytes, each of them two digits
)

// append adds phase, number and time to b.
func (s stamp) append(b []byte) []byte {
	raw := make([]byte, 0, stampSize)
	raw = binary.BigEndian.AppendUint32(append(raw, s.phase), s.seq)
	raw = binary.BigEndian.AppendUint64(raw, uint64(s.at.UnixNano()))
	return hex.AppendEncode(append(b, stampBegins...), raw)
}

// parseStamp finds the stamp of a webhook.
func parseStamp(body []byte) (s stamp, ok bool) {
	rest, ok := bytes.CutPrefix(body, []byte(stampBegins))
	if !ok || len(rest) < 2*stampSize {
		return s, false
	}
	var raw [stampSize]byte
	if _, err := hex.Decode(raw[:], rest[:2*stampSize]); err != nil {
		return s, false
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(raw[5:]))) //nolint:gosec // as it was written
	return stamp{raw[0], binary.BigEndian.Uint32(raw[1:]), at}, true
}

// webhook makes webhooks that differ in their id only, each of so many bytes (or
// a few more, when that is less than it takes).
type webhook struct{ rest []byte }

func newWebhook(size int) *webhook {
	rest := []byte(`","invitation_state":"COMPLETED","cifcod":"C-1001","full_name":"Jon Doe",` +
		`"ticket":"8d0a2c5e-6f0b-4b6e-9c38-0f2f5be2a8c1","transaction_status":"REJECTED","attempts":3`)
	const head = len(stampBegins) + 2*stampSize
	if size > head+len(rest)+64 { // more of what a vendor may send, not one long text
		rest = append(rest, `,"checks":[`...)
		for i := 0; head+len(rest) < size-128; i++ {
			rest = fmt.Appendf(rest, `{"check":"liveness-%d","score":0.97,"passed":true,"note":null},`, i)
		}
		rest = append(rest, `"`...)
		rest = append(rest, bytes.Repeat([]byte("x"), size-head-len(rest)-len(`"]}`))...)
		rest = append(rest, `"]`...)
	}
	return &webhook{append(rest, '}')}
}

// size is how long each is.
func (w *webhook) size() int { return len(stampBegins) + 2*stampSize + len(w.rest) }

// append adds one to b.
func (w *webhook) append(b []byte, s stamp) []byte {
	return append(s.append(b), w.rest...)
}
