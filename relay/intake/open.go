package intake

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"invitation-relay/relay/event"
)

// Sent is a webhook as its sender made it, but for path, method and credentials.
type Sent struct {
	Source      string // by name
	ContentType string // "" for none
	IV          string // the x-pvt-cipher-iv header, "" for none
	Body        []byte // as sent: encrypted when there is an IV
	At          time.Time
}

// Answer is what a sender whose credentials held is told.
type Answer struct {
	Status  int    // 202, 200 for a duplicate, or why not: 400, 413, 415, 422, 503
	Reason  string // as the log has it, a fixed sentence; "" when it was taken
	Receipt Receipt
}

// Taken reports whether the answer is 2xx.
func (a Answer) Taken() bool { return a.Status/100 == 2 }

// Open puts a webhook through everything that follows the credentials, size,
// decryption, decoding and Accept, and decides as for a request. It logs and
// counts nothing of its own, and keeps nothing that is refused: it is for dry
// runs, which bring an Accept that stores nothing. The error is event.ErrNotFound
// for a source that is not there.
func (h *Handler) Open(ctx context.Context, s Sent) (Answer, error) {
	src := h.names[s.Source]
	if src == nil {
		return Answer{}, fmt.Errorf("source %q: %w", s.Source, event.ErrNotFound)
	}
	if int64(len(s.Body)) > src.max {
		return refused(verdict{ref: refTooLarge}), nil
	}
	head := http.Header{}
	if s.IV != "" {
		head[headerIV] = []string{s.IV}
	}
	if s.ContentType != "" {
		head["Content-Type"] = []string{s.ContentType}
	}
	b, _ := h.pool.Get().(*buffers)
	defer h.pool.Put(b)
	now := s.At.UTC()
	m := newMessage(head, s.Body, now)
	body, fields, v := src.understand(b, &m)
	if v.ref != nil {
		return refused(v), nil
	}
	receipt, v := h.accept(ctx, src, now, body, &fields)
	if v.ref != nil {
		return refused(v), nil
	}
	a := Answer{Status: http.StatusAccepted, Receipt: receipt}
	if receipt.Duplicate {
		a.Status = http.StatusOK
	}
	return a, nil
}

func refused(v verdict) Answer { return Answer{Status: v.ref.status, Reason: v.reason()} }
