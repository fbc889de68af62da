package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/failpoint"
)

// Handler answers webhooks for all sources. It is safe for concurrent use.
type Handler struct {
	cfg       Config
	sources   map[string]*source // by path
	names     map[string]*source
	nowhere   *source // what is counted and logged for paths that are no source's
	addresses addresses
	throttle  throttle
	pool      sync.Pool // of *buffers
}

// source is a Source, ready for requests.
type source struct {
	*Source
	auth   *checker
	keys   keyring
	schema *Schema
	max    int64
	known  bool // who gets past auth is somebody we know
	count  *counters
	report *reporter
}

// New makes a Handler, or says what is wrong with the config.
func New(cfg Config) (*Handler, error) {
	if cfg.Accept == nil {
		return nil, errors.New("intake without Accept")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.IDs == nil {
		cfg.IDs = new(event.IDs)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Room == nil {
		cfg.Room = new(Room)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(nil)
	}
	h := &Handler{
		cfg:       cfg,
		sources:   make(map[string]*source, len(cfg.Sources)),
		names:     make(map[string]*source, len(cfg.Sources)),
		addresses: addresses{cfg.TrustedProxies},
		pool:      sync.Pool{New: func() any { return new(buffers) }},
	}
	h.nowhere = &source{Source: new(Source), count: cfg.Metrics.nowhere(), report: &reporter{log: cfg.Log}}
	for _, s := range cfg.Sources {
		src, err := newSource(s, &cfg)
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", s.Name, err)
		}
		if h.sources[s.Path] != nil || h.names[s.Name] != nil {
			return nil, fmt.Errorf("source %q: another one has its name or path", s.Name)
		}
		h.sources[s.Path], h.names[s.Name] = src, src
	}
	return h, nil
}

func newSource(s *Source, cfg *Config) (*source, error) {
	if s.Name == "" || !strings.HasPrefix(s.Path, "/") {
		return nil, errors.New("needs a name and a path that begins with /")
	}
	auth, err := newChecker(s.Auth)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	keys, err := newKeyring(s.Keys)
	if err != nil {
		return nil, fmt.Errorf("encryption: %w", err)
	}
	src := &source{
		Source: s, auth: auth, keys: keys, schema: s.Schema, max: s.MaxBody,
		known: len(s.Auth.Basic)+len(s.Auth.Headers)+len(s.Auth.Signature)+len(s.Auth.AllowFrom) > 0,
		count: cfg.Metrics.source(s.Name), report: &reporter{log: cfg.Log, source: s.Name},
	}
	if src.schema == nil {
		src.schema = new(Schema)
	}
	if src.max <= 0 {
		src.max = DefaultMaxBody
	}
	return src, nil
}

// ServeHTTP takes one webhook. It answers 2xx only after Accept has returned nil.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := h.cfg.Now().UTC()
	if len(r.TransferEncoding) > 0 {
		// The vendor never sends chunks, and where two parties can disagree on
		// where a request ends, nothing follows it.
		w.Header()["Connection"] = headerClose
	}
	src := h.sources[r.URL.Path]
	if src == nil {
		h.no(w, r, h.nowhere, now, verdict{ref: refNotFound})
		return
	}
	if r.Method != http.MethodPost {
		h.no(w, r, src, now, verdict{ref: refMethod})
		h.trace(src, now, refMethod.result, refMethod.status, Receipt{})
		return
	}
	defer h.recover(w, r, src, now)
	b, _ := h.pool.Get().(*buffers)
	receipt, v := h.take(w, r, src, now, b)
	if v.ref != nil {
		h.no(w, r, src, now, v)
		h.trace(src, now, v.ref.result, v.ref.status, receipt)
	} else {
		status, res := yes(w, src, receipt, b)
		h.trace(src, now, res, status, receipt)
	}
	b.shrink()
	h.pool.Put(b)
}

// verdict is why a request is refused; the zero verdict refuses nothing.
type verdict struct {
	ref  *refusal
	why  string        // what to log and keep, if it is more than the sender is told
	wait time.Duration // for refThrottled
}

func (v *verdict) reason() string {
	if v.why != "" {
		return v.why
	}
	return v.ref.reason
}

// sealed reports whether it was the encryption: a wrong key, none, or what is
// not encrypted at all.
func (v *verdict) sealed() bool {
	switch v.why {
	case whyPlain, whyIV, whyLength, whyKey:
		return true
	default:
		return v.ref == refNoKey
	}
}

// take is the order of the checks: each one is made only when all before it held.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, src *source, now time.Time, b *buffers) (Receipt, verdict) {
	if r.ContentLength > src.max {
		return Receipt{}, verdict{ref: refTooLarge}
	}
	if len(src.Auth.AllowFrom) > 0 {
		if addr := h.addresses.client(r); !contains(src.Auth.AllowFrom, addr) {
			return Receipt{}, h.stranger(addr, now, refForbidden)
		}
	}
	if !src.auth.head(r.Header) {
		return Receipt{}, h.stranger(h.addresses.client(r), now, refUnauthorized)
	}
	if h.cfg.Room.crowded() {
		return Receipt{}, verdict{ref: refCrowded}
	}
	body, ref := b.read(w, r, src.max, h.cfg.Room)
	failpoint.Hit(failpoint.AfterRead)
	if ref != nil {
		if ref == refIncomplete && len(src.keys) > 0 {
			return Receipt{}, verdict{ref: refOpaqueEnd, why: ref.reason}
		}
		return Receipt{}, verdict{ref: ref}
	}
	if !src.auth.signed(r.Header, body, now) {
		return Receipt{}, h.stranger(h.addresses.client(r), now, refUnauthorized)
	}
	if h.cfg.Draining != nil && h.cfg.Draining() {
		return Receipt{}, verdict{ref: refDraining}
	}
	if !h.cfg.Room.enter(len(body)) {
		return Receipt{}, verdict{ref: refCrowded}
	}
	defer h.cfg.Room.leave(len(body))
	if encoded(r.Header) {
		return Receipt{}, verdict{ref: refEncoding}
	}
	// The sender may hang up while we commit; what it sent is worth keeping.
	ctx := context.WithoutCancel(r.Context())
	m := newMessage(r.Header, body, now)
	plain, fields, v := src.understand(b, &m)
	if v.ref != nil {
		h.keep(ctx, src, now, &m, v)
		return Receipt{}, v
	}
	return h.accept(ctx, src, now, plain, &fields)
}

// stranger is the answer to somebody who did not show what was asked for.
func (h *Handler) stranger(addr netip.Addr, now time.Time, ref *refusal) verdict {
	if wait := h.throttle.fail(addr, now); wait > 0 {
		return verdict{ref: refThrottled, wait: wait}
	}
	return verdict{ref: ref}
}

// Values of headers are shared by all answers: net/http only reads them.
var (
	headerClose   = []string{"close"}
	headerPost    = []string{http.MethodPost}
	headerJSON    = []string{"application/json"}
	headerProblem = []string{"application/problem+json"}
)

// yes says that the event is stored.
func yes(w http.ResponseWriter, src *source, receipt Receipt, b *buffers) (status int, res result) {
	status, res = http.StatusAccepted, accepted
	b.answer = append(b.answer[:0], `{"id":"`...)
	b.answer = append(b.answer, receipt.ID.String()...)
	b.answer = append(b.answer, '"')
	if receipt.Duplicate {
		status, res = http.StatusOK, duplicate
		b.answer = append(b.answer, `,"duplicate":true`...)
	}
	b.answer = append(b.answer, "}\n"...)
	src.count.results[res].Inc()
	w.Header()["Content-Type"] = headerJSON
	w.WriteHeader(status)
	_, _ = w.Write(b.answer) // a sender that has gone sends again, and is told duplicate
	return status, res
}

// no says why not.
func (h *Handler) no(w http.ResponseWriter, r *http.Request, src *source, now time.Time, v verdict) {
	src.count.results[v.ref.result].Inc()
	if v.sealed() {
		src.count.sealed.Add(1)
	}
	src.report.refused(r.Context(), now, v.ref, v.reason(), func() string { return h.addresses.client(r).String() })
	head := w.Header()
	head["Content-Type"] = headerProblem
	if v.ref == refUnauthorized {
		head["Www-Authenticate"] = src.auth.challenge
	}
	if v.ref == refMethod {
		head["Allow"] = headerPost
	}
	if v.ref.retry != "" {
		head["Retry-After"] = []string{v.ref.retry}
	}
	if v.wait > 0 {
		head["Retry-After"] = []string{strconv.Itoa(int((v.wait + time.Second - 1) / time.Second))}
	}
	if v.ref.closes {
		head["Connection"] = headerClose
	}
	w.WriteHeader(v.ref.status)
	_, _ = w.Write(v.ref.body) // nobody is left to be told
}

// recover turns a panic, which is a mistake of ours, into 503 and a log line.
// net/http would log the value that was panicked with, which may hold input.
func (h *Handler) recover(w http.ResponseWriter, r *http.Request, src *source, now time.Time) {
	p := recover()
	if p == nil {
		return
	}
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error() // a nil pointer, an index: nothing of the input's text
	}
	src.report.failed(r.Context(), now, &src.report.panics, slog.LevelError, "intake broke",
		slog.String("err", what), slog.String("stack", string(debug.Stack())))
	h.no(w, r, src, now, verdict{ref: refUnavailable})
	h.trace(src, now, refUnavailable.result, refUnavailable.status, Receipt{})
}
