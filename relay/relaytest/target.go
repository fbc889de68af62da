package relaytest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxBody bounds what a receiver keeps of a request.
const maxBody = 4 << 20

// TB is what a receiver needs of a test; *testing.T and *testing.B have it. An
// interface of its own keeps package testing, and its flags, out of the demo.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// Step is one scripted answer. The request's body has been read by then.
type Step func(w http.ResponseWriter, r *http.Request)

// Status answers with a status and a word of body.
func Status(code int) Step { return Body(code, http.StatusText(code)) }

// Body answers with a status and a text.
func Body(code int, text string) Step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(code)
		if code != http.StatusNoContent && code != http.StatusNotModified {
			_, _ = io.WriteString(w, text)
		}
	}
}

// RetryAfter answers 429 and asks to be left alone for so many seconds.
func RetryAfter(seconds int) Step {
	return Unavailable(http.StatusTooManyRequests, strconv.Itoa(seconds))
}

// Unavailable answers with a status and any Retry-After.
func Unavailable(code int, retryAfter string) Step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", retryAfter)
		Status(code)(w, r)
	}
}

// Redirect answers with a status and a Location.
func Redirect(code int, location string) Step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(code)
	}
}

// Slow answers 200, but only after d; it stops waiting when the client has gone.
func Slow(d time.Duration) Step {
	return func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
		case <-timer.C:
			Status(http.StatusOK)(w, r)
		}
	}
}

// Drop takes the request and closes the connection without an answer.
func Drop() Step { return raw(func(net.Conn) {}) }

// Reset takes the request and resets the connection.
func Reset() Step {
	return raw(func(c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // closing then sends RST instead of FIN
		}
	})
}

// Half promises a longer answer than it sends, then closes the connection.
func Half(code int) Step {
	return raw(func(c net.Conn) {
		_, _ = fmt.Fprintf(c, "HTTP/1.1 %d Half\r\nContent-Length: 1000\r\n\r\nonly this", code)
	})
}

// Garbage answers with something that is not HTTP.
func Garbage() Step {
	return raw(func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.example ESMTP\r\n") })
}

// raw hands the connection itself to f and closes it afterwards.
func raw(f func(net.Conn)) Step {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		f(c)
		_ = c.Close()
	}
}

// Request is a request as a receiver saw it.
type Request struct {
	At     time.Time
	Method string
	URI    string // path and query
	Host   string
	Header http.Header
	Body   []byte
}

// Target is an HTTP receiver that follows a script and keeps what it got. It is
// safe for concurrent use.
type Target struct {
	*Server

	mu      sync.Mutex
	script  []Step
	at      int // requests since the script began
	seen    []Request
	changed chan struct{} // closed when seen grows
}

// NewTarget starts a receiver that answers request n with step n, and every
// later one with the last step; 200 without any. It ends with the test.
func NewTarget(t TB, steps ...Step) *Target {
	t.Helper()
	return newTarget(t, nil, steps)
}

// NewTLSTarget is NewTarget over TLS.
func NewTLSTarget(t TB, conf *tls.Config, steps ...Step) *Target {
	t.Helper()
	return newTarget(t, conf, steps)
}

func newTarget(t TB, conf *tls.Config, steps []Step) *Target {
	t.Helper()
	target, err := startTarget(conf, steps)
	if err != nil {
		t.Fatalf("start a target: %v", err)
	}
	t.Cleanup(target.Close)
	return target
}

// StartTarget is NewTarget without a test; the caller closes it.
func StartTarget(steps ...Step) (*Target, error) { return startTarget(nil, steps) }

func startTarget(conf *tls.Config, steps []Step) (*Target, error) {
	t := &Target{script: steps, changed: make(chan struct{})}
	server, err := Listen(t, conf)
	if err != nil {
		return nil, err
	}
	t.Server = server
	return t, nil
}

// Script replaces the steps; the next request gets the first of them.
func (t *Target) Script(steps ...Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.script, t.at = steps, 0
}

// Requests are the requests so far, in the order of their arrival.
func (t *Target) Requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Request(nil), t.seen...)
}

// Wait returns the requests as soon as there are at least n of them, or those
// there are and ctx's error when ctx ends first.
func (t *Target) Wait(ctx context.Context, n int) ([]Request, error) {
	for {
		t.mu.Lock()
		seen, changed := append([]Request(nil), t.seen...), t.changed
		t.mu.Unlock()
		if len(seen) >= n {
			return seen, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return seen, fmt.Errorf("wait for %d requests, have %d: %w", n, len(seen), ctx.Err())
		}
	}
}

// ServeHTTP keeps the request and follows the script.
func (t *Target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the sender broke off: nothing was received
	}
	t.next(Request{
		At: time.Now(), Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header.Clone(), Body: body,
	})(w, r)
}

// next keeps a request and returns its answer.
func (t *Target) next(r Request) Step {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = append(t.seen, r)
	close(t.changed)
	t.changed = make(chan struct{})
	if len(t.script) == 0 {
		return Status(http.StatusOK)
	}
	step := t.script[min(t.at, len(t.script)-1)]
	t.at++
	return step
}

// discard is a logger that keeps nothing.
func discard() *log.Logger { return log.New(io.Discard, "", 0) }
