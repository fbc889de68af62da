package intake

import (
	"errors"
	"io"
	"net/http"
)

// buffers are one request's, pooled: what leaves a request is copied out of them.
type buffers struct {
	raw    []byte // the body as received
	iv     []byte
	cipher []byte // the body without base64
	plain  []byte // what keys make of it after one has opened it
	answer []byte
}

const (
	firstRead  = 4 << 10  // memory a connection gets before it has sent anything
	keepBuffer = 64 << 10 // a larger one is not worth holding on to
)

// shrink lets go of what an unusually large body has made large.
func (b *buffers) shrink() {
	for _, p := range []*[]byte{&b.raw, &b.cipher, &b.plain} {
		if cap(*p) > keepBuffer {
			*p = nil
		}
	}
}

// read is the whole body, of at most limit bytes. Memory grows with what arrives,
// not with what is promised, and room bounds that of all bodies. The result is valid
// until the next use of b.
func (b *buffers) read(w http.ResponseWriter, r *http.Request, limit int64, room *Room) ([]byte, *refusal) {
	body := r.Body
	if r.ContentLength < 0 {
		body = http.MaxBytesReader(w, body, limit) // tells the server not to read on
	}
	buf := b.raw[:0]
	if cap(buf) == 0 {
		buf = make([]byte, 0, firstRead)
	}
	counted := 0
	defer func() { room.arrived(counted) }()
	for {
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		b.raw = buf
		if int64(len(buf)) > limit {
			return nil, refTooLarge
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return buf, nil
			}
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return nil, refTooLarge
			}
			return nil, refIncomplete // cut short, timed out, or broken chunks
		}
		if more := len(buf) - slight - counted; more > 0 {
			if !room.arrive(more, counted) {
				return nil, refCrowdedEnd
			}
			counted += more
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}
