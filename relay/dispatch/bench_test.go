package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// nothing is a target, a store and a recorder that cost nothing.
type nothing struct{ sent chan struct{} }

func (*nothing) Kind() string         { return "nothing" }
func (*nothing) Recipients() []string { return nil }
func (*nothing) Close()               {}

func (n *nothing) Send(context.Context, *target.Message) target.Result {
	return target.Result{Outcome: event.Delivered, Tries: 1}
}

func (n *nothing) Record(_ outbox.Attempt, _ bool, done func(error)) {
	done(nil)
	n.sent <- struct{}{}
}

func (*nothing) Claim(context.Context, outbox.Query) ([]outbox.Pending, time.Time, error) {
	return nil, time.Time{}, nil
}

func (*nothing) Advance(context.Context, []outbox.Address, time.Time, int) (int, error) {
	return 0, nil
}

func (*nothing) Counts(context.Context) (map[outbox.Address]outbox.Count, error) { return nil, nil }
func (*nothing) Delivery(context.Context, outbox.Key) (*outbox.StoredDelivery, error) {
	return nil, event.ErrNotFound
}
func (*nothing) SetHold(context.Context, outbox.Hold) error   { return nil }
func (*nothing) LastSeq() int64                               { return 0 }
func (*nothing) Holds(context.Context) ([]outbox.Hold, error) { return nil, nil }

// BenchmarkOfferToSend is what dispatch itself costs a delivery, from the offer
// to the record, one at a time and in commits of 64.
func BenchmarkOfferToSend(b *testing.B) {
	for name, batch := range map[string]int{"one": 1, "64": 64} {
		b.Run(name, func(b *testing.B) {
			n := &nothing{sent: make(chan struct{}, 2*batch)}
			d := New(Config{Store: n, Recorder: n, Metrics: prometheus.NewRegistry()})
			d.SetLanes([]Lane{{Name: "hook", Target: n, Concurrency: 4}})
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error)
			if err := d.Load(ctx); err != nil {
				b.Fatal(err)
			}
			go func() { ended <- d.Run(ctx) }()

			var ids event.IDs
			entries := make([]*outbox.Entry, batch)
			for i := range entries {
				ev := &event.Event{ReceivedAt: time.Now(), Body: make([]byte, 300), Fields: map[string]any{}}
				entries[i] = &outbox.Entry{Event: ev, To: []outbox.Address{"hook"}}
			}
			b.ReportAllocs()
			made := 0
			for b.Loop() {
				for _, e := range entries {
					ev := *e.Event
					ev.ID = ids.New(ev.ReceivedAt)
					e.Event = &ev // one of the allocations
				}
				d.Offer(entries)
				for range entries {
					<-n.sent
				}
				made += batch
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(made), "ns/delivery")
			cancel()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
}
