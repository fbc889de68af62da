package outbox_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// fakeStore does what fail says and remembers what it took.
type fakeStore struct {
	outbox.Store
	fail func(b *outbox.Batch) error // nil: nothing fails

	mu       sync.Mutex
	sizes    []int // of the batches of entries it took
	entries  map[*outbox.Entry]bool
	attempts []outbox.Attempt
	refused  []*event.Refused
}

func (s *fakeStore) Write(_ context.Context, b *outbox.Batch) error {
	if s.fail != nil {
		if err := s.fail(b); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[*outbox.Entry]bool{}
	}
	for _, e := range b.Entries {
		e.StoredID = e.Event.ID
		s.entries[e] = true
	}
	if len(b.Entries) > 0 {
		s.sizes = append(s.sizes, len(b.Entries))
	}
	s.attempts = append(s.attempts, b.Attempts...)
	s.refused = append(s.refused, b.Refused...)
	return nil
}

func (s *fakeStore) has(e *outbox.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[e]
}

func (s *fakeStore) numbers() (n []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.attempts {
		n = append(n, a.Number)
	}
	return n
}

// run runs a Writer until the test ends or stop is called.
func run(t *testing.T, cfg outbox.WriterConfig) (w *outbox.Writer, stop func() error) {
	t.Helper()
	w = outbox.NewWriter(cfg)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() }) // a test that minds has called it
	return w, stop
}

func entry(to ...outbox.Address) *outbox.Entry {
	return &outbox.Entry{Event: &event.Event{}, To: to}
}

// put puts an entry from a goroutine of its own.
func put(ctx context.Context, w *outbox.Writer, e *outbox.Entry) <-chan error {
	done := make(chan error, 1)
	go func() { done <- w.Put(ctx, e) }()
	return done
}

// gated makes a store whose writes each wait for a token.
func gated() (*fakeStore, chan struct{}) {
	gate := make(chan struct{})
	return &fakeStore{fail: func(*outbox.Batch) error { <-gate; return nil }}, gate
}

var errDisk = fmt.Errorf("%w: disk full", event.ErrUnavailable)

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
