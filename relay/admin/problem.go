package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"invitation-relay/relay/event"
)

// InvalidError says that what an operator asked for was understood and is
// wrong: a config with mistakes, a request that is refused again. It is
// answered 422 with its lines, which must hold no secret and nothing of an
// event.
type InvalidError struct{ Problems []string }

// Error is all lines, in one.
func (e *InvalidError) Error() string { return strings.Join(e.Problems, "; ") }

// ErrBusy says that an attempt of a delivery is under way right now.
var ErrBusy = errors.New("an attempt is under way")

// problem is an error as it is answered (RFC 9457). Nothing of the request is in it.
type problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail,omitempty"`
	Problems []string `json:"problems,omitempty"`

	allow      string        // for 405
	signIn     bool          // for 401
	retryAfter time.Duration // for 429 and 503
	log        bool          // the chain of errors is for the log
}

func (p *problem) Error() string { return p.Detail }

// bad is a query that was not understood.
func bad(detail string) error { return &problem{Status: http.StatusBadRequest, Detail: detail} }

// problemOf is the one place that maps an error to a status.
func problemOf(err error) problem {
	var p *problem
	var invalid *InvalidError
	switch {
	case errors.As(err, &p):
		return *p
	case errors.As(err, &invalid):
		return problem{Status: http.StatusUnprocessableEntity, Detail: "nothing has changed", Problems: invalid.Problems}
	case errors.Is(err, ErrBusy):
		return problem{Status: http.StatusConflict, Detail: "an attempt of this delivery is under way: ask again when it has ended"}
	case errors.Is(err, event.ErrNotFound):
		return problem{Status: http.StatusNotFound, Detail: "there is nothing with this id"}
	case errors.Is(err, event.ErrBadID):
		return problem{Status: http.StatusBadRequest, Detail: "the id in the path is not one of ours: it looks like 0198c5a2-…, a UUIDv7"}
	case errors.Is(err, event.ErrUnavailable):
		return problem{Status: http.StatusServiceUnavailable, Detail: unavailable, retryAfter: 5 * time.Second, log: true}
	case errors.Is(err, context.DeadlineExceeded):
		return problem{Status: http.StatusServiceUnavailable, Detail: "the store took too long to answer", retryAfter: 5 * time.Second, log: true}
	case errors.Is(err, context.Canceled):
		return problem{Status: statusGone}
	default:
		return problem{Status: http.StatusInternalServerError, Detail: "something is wrong in the relay: its log says what", log: true}
	}
}

// statusGone is counted for a client that did not wait. Nobody reads it.
const statusGone = 499

// fail answers with what problemOf makes of err.
func (a *api) fail(ctx context.Context, w http.ResponseWriter, err error) {
	p := problemOf(err)
	p.Type = "about:blank"
	p.Title = http.StatusText(p.Status)
	if p.log {
		a.log.WarnContext(ctx, "request failed", "status", p.Status, "err", err)
	}
	h := w.Header()
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.signIn {
		h.Set("WWW-Authenticate", `Basic realm="invitation-relay", charset="UTF-8"`)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	a.write(w, p.Status, "application/problem+json", &p)
}
