package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
)

// newEvent makes an event like the vendor's, with random ids.
func newEvent(ids *event.IDs, n int) *event.Event {
	now := time.Now().UTC()
	id := ids.New(now)
	ev := &event.Event{
		ID: id, Source: "preventor", ReceivedAt: now, Subject: id.String(), Ticket: id.String()[9:], Status: "REJECTED",
		Person: fmt.Sprint("cif-", n),
	}
	ev.Body = fmt.Appendf(nil, `{"id":%q,"invitation_state":"COMPLETED","cifcod":%q,"full_name":"Jon Doe","ticket":%q,"transaction_status":"REJECTED","attempts":3}`,
		ev.Subject, ev.Person, ev.Ticket)
	copy(ev.Dedupe[:], id[:])
	copy(ev.Dedupe[16:], id[:])
	return ev
}

func open(tb testing.TB, cfg sqlite.Config) *sqlite.Store {
	tb.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(tb.TempDir(), "relay.db")
	}
	s, err := sqlite.Open(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// BenchmarkWrite stores batches of 64 events for n addresses, and the ends of
// the batch before: what the store costs an event from accept to delivered.
func BenchmarkWrite(b *testing.B) {
	for _, addresses := range []int{1, 3} {
		b.Run(fmt.Sprint("addresses=", addresses), func(b *testing.B) {
			s := open(b, sqlite.Config{})
			const size = 64
			var ids event.IDs
			to := []outbox.Address{"case-api", "risk-slack", "archive"}[:addresses]
			ended := make([]outbox.Attempt, 0, size*addresses)
			batch := outbox.Batch{Entries: make([]*outbox.Entry, size)}
			verdicts := []outbox.Verdict{{Rule: "rejected", Verdict: "match"}}
			b.ReportAllocs()
			n, busy, wall := 0, time.Duration(0), time.Duration(0)
			for b.Loop() {
				for i := range batch.Entries {
					ev := newEvent(&ids, n)
					batch.Entries[i] = &outbox.Entry{Event: ev, To: to, Verdicts: verdicts, DedupeSince: ev.ReceivedAt.Add(-time.Hour)}
					n++
				}
				before, began := cpuTime(b), time.Now()
				if err := s.Write(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
				busy, wall = busy+cpuTime(b)-before, wall+time.Since(began)
				ended = ended[:0]
				for _, e := range batch.Entries {
					for _, a := range to {
						ended = append(ended, outbox.Attempt{
							Key: outbox.Key{Event: e.Event.ID, Address: a}, Number: 1, At: time.Now(), Duration: time.Millisecond,
							Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done,
						})
					}
				}
				batch.Attempts = ended
			}
			b.ReportMetric(float64(n)/wall.Seconds(), "events/s")
			b.ReportMetric(float64(busy.Microseconds())/float64(n), "cpu-µs/event")
		})
	}
}

// BenchmarkPutParallel has 64 goroutines put events through the Writer, which
// records their deliveries as well.
func BenchmarkPutParallel(b *testing.B) {
	s := open(b, sqlite.Config{})
	var w *outbox.Writer
	w = outbox.NewWriter(outbox.WriterConfig{Store: s, Committed: func(entries []*outbox.Entry) {
		for _, e := range entries {
			w.Record(outbox.Attempt{
				Key: outbox.Key{Event: e.Event.ID, Address: e.To[0]}, Number: 1, At: e.Event.ReceivedAt, Duration: time.Millisecond,
				Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done,
			}, nil)
		}
	}})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()

	var ids event.IDs
	var n atomic.Int64
	to := []outbox.Address{"case-api"}
	b.SetParallelism(32) // times GOMAXPROCS
	b.ReportAllocs()
	before := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ev := newEvent(&ids, int(n.Add(1)))
			if err := w.Put(ctx, &outbox.Entry{Event: ev, To: to, DedupeSince: ev.ReceivedAt.Add(-time.Hour)}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(n.Load()), "cpu-µs/event")
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
