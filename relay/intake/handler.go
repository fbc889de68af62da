package intake

import (
	"context"
	"errors"
	"net/http"

	"invitation-relay/relay/event"
)

// Handler answers webhooks for all sources. It is safe for concurrent use.
type Handler struct{ cfg Config }

// New makes a Handler, or says what is wrong with the config.
func New(cfg Config) (*Handler, error) { return &Handler{cfg}, nil }

// ServeHTTP takes one webhook.
func (h *Handler) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

// Replay puts a refused request through decryption, decoding and Accept again,
// under a new id and as received now.
func (h *Handler) Replay(_ context.Context, _ *event.Refused) (Receipt, error) {
	return Receipt{}, errors.New("not yet")
}
