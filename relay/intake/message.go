package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"invitation-relay/relay/event"
)

// headerIV carries the IV of an encrypted body. It decides whether a body is
// encrypted: the sender's users label encrypted bodies as they please.
const headerIV = "X-Pvt-Cipher-Iv"

// message is what a known sender sent: now, or earlier when it is a refused one
// that is put through again.
type message struct {
	iv      string
	label   string // Content-Type
	isJSON  bool   // by its label
	doubled bool   // Content-Type or IV occur twice: which one counts?
	body    []byte
	sent    time.Time
}

func newMessage(h http.Header, body []byte, now time.Time) message {
	m := message{body: body, sent: now, isJSON: jsonLabel(h)}
	iv, label := h[headerIV], h["Content-Type"]
	if len(iv) > 0 {
		m.iv = iv[0]
	}
	if len(label) > 0 {
		m.label = label[0]
	}
	m.doubled = len(iv) > 1 || len(label) > 1
	return m
}

// understand decrypts and decodes. The body it returns belongs to the caller; m's
// may be reused. A source with keys has one answer to all that can be wrong.
func (src *source) understand(b *buffers, m *message) (body []byte, f Fields, v verdict) {
	if len(src.keys) == 0 {
		switch {
		case m.doubled:
			return nil, f, verdict{ref: refHeaders}
		case m.iv != "":
			return nil, f, verdict{ref: refNoKey}
		case !m.isJSON:
			return nil, f, verdict{ref: refType}
		}
		f, err := Decode(m.body, src.schema)
		if err != nil {
			return nil, f, verdict{ref: asRefusal(err)}
		}
		return bytes.Clone(m.body), f, verdict{}
	}
	if m.iv == "" && !m.doubled && m.sent.Before(src.PlaintextUntil) {
		f, err := Decode(m.body, src.schema)
		if err != nil {
			return nil, f, verdict{ref: refOpaque, why: err.Error()}
		}
		return bytes.Clone(m.body), f, verdict{}
	}
	body, f, why := src.keys.open(b, m.iv, m.body, src.schema)
	switch {
	case m.doubled:
		why = refHeaders.reason
	case m.iv == "":
		why = whyPlain
	}
	if why != "" {
		return nil, Fields{}, verdict{ref: refOpaque, why: why}
	}
	return body, f, verdict{}
}

// asRefusal is the refusal that Decode's error is.
func asRefusal(err error) *refusal {
	if ref, ok := errors.AsType[*refusal](err); ok {
		return ref
	}
	return refJSON
}

// accept makes the event and has it stored.
func (h *Handler) accept(ctx context.Context, src *source, now time.Time, body []byte, f *Fields) (Receipt, verdict) {
	ev := &event.Event{
		ID: h.cfg.IDs.New(now), Source: src.Name, ReceivedAt: now, Body: body,
		Subject: f.Subject, Ticket: f.Ticket, Status: f.Status, Person: f.Person,
		Fields: f.Members, Dedupe: sha256.Sum256(body),
	}
	if src.DedupeKey != nil {
		// Without a key of its own an event is a repeat only of the same bytes: a
		// wrong duplicate would be a lost event.
		if key, err := src.DedupeKey(ev); err != nil {
			src.report.failed(ctx, now, &src.report.dedupe, slog.LevelWarn, "no dedupe key", slog.Any("event_id", ev.ID)) // an expression's error may quote a value
		} else if key != "" {
			ev.Dedupe = sha256.Sum256([]byte(key))
		}
	}
	watched := h.watch(ev.ID)
	receipt, err := h.cfg.Accept(ctx, ev)
	watched.end(h.cfg.Now)
	receipt.seen = watched
	if err != nil {
		src.report.failed(ctx, now, &src.report.store, slog.LevelError, "event not stored", slog.Any("event_id", ev.ID), slog.Any("err", err))
		return Receipt{seen: watched}, verdict{ref: refUnavailable}
	}
	if !receipt.Duplicate && f.UnknownMembers+f.UnknownValues > 0 {
		src.count.members.Add(float64(f.UnknownMembers))
		src.count.values.Add(float64(f.UnknownValues))
	}
	return receipt, verdict{}
}

// keep hands on what a known sender sent and was refused, so that a mistake in
// our config loses nothing. Failing to does not change the answer.
func (h *Handler) keep(ctx context.Context, src *source, now time.Time, m *message, v verdict) {
	if !src.KeepRefused || !src.known || h.cfg.Refuse == nil || v.ref.is == nil {
		return
	}
	err := h.cfg.Refuse(ctx, &event.Refused{
		ID: h.cfg.IDs.New(now), Source: src.Name, ReceivedAt: now,
		Status: v.ref.status, Reason: v.reason(),
		ContentType: m.label, IV: m.iv, Body: bytes.Clone(m.body),
	})
	if err != nil {
		src.report.failed(ctx, now, &src.report.keep, slog.LevelError, "refused webhook not kept", slog.Any("err", err))
	}
}

// Replay puts a kept request through decryption, decoding and Accept again, as
// its source is configured now: a new event, received now. The errors are
// event.ErrNotFound (no such source any more), ErrMalformed or ErrInvalid (still
// refused), and event.ErrUnavailable. It may be called again: a repeat is a duplicate.
func (h *Handler) Replay(ctx context.Context, r *event.Refused) (Receipt, error) {
	src := h.names[r.Source]
	if src == nil {
		return Receipt{}, fmt.Errorf("replay refused %s: source: %w", r.ID, event.ErrNotFound)
	}
	b, _ := h.pool.Get().(*buffers)
	defer h.pool.Put(b)
	m := message{iv: r.IV, label: r.ContentType, isJSON: true, body: r.Body, sent: r.ReceivedAt}
	body, fields, v := src.understand(b, &m)
	if v.ref != nil {
		return Receipt{}, fmt.Errorf("replay refused %s: %w: %s", r.ID, v.ref.is, v.reason())
	}
	receipt, v := h.accept(ctx, src, h.cfg.Now().UTC(), body, &fields)
	if v.ref != nil {
		return Receipt{}, fmt.Errorf("replay refused %s: %w", r.ID, event.ErrUnavailable)
	}
	return receipt, nil
}
