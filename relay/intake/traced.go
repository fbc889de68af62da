package intake

import (
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/trace"
)

// seen is what a trace shows of an event on its way through Accept.
type seen struct {
	id           event.ID
	begun, until time.Time
}

// watch begins to time Accept, if somebody traces.
func (h *Handler) watch(id event.ID) *seen {
	if h.cfg.Tracer == nil {
		return nil
	}
	return &seen{id: id, begun: h.cfg.Now()}
}

// end is when Accept has returned.
func (s *seen) end(now func() time.Time) {
	if s != nil {
		s.until = now()
	}
}

// trace reports a request that a source has answered.
func (h *Handler) trace(src *source, begun time.Time, res result, status int, receipt Receipt) {
	if h.cfg.Tracer == nil {
		return
	}
	w := trace.Webhook{
		Source: src.Name, Result: res.String(), Status: status,
		Stored: receipt.ID, Begun: begun, Ended: h.cfg.Now(),
	}
	if s := receipt.seen; s != nil {
		w.ID, w.Accept, w.Until = s.id, s.begun, s.until
	}
	h.cfg.Tracer.Webhook(&w)
}
