package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// world is a dispatcher between a store and targets that do as they are told.
type world struct {
	*testing.T
	*store
	d    *Dispatcher
	reg  *prometheus.Registry
	ids  event.IDs
	log  logText
	gain atomic.Int64 // nanoseconds by which the clock is ahead
	stop func() error // ends the dispatcher as SIGTERM does; a second call does nothing

	mu       sync.Mutex
	inFlight map[string]bool // delivery ids
	done     map[string]bool // delivery ids a target has taken
}

// logText is a log that may be read while it is written.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) lines(with string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.b.Bytes()) {
		if bytes.Contains(line, []byte(with)) {
			n++
		}
	}
	return n
}

// queueCap is smaller than the default, so that tests overflow it in no time.
const queueCap = 1024

// inWorld runs a test in a bubble of fake time.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, store: newStore(), inFlight: map[string]bool{}, done: map[string]bool{}}
		w.begin()
		defer w.end()
		defer func() {
			if w.stop != nil {
				_ = w.stop() // tests that care have called it
			}
		}()
		test(t, w)
	})
}

// run starts a dispatcher on the world's store with these lanes. change may
// change its settings.
func (w *world) run(lanes []Lane, change ...func(*Config)) {
	w.Helper()
	w.reg = prometheus.NewPedanticRegistry()
	cfg := Config{
		Queue: queueCap,
		Store: w.store, Recorder: w.store, Metrics: w.reg,
		Decode: func(ev *event.Event) error { ev.Fields = map[string]any{"id": ev.Subject}; return nil },
		Now:    w.now,
		Log:    slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	d := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	d.SetLanes(configured(lanes))
	w.with(func() { w.offer = d.Offer })
	if err := d.Load(ctx); err != nil {
		w.Fatal(err)
	}
	w.d = d
	go func() { ended <- d.Run(ctx) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		err := <-ended
		w.with(func() { w.offer = func([]*outbox.Entry) {} })
		return err
	})
	synctest.Wait()
}

// configured fills in, where a test says nothing of retries, what the config
// says then.
func configured(lanes []Lane) []Lane {
	lanes = slices.Clone(lanes)
	for i := range lanes {
		r := &lanes[i].Retry
		*r = Schedule{
			Initial: cmp.Or(r.Initial, 5*time.Second), Max: cmp.Or(r.Max, time.Hour), MaxAge: cmp.Or(r.MaxAge, 72*time.Hour),
		}
	}
	return lanes
}

// reload puts other lanes in force.
func (w *world) reload(lanes []Lane) { w.d.SetLanes(configured(lanes)) }

// restart stops the dispatcher and starts another on the same store.
func (w *world) restart(lanes []Lane, change ...func(*Config)) {
	w.Helper()
	if err := w.stop(); err != nil {
		w.Fatal(err)
	}
	w.run(lanes, change...)
}

// now is what the clock shows.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.gain.Load())) }

func (w *world) event() *event.Event {
	now := w.now().UTC()
	return &event.Event{
		ID: w.ids.New(now), Source: "preventor", ReceivedAt: now, Subject: "i-1",
		Body: []byte(`{"id":"i-1"}`), Fields: map[string]any{"id": "i-1"},
	}
}

// accept commits one event for each address and returns the keys.
func (w *world) accept(to ...outbox.Address) (keys []outbox.Key) {
	ev := w.event()
	w.put(&outbox.Entry{Event: ev, To: to})
	for _, a := range to {
		keys = append(keys, outbox.Key{Event: ev.ID, Address: a})
	}
	synctest.Wait()
	return keys
}

// waiting commits deliveries that have failed once and are due after a while.
// A dispatcher that is running does not know of them.
func (w *world) waiting(n int, to outbox.Address, due time.Duration) {
	for range n {
		ev := w.event()
		k := outbox.Key{Event: ev.ID, Address: to}
		w.with(func() {
			w.insert(&outbox.Entry{Event: ev, To: []outbox.Address{to}})
			_ = w.finish(&outbox.Attempt{Key: k, Number: 1, Outcome: event.Retry, NextAt: w.now().Add(due)})
		})
	}
}

// found has the store find a delivery that it did not know of.
func (w *world) found(to outbox.Address) {
	w.with(func() { w.insert(&outbox.Entry{Event: w.event(), To: []outbox.Address{to}}) })
	w.d.Found(map[outbox.Address]int{to: 1})
	synctest.Wait()
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) status(name string) TargetStatus {
	w.Helper()
	for _, s := range w.d.Status() {
		if s.Name == name {
			return s
		}
	}
	w.Fatalf("target %s is not in the status", name)
	return TargetStatus{}
}

// pendingAt is what an operator sees of an address.
func (w *world) pendingAt(a outbox.Address) (all []outbox.StoredDelivery) {
	w.with(func() {
		for k, r := range w.rows {
			if k.Address == a && r.state == event.Pending {
				all = append(all, outbox.StoredDelivery{Key: k, State: r.state, Attempts: r.attempts, CreatedAt: r.event.ReceivedAt})
			}
		}
	})
	return all
}
