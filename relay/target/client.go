package target

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	// maxDrain is how much of an answer is read past maxAnswer so that its
	// connection can be used again; a longer answer costs its connection.
	maxDrain = 64 << 10
	// quickMin and quickMax bound the wait before a quick try: long enough for
	// a process to be replaced behind its load balancer, short enough that a
	// worker may sleep through it. Everything longer is dispatch's business.
	quickMin = 100 * time.Millisecond
	quickMax = time.Second
)

// client makes the tries of an attempt over HTTP, for one target: its
// connections are its own, so that no other target's failures close them. It
// is safe for concurrent use.
//
// go-retryablehttp repeats a request at once after a blip. What it would do
// beyond that is switched off, because it shows or loses something: its log
// lines and error texts hold the URL, its waits follow any Retry-After, it
// follows redirects with the body gone, and after a failure it closes the
// connections of requests that did not fail (see tries).
type client struct {
	retry *retryablehttp.Client
	tries *tries
}

// newClient makes a client that gives each try the time timeout, up to quick
// extra tries. transport may be nil for an own one; tlsConf is for that one.
func newClient(timeout time.Duration, quick int, tlsConf *tls.Config, transport http.RoundTripper) *client {
	if transport == nil {
		transport = newTransport(tlsConf, nil)
	}
	t := &tries{next: transport, timeout: timeout}
	return &client{tries: t, retry: &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Logger:       nil,
		RetryMax:     max(0, quick),
		RetryWaitMin: quickMin,
		RetryWaitMax: quickMax,
		CheckRetry:   tryAgain,
		Backoff:      quickWait,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}}
}

// newTransport makes a transport with one target's connections in it. There is
// no cap on idle ones: there are never more than the target's concurrency.
// HTTP/2 stays off, since there all requests would share one connection and
// its failures; a proxy comes from the config (nil for none) and not from
// variables. The time of a whole try is bounded by tries, the answer's header
// included.
func newTransport(tlsConf *tls.Config, proxy *url.URL) *http.Transport {
	t := &http.Transport{
		DialContext:            newDialer().DialContext,
		TLSClientConfig:        tlsConf,
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConnsPerHost:    1 << 16,
		IdleConnTimeout:        30 * time.Second, // below the 60s after which common servers hang up
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if proxy != nil {
		useProxy(t, proxy)
	}
	return t
}

// exchange is one attempt on its way: what each try needs, and what the last
// one saw. It travels as the request's context.
type exchange struct {
	context.Context // the caller's

	name  string      // the target's, for sentences
	sent  http.Header // the request's; kept from http.Client, which would copy them
	stamp *stamp      // those that differ from try to try; nil for none
	keep  bool        // the answer's text matters

	tries  int
	status int         // of the last try, 0 when there was no answer
	header http.Header // of the last answer
	answer []byte      // of the last answer, at most maxAnswer bytes, when keep is set
	err    error       // of the last try, when there was no answer
}

type exchangeKey struct{}

// Value finds the exchange itself, and whatever its parent holds.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// do makes the attempt: one try, and quick ones after a blip. Afterwards x says
// how the last try ended; no body is left open.
func (c *client) do(x *exchange, req *http.Request, body []byte) {
	r := retryablehttp.Request{Request: req}
	if err := r.SetBody(body); err != nil {
		x.err = err
		return
	}
	resp, err := c.retry.Do(&r)
	if err == nil {
		_ = resp.Body.Close() // http.NoBody since tries read it
	}
	if x.tries == 0 && x.err == nil {
		x.err = err // it did not come to a try
	}
}

// close lets go of idle connections.
func (c *client) close() {
	if t, ok := c.tries.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// tries is the one place every try passes: it counts it, bounds its time, puts
// on what differs from try to try, and reads the answer. It has no
// CloseIdleConnections on purpose: go-retryablehttp calls that after every
// failure, which would close the connections of other workers.
type tries struct {
	next    http.RoundTripper
	timeout time.Duration
}

// RoundTrip makes one try. The answer it returns has been read.
func (t *tries) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errors.New("a request without its exchange")
	}
	x.tries++
	x.status, x.header, x.answer, x.err = 0, nil, x.answer[:0], nil
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	defer cancel()
	req = req.WithContext(ctx)
	req.Header = x.sent
	if x.tries > 1 { // the last try may still be writing those
		req.Header = x.sent.Clone()
	}
	if x.stamp != nil {
		x.stamp.set(req.Header)
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		x.err = err
		return nil, err
	}
	x.status, x.header = resp.StatusCode, resp.Header
	resp.Header.Del("Location") // http.Client reads it even when told not to follow, and fails when it cannot
	x.read(resp)
	resp.Body = http.NoBody
	return resp, nil
}

// answers are buffers for reading answers.
var answers = sync.Pool{New: func() any { return new([maxAnswer]byte) }}

// read takes the answer in, so far as anybody wants it, and closes it. That it
// breaks off changes nothing: the status was the verdict.
func (x *exchange) read(resp *http.Response) {
	defer func() { _ = resp.Body.Close() }()
	if resp.Body == http.NoBody || resp.StatusCode == http.StatusSwitchingProtocols {
		return
	}
	buf, _ := answers.Get().(*[maxAnswer]byte)
	defer answers.Put(buf)
	n, err := readFull(resp.Body, buf[:])
	if x.keep {
		x.answer = append(x.answer, buf[:n]...)
	}
	for total := n; err == nil && total < maxDrain; total += n {
		n, err = resp.Body.Read(buf[:])
	}
}

// readFull reads until p is full or r has ended, whose error it returns.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// tryAgain says which failures are worth a quick try: a connection that could
// not be made or broke, and a gateway's 502 to 504. A time-out is not: it has
// cost its time already. Nor is an answer that says when to come back.
func tryAgain(_ context.Context, resp *http.Response, err error) (bool, error) {
	switch {
	case err != nil:
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return classify(err).quick(), nil
	case resp.StatusCode == http.StatusServiceUnavailable:
		return resp.Header.Get("Retry-After") == "", nil
	default:
		return resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusGatewayTimeout, nil
	}
}

// quickWait is the wait before quick try n+1: exponential, with jitter so that
// the workers of a target do not come back in step.
func quickWait(least, most time.Duration, n int, _ *http.Response) time.Duration {
	d := min(least<<min(n, 16), most)
	return d/2 + rand.N(d/2+1) //nolint:gosec // spreads load, guards nothing
}

// failure is why the last try has no answer.
func (x *exchange) failure() failure {
	if x.Err() != nil {
		return failedStopped
	}
	return classify(x.err)
}
