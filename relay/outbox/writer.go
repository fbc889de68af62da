package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	Full      func() bool   // asked by each Put with deliveries; true: refuse it. nil: never
	Queue     int           // requests that may wait for a commit; 0: 4096
	Patience  time.Duration // how long one commit may take before all who wait are refused; 0: 10s

	Log     *slog.Logger          // nil: no log
	Metrics prometheus.Registerer // nil: no metrics
}

// Writer commits what all requests have queued in one transaction at a time.
type Writer struct{}

// NewWriter makes a Writer; nothing is committed before Run.
func NewWriter(_ WriterConfig) *Writer { return &Writer{} }

// Put stores one event with its deliveries and returns after the commit.
func (w *Writer) Put(_ context.Context, _ *Entry) error { return event.ErrUnavailable }

// Refuse stores what intake could not take and returns after the commit.
func (w *Writer) Refuse(_ context.Context, _ *event.Refused) error { return event.ErrUnavailable }

// Record makes the end of an attempt durable with the next commit. It never
// blocks; done (may be nil) is called once.
func (w *Writer) Record(_ Attempt, done func(error)) { done(event.ErrUnavailable) }

// Run commits until ctx ends, then what is queued, and returns.
func (w *Writer) Run(_ context.Context) error { return event.ErrUnavailable }
