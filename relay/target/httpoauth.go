package target

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"invitation-relay/relay/event"
)

const (
	// tokenMargin is how long before its end a token is not used any more: it
	// has to be valid still when the endpoint looks at it.
	tokenMargin = 30 * time.Second
	// maxTokenAnswer bounds what is read of a token endpoint's answer.
	maxTokenAnswer = 64 << 10
)

// tokens fetches access tokens by client credentials (RFC 6749, section 4.4) and
// keeps the last until shortly before its end. However many workers need one, one
// request is on its way; the others wait for its answer, and share its failure.
// It is safe for concurrent use. The errors of the library quote the answer, and
// those of net/http the URL: neither is ever handed on.
type tokens struct {
	conf    *clientcredentials.Config
	client  *http.Client
	timeout time.Duration

	mu      sync.Mutex
	have    *token
	running *fetch // nil when none is on its way
}

// token is what identifies the relay for a time.
type token struct {
	header string    // the value of Authorization
	until  time.Time // zero: until the endpoint does not take it any more
}

// fetch is one request for a token.
type fetch struct {
	done chan struct{} // closed when it has ended
	got  *token
	why  *noToken // nil with got
}

// noToken is why there is none.
type noToken struct {
	verdict
	after   time.Duration // the token endpoint's Retry-After
	stopped bool          // whoever fetched it gave up, which says nothing to the others
}

// newTokens makes the source of a target's tokens; transport makes the requests.
func newTokens(c *OAuth2, timeout time.Duration, transport http.RoundTripper) *tokens {
	return &tokens{
		timeout: timeout,
		conf: &clientcredentials.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), TokenURL: c.TokenURL.Reveal(), Scopes: c.Scopes,
		},
		client: &http.Client{
			Transport:     tokenTrip{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the secret is for one address only
		},
	}
}

// get is a token that is valid now.
func (s *tokens) get(ctx context.Context) (*token, *noToken) {
	for {
		s.mu.Lock()
		if t := s.have; t != nil && (t.until.IsZero() || time.Now().Before(t.until)) {
			s.mu.Unlock()
			return t, nil
		}
		f := s.running
		if f == nil {
			f = &fetch{done: make(chan struct{})}
			s.running = f
			s.mu.Unlock()
			s.run(ctx, f)
			return f.got, f.why
		}
		s.mu.Unlock()
		select {
		case <-f.done:
			if f.why == nil || !f.why.stopped {
				return f.got, f.why
			}
		case <-ctx.Done():
			return nil, &noToken{verdict: noTokenFor(failedStopped), stopped: true}
		}
	}
}

// run fetches a token and tells those who wait for it.
func (s *tokens) run(ctx context.Context, f *fetch) {
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	got, err := s.conf.Token(context.WithValue(limited, oauth2.HTTPClient, s.client))
	switch {
	case ctx.Err() != nil:
		f.why = &noToken{verdict: noTokenFor(failedStopped), stopped: true}
	case err != nil:
		f.why = whyNoToken(err)
	case !isHeaderValue(got.AccessToken) || !isToken(got.Type()):
		f.why = &noToken{verdict: verdict{event.Held, noTokenInIt}}
	default:
		f.got = &token{header: got.Type() + " " + got.AccessToken, until: usableUntil(got.Expiry, time.Now())}
	}
	s.mu.Lock()
	if f.got != nil {
		s.have = f.got
	}
	s.running = nil
	s.mu.Unlock()
	close(f.done)
}

// usableUntil is when a token is to be replaced: a while before its end, but
// not before three quarters of its life, which may be short.
func usableUntil(end, now time.Time) time.Time {
	if end.IsZero() {
		return end
	}
	return end.Add(-min(tokenMargin, max(0, end.Sub(now))/4))
}

// drop forgets a token that the endpoint does not take any more.
func (s *tokens) drop(t *token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.have == t {
		s.have = nil
	}
}

// close lets go of idle connections.
func (s *tokens) close() { s.client.CloseIdleConnections() }

// sendWithToken makes the attempt with a token. A 401 may mean that the token was
// revoked before its end, so it is made once more with a new one.
func (h *HTTP) sendWithToken(a *attempt, req *http.Request, body []byte, m *Message) Result {
	for again := false; ; again = true {
		t, why := h.tokens.get(a.Context)
		if why != nil {
			a.status, a.header = 0, nil // the answer, if there was one, is not the reason
			r := a.result(why.verdict, m)
			r.RetryAfter = why.after
			return r
		}
		a.sent = a.sent.Clone() // the last try may still be writing the old one
		a.sent["Authorization"] = []string{t.header}
		h.client.do(&a.exchange, req.WithContext(&a.exchange), body)
		if a.status != http.StatusUnauthorized || h.success.has(a.status) || again {
			return a.result(h.verdict(&a.exchange), m)
		}
		h.tokens.drop(t)
	}
}

// probeToken fetches a token.
func (h *HTTP) probeToken(ctx context.Context, each time.Duration) Finding {
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	if _, why := h.tokens.get(ctx); why != nil {
		if why.stopped { // by each: nobody else gives up here
			why = &noToken{verdict: noTokenFor(failedTimeout)}
		}
		return Finding{Fail, why.reason}
	}
	return Finding{OK, "the token endpoint gives it a token"}
}

const noTokenInIt = "no token could be fetched: the token endpoint's answer has no token in it; check auth.oauth2.token_url"

// errTokenAnswer says that a token endpoint's answer is longer than any token.
var errTokenAnswer = errors.New("the answer is too long")

// whyNoToken puts an error into words of ours.
func whyNoToken(err error) *noToken {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return refusedToken(refused)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		if errors.Is(err, errTokenAnswer) {
			return &noToken{verdict: verdict{event.Held, noTokenInIt}}
		}
		return &noToken{verdict: noTokenFor(classify(u.Err))}
	}
	return &noToken{verdict: verdict{event.Held, noTokenInIt}}
}

// noTokenFor is what a failure without an answer says here.
func noTokenFor(f failure) verdict {
	v := f.verdict()
	reason, _, _ := strings.Cut(v.reason, ": it may have the message")
	reason, _, _ = strings.Cut(reason, ": the endpoint may have the message")
	reason = strings.ReplaceAll(reason, "the endpoint", "the token endpoint")
	return verdict{v.outcome, "no token could be fetched: " + strings.ReplaceAll(reason, "the URL", "auth.oauth2.token_url")}
}

// refusedToken reads an error answer (RFC 6749, section 5.2). Of what it says
// only the status and the words of the standard count.
func refusedToken(refused *oauth2.RetrieveError) *noToken {
	status, why := refused.Response.StatusCode, &noToken{}
	begin := "no token could be fetched: " + answered("the token endpoint", status) + ": "
	switch word := refused.ErrorCode; {
	case word == "invalid_client" || word == "unauthorized_client" || word == "access_denied":
		why.verdict = verdict{event.Held, begin + "it does not take the client; correct client_id and client_secret in auth.oauth2, or what the client may do"}
	case word == "invalid_scope":
		why.verdict = verdict{event.Held, begin + "it does not give these scopes; correct auth.oauth2.scopes"}
	case word == "unsupported_grant_type":
		why.verdict = verdict{event.Held, begin + "it does not know client credentials; check auth.oauth2.token_url"}
	case outcomeOf(status) == event.Retry || word == "temporarily_unavailable" || word == "server_error" || word == "slow_down":
		why.verdict = verdict{event.Retry, begin + "it cannot give one just now"}
		why.after = retryAfter(refused.Response.Header, time.Now())
	case status/100 == 3:
		why.verdict = verdict{event.Held, begin + "redirects are not followed; put the new address into auth.oauth2.token_url"}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		why.verdict = verdict{event.Held, begin + "it does not take the client; correct client_id and client_secret in auth.oauth2, or what the client may do"}
	default:
		why.verdict = verdict{event.Held, begin + "check auth.oauth2"}
	}
	return why
}

// tokenTrip makes the requests of the library: an answer comes back read, and not
// longer than a token is, so that one which breaks off is a failure of the
// connection and not an odd token.
type tokenTrip struct{ next http.RoundTripper }

// RoundTrip makes one request.
func (t tokenTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	resp.Header.Del("Location") // http.Client fails when it cannot read it
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxTokenAnswer:
		return nil, errTokenAnswer
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// CloseIdleConnections lets go of them.
func (t tokenTrip) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// check reports mistakes in auth.oauth2.
func (o *OAuth2) check(r Report) {
	u, p := parseEndpoint(o.TokenURL.Reveal())
	switch {
	case p != nil:
		r("auth.oauth2.token_url", 0, 0, p.Message, "like https://id.example.com/token")
	case hasExpression(o.TokenURL.Reveal()):
		r("auth.oauth2.token_url", 0, 0, "cannot have expressions in it", "")
	case u.User != nil:
		r("auth.oauth2.token_url", 0, 0, "has a user in it", "client_id and client_secret say who asks")
	}
	if o.ClientID == "" {
		r("auth.oauth2.client_id", 0, 0, "is missing", "")
	}
	if o.ClientSecret.IsZero() {
		r("auth.oauth2.client_secret", 0, 0, "is missing", "")
	}
	for i, s := range o.Scopes {
		if s == "" || strings.ContainsAny(s, " \t\r\n\"\\") {
			r("auth.oauth2.scopes["+strconv.Itoa(i)+"]", 0, 0, "is not a scope", "an entry each, without blanks")
		}
	}
}
