package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"invitation-relay/relay/event"
)

// WriterConfig is what a Writer works with. Store is required; the zero value
// of the rest is a default.
type WriterConfig struct {
	Store Store
	// Committed is told what a commit has stored, in the writer's goroutine and
	// before the requests are answered: entries with deliveries, without
	// duplicates. It must not block, nor keep the slice.
	Committed func(entries []*Entry)
	// KeepRefused goes with each batch: see Batch. It is called in the writer's
	// goroutine, inside a commit. nil: all are kept.
	KeepRefused func(source string) int
	Full        func() bool   // asked by each Put with deliveries; true: refuse it, unless it is an alarm. nil: never
	Queue       int           // requests that may wait for a commit; 0: 4096
	Patience    time.Duration // how long one commit may take before all who wait are refused; 0: 10s

	Log     *slog.Logger          // nil: no log
	Metrics prometheus.Registerer // nil: no metrics
}

// Writer commits what all requests have queued in one transaction at a time,
// without waiting for more: while one commit is on its way to the disk, the
// next batch gathers by itself. All methods are safe for concurrent use.
type Writer struct {
	cfg  WriterConfig
	log  *slog.Logger
	pool sync.Pool     // of *request
	wake chan struct{} // one token: something was queued

	mu       sync.Mutex
	requests []*request    // wait for a commit, in the order they came
	attempts []Attempt     // attempts[head:] wait for one; kept while the store fails
	dones    []func(error) // of attempts, one by one
	head     int
	soon     bool          // something queued is to be committed at once
	refusal  error         // why nothing is taken any more or now; nil: it is
	closed   bool          // Run has ended or is ending
	stalled  chan struct{} // closed when the commit under way takes too long
	began    time.Time     // of the commit under way; zero when there is none

	// The rest belongs to Run's goroutine.
	batch     batch
	committed []*Entry // reused
	failing   time.Time
	seconds   prometheus.Histogram
	events    prometheus.Histogram
}

// request is one Put or Refuse on its way. Whoever moves it from queued to
// withdrawn or taken decides what becomes of it.
type request struct {
	entry   *Entry
	refused *event.Refused
	state   atomic.Uint32
	stalled chan struct{}
	done    chan error // of capacity 1: an answer never blocks the writer
}

const (
	queued uint32 = iota
	taken
	withdrawn
)

var (
	errClosed    = fmt.Errorf("%w: shutting down", event.ErrUnavailable)
	errSlow      = errors.New("a commit takes too long")
	errStalled   = fmt.Errorf("%w: %w", event.ErrUnavailable, errSlow)
	errQueueFull = fmt.Errorf("%w: too many requests wait for a commit", event.ErrUnavailable)
	errFull      = fmt.Errorf("%w: too many deliveries wait", event.ErrUnavailable)
)

// NewWriter makes a Writer. Nothing is committed before Run, but what is put
// before waits for it.
func NewWriter(cfg WriterConfig) *Writer {
	if cfg.Queue == 0 {
		cfg.Queue = 4096
	}
	if cfg.Patience == 0 {
		cfg.Patience = 10 * time.Second
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	metrics := promauto.With(cfg.Metrics)
	return &Writer{
		cfg:     cfg,
		log:     log,
		pool:    sync.Pool{New: func() any { return &request{done: make(chan error, 1)} }},
		wake:    make(chan struct{}, 1),
		stalled: make(chan struct{}),
		seconds: metrics.NewHistogram(prometheus.HistogramOpts{
			Name:    "relay_commit_seconds",
			Help:    "How long one commit took, in seconds.",
			Buckets: prometheus.ExponentialBuckets(100e-6, 2.5, 13), // 0.1 ms to 6 s
		}),
		events: metrics.NewHistogram(prometheus.HistogramOpts{
			Name:    "relay_commit_events",
			Help:    "Events in one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10), // 1 to 512
		}),
	}
}

// Put stores one event with its deliveries and returns after the commit; nil
// means that they are on disk, or were before (Entry.Duplicate).
//
// An error wraps event.ErrUnavailable, and nothing of the entry is stored. The
// exception is an error that also wraps ErrUncertain: ctx ended, or patience
// did, while the commit was under way. The entry may be stored then, and if so
// its deliveries are made; a repeat by the sender is answered as a duplicate.
// After such an error the caller must leave the entry alone.
func (w *Writer) Put(ctx context.Context, e *Entry) error {
	if w.cfg.Full != nil && len(e.To) > 0 && e.Event.Kind != event.Alarm && w.cfg.Full() {
		return errFull
	}
	return w.await(ctx, e, nil)
}

// Refuse stores what intake could not take and returns after the commit, with
// errors like Put's.
func (w *Writer) Refuse(ctx context.Context, r *event.Refused) error {
	return w.await(ctx, nil, r)
}

// Record makes the end of an attempt durable with the next commit, which comes
// at once when soon is set, and else after at most 5ms: under a light load an
// end then shares the commit of the next event, which need not wait for one that
// is under way for an end alone. It never blocks. While the store fails the
// attempt is kept and tried again; done (may be nil) is called once, from the
// writer's goroutine after the commit, or with an error when the attempt will
// not be recorded: the store found fault with it, or the writer was ended first.
// It must not block.
func (w *Writer) Record(a Attempt, soon bool, done func(error)) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		if done != nil {
			done(errClosed)
		}
		return
	}
	w.attempts = append(w.attempts, a)
	w.dones = append(w.dones, done)
	w.soon = w.soon || soon
	w.mu.Unlock()
	w.notify()
}

// await queues one request and waits for its answer.
func (w *Writer) await(ctx context.Context, e *Entry, refused *event.Refused) error {
	r := w.pool.Get().(*request)
	r.entry, r.refused = e, refused
	r.state.Store(queued)
	if err := w.enqueue(r); err != nil {
		w.release(r)
		return err
	}
	w.notify()

	var cause error
	select {
	case err := <-r.done:
		w.release(r)
		return err
	case <-ctx.Done():
		cause = context.Cause(ctx)
	case <-r.stalled:
		cause = errSlow
	}
	if r.state.CompareAndSwap(queued, withdrawn) {
		return fmt.Errorf("%w: %w", event.ErrUnavailable, cause) // the writer drops r when it comes to it
	}
	select {
	case err := <-r.done: // came meanwhile
		w.release(r)
		return err
	default:
		return fmt.Errorf("%w: %w: %w", event.ErrUnavailable, ErrUncertain, cause) // r stays the writer's
	}
}

func (w *Writer) enqueue(r *request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.refusal != nil:
		return w.refusal
	case len(w.requests) >= w.cfg.Queue:
		return errQueueFull
	}
	r.stalled = w.stalled
	w.requests = append(w.requests, r)
	w.soon = true
	return nil
}

// release gives back a request that nobody else holds.
func (w *Writer) release(r *request) {
	r.entry, r.refused, r.stalled = nil, nil, nil
	w.pool.Put(r)
}

func (w *Writer) notify() {
	select {
	case w.wake <- struct{}{}:
	default: // there is a token already
	}
}

// unavailable makes any error of the store one that asks the sender to repeat.
func unavailable(err error) error {
	if errors.Is(err, event.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", event.ErrUnavailable, err)
}
