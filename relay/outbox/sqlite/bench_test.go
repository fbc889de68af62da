package sqlite

import (
	"context"
	"flag"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// BenchmarkWrite stores batches of 64 events for n addresses, and the ends of
// the batch before: what the store costs an event from accept to delivered.
func BenchmarkWrite(b *testing.B) {
	for name, c := range map[string]struct {
		addresses int
		keys      [][]byte
	}{"addresses=1": {1, nil}, "addresses=3": {3, nil}, "addresses=1,encrypted": {1, [][]byte{testKey(1)}}} {
		b.Run(name, func(b *testing.B) {
			s, addresses := openStore(b, Config{Keys: c.keys}), c.addresses
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
	s := openStore(b, Config{})
	var w *outbox.Writer
	w = outbox.NewWriter(outbox.WriterConfig{Store: s, Committed: func(entries []*outbox.Entry) {
		for _, e := range entries {
			w.Record(outbox.Attempt{
				Key: outbox.Key{Event: e.Event.ID, Address: e.To[0]}, Number: 1, At: e.Event.ReceivedAt, Duration: time.Millisecond,
				Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done,
			}, true, nil)
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

// backlog fills a store with n events waiting for "held", 512 in a commit, and
// a few for "alive" among them.
func backlog(b *testing.B, s *Store, n int) {
	b.Helper()
	var ids event.IDs
	for i := 0; i < n; i += 512 {
		batch := outbox.Batch{}
		for j := range min(512, n-i) {
			to := []outbox.Address{"held"}
			if j == 0 {
				to = []outbox.Address{"held", "alive"}
			}
			ev := newEvent(&ids, i+j)
			batch.Entries = append(batch.Entries, &outbox.Entry{Event: ev, To: to, DedupeSince: ev.ReceivedAt.Add(-time.Hour)})
		}
		if err := s.Write(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
}

var waiting = flag.Int("waiting", 100_000, "deliveries that wait, in benchmarks")

// BenchmarkOpen opens a store with many deliveries waiting.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "relay.db")
	s := openStore(b, Config{Path: path})
	backlog(b, s, *waiting)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	took := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		s := openStore(b, Config{Path: path})
		took += time.Since(began)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), "ms/open")
}

// BenchmarkBesideABacklog is what a healthy target costs while very many
// deliveries wait for another one.
func BenchmarkBesideABacklog(b *testing.B) {
	s := openStore(b, Config{})
	backlog(b, s, *waiting)
	var heap runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&heap)
	for name, f := range map[string]func() error{
		"Claim": func() error {
			_, _, err := s.Claim(b.Context(), outbox.Query{Addresses: []outbox.Address{"alive"}, DueBy: time.Now(), Limit: 1})
			return err
		},
		"ClaimHeld": func() error {
			_, _, err := s.Claim(b.Context(), outbox.Query{Addresses: []outbox.Address{"held"}, DueBy: time.Now(), Limit: 256})
			return err
		},
		"Counts": func() error { _, err := s.Counts(b.Context()); return err },
		"ListPending": func() error {
			_, _, err := s.Deliveries(b.Context(), outbox.Filter{State: "pending", Target: "alive"})
			return err
		},
		"ListNewest":   func() error { _, _, err := s.Events(b.Context(), outbox.Filter{}); return err },
		"FindNobody":   func() error { _, _, err := s.Events(b.Context(), outbox.Filter{Ticket: "none"}); return err },
		"FindNoPerson": func() error { _, _, err := s.Events(b.Context(), outbox.Filter{Person: "none"}); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(heap.HeapAlloc)/1e6, "MB-heap")
		})
	}
}
