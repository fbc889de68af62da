package outbox_test

import (
	"context"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/alloctest"
)

// freeStore takes everything and costs nothing.
type freeStore struct{ outbox.Store }

func (freeStore) Write(context.Context, *outbox.Batch) error { return nil }

// BenchmarkPutToCommit is what the Writer itself costs an event, from Put to the
// answer: of one sender, whose every event is a commit, and of many.
func BenchmarkPutToCommit(b *testing.B) {
	b.Run("one", func(b *testing.B) {
		w := writerFor(b)
		e := entry("case-api")
		b.ReportAllocs()
		for b.Loop() {
			if err := w.Put(context.Background(), e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("64", func(b *testing.B) {
		w := writerFor(b)
		b.SetParallelism(32) // times GOMAXPROCS
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			e := entry("case-api")
			for pb.Next() {
				if err := w.Put(context.Background(), e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func TestPuttingAnEventAllocatesLittle(t *testing.T) {
	w, e := writerFor(t), entry("case-api")
	alloctest.AtMost(t, 1, func() {
		if err := w.Put(t.Context(), e); err != nil {
			t.Error(err)
		}
	})
}

func TestRecordingAnAttemptAllocatesLittle(t *testing.T) {
	w, done := writerFor(t), make(chan error)
	tell := func(err error) { done <- err }
	a := outbox.Attempt{Number: 1, At: time.Now(), Outcome: event.Delivered, Tries: 1, State: event.Done}
	alloctest.AtMost(t, 1, func() {
		w.Record(a, true, tell)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// writerFor runs a Writer on a store that costs nothing.
func writerFor(tb testing.TB) *outbox.Writer {
	tb.Helper()
	w := outbox.NewWriter(outbox.WriterConfig{Store: freeStore{}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return w
}
