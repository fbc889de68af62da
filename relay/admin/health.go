package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"invitation-relay/relay/event"
)

const (
	// readyWithin bounds the question whether the store takes a write: a probe that
	// hangs tells its caller nothing.
	readyWithin = 3 * time.Second
	// unavailable stands for whatever the disk said, which is for the log.
	unavailable = "the store takes no write now"
)

// health is what a probe reads; an orchestrator looks at the status code alone.
type health struct {
	Status string `json:"status"`
}

// livez says that the process answers. It is true while the store is broken: a
// restart does not mend a disk.
func (a *api) livez(*call) (any, error) { return health{"alive"}, nil }

// readyz says whether webhooks should be sent here: the store takes a write and
// the relay is not draining.
func (a *api) readyz(c *call) (any, error) {
	if reason := a.notReady(c.ctx); reason != "" {
		return nil, &problem{Status: http.StatusServiceUnavailable, Detail: reason, retryAfter: 5 * time.Second}
	}
	return health{"ready"}, nil
}

// notReady is the reason in words for everybody, "" when ready. The cause is in
// the log of whoever met it; a probe that comes each second must not repeat it.
func (a *api) notReady(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	switch err := a.Ready(ctx); {
	case err == nil:
		return ""
	case errors.Is(err, event.ErrUnavailable):
		return unavailable
	case errors.Is(err, context.DeadlineExceeded):
		return "the store does not answer"
	default:
		return err.Error()
	}
}
