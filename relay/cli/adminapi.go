package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"invitation-relay/relay/secret"
)

// adminAPI asks a running relay through its admin listener. It follows no
// redirect and uses no proxy: what it carries is for the one host it was told.
type adminAPI struct {
	client   *http.Client
	url      string // of the listener, without a path
	username string // with password; "" sends no Authorization
	password secret.String
	command  func(string) string // a command line that asks the same relay, for hints
}

const (
	// askWithin is a little more than the relay gives itself for an answer.
	askWithin = 40 * time.Second
	// forgetWithin likewise: of a large store the relay looks at every body.
	forgetWithin = 16 * time.Minute
	// maxListing bounds an answer: a page of 1000 items, or the largest body, is far below.
	maxListing = 64 << 20
)

func newAdminAPI(listener string) *adminAPI {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	return &adminAPI{
		url: listener,
		client: &http.Client{
			Timeout:       askWithin,
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		command: func(c string) string { return "invitation-relay " + c },
	}
}

// get asks for what is at a path.
func (a *adminAPI) get(ctx context.Context, q url.Values, path ...string) (json.RawMessage, error) {
	return a.do(ctx, http.MethodGet, q, path)
}

// post changes what is at a path.
func (a *adminAPI) post(ctx context.Context, q url.Values, path ...string) (json.RawMessage, error) {
	return a.do(ctx, http.MethodPost, q, path)
}

// postBody is post of what must stand in no URL.
func (a *adminAPI) postBody(ctx context.Context, body []byte, path ...string) (json.RawMessage, error) {
	return a.ask(ctx, http.MethodPost, nil, bytes.NewReader(body), path)
}

// do makes one request below /api/v1. An error is a *failure in words for an
// operator; it quotes no query, which may hold a customer id.
func (a *adminAPI) do(ctx context.Context, method string, q url.Values, path []string) (json.RawMessage, error) {
	return a.ask(ctx, method, q, nil, path)
}

func (a *adminAPI) ask(ctx context.Context, method string, q url.Values, content io.Reader, path []string) (json.RawMessage, error) {
	escaped := make([]string, len(path))
	for i, p := range path {
		escaped[i] = url.PathEscape(p)
	}
	at := a.url + "/api/v1/" + strings.Join(escaped, "/")
	if len(q) > 0 {
		at += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, at, content)
	if err != nil {
		return nil, fmt.Errorf("ask the relay: %w", withoutURL(err))
	}
	if a.username != "" {
		req.SetBasicAuth(a.username, a.password.Reveal())
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, a.unreachable(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // the answer has been read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxListing))
	if err != nil {
		return nil, a.unreachable(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, a.refuse(resp, body)
	}
	if !json.Valid(body) {
		return nil, a.stranger()
	}
	return bytes.TrimSpace(body), nil
}

// unreachable is the failure of a request without an answer.
func (a *adminAPI) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &failure{code: exitFailed, msg: "interrupted", err: ctx.Err()}
	}
	reason := withoutURL(err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = syscall.ECONNREFUSED
	case isTimeout(err):
		reason = errors.New("it took too long")
	}
	return &failure{
		code: exitFailed, msg: "no relay answers at " + a.url, err: reason,
		hint: "is it running? invitation-relay serve starts it, and prints where its admin listener is; --admin URL asks another",
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

// stranger is the failure of asking something that is no relay's admin listener.
func (a *adminAPI) stranger() error {
	return &failure{
		code: exitFailed, msg: "what answers at " + a.url + " is not a relay's admin listener",
		hint: "webhooks and administration have a listener each: --admin URL names that of admin.listen, and serve prints it",
	}
}

// apiProblem is an error as the API answers it.
type apiProblem struct {
	Type     string   `json:"type"`
	Status   int      `json:"status"`
	Title    string   `json:"title"`
	Detail   string   `json:"detail"`
	Problems []string `json:"problems"`
}
