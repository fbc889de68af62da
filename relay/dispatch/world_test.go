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
	"invitation-relay/relay/target"
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
	go func() { ended <- d.Run(ctx) }()
	w.d = d
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

// fake is a target that answers as its script says.
type fake struct {
	w      *world
	rcpt   []string
	answer func(m *target.Message) target.Result
	take   time.Duration // how long each attempt takes

	mu     sync.Mutex
	sent   []target.Message
	at     []time.Time
	most   int // attempts at the same time
	now    int
	closed int
}

func (w *world) target(answer func(m *target.Message) target.Result) *fake {
	return &fake{w: w, answer: answer}
}

func (f *fake) Kind() string         { return "fake" }
func (f *fake) Recipients() []string { return f.rcpt }

func (f *fake) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	if f.now > 0 || f.closed > 1 {
		f.w.Errorf("target closed %d times, with %d attempts in flight", f.closed, f.now)
	}
}

// Send fails the test when a delivery is tried twice at the same time, or once
// more after it was taken.
func (f *fake) Send(ctx context.Context, m *target.Message) target.Result {
	f.begin(m)
	res := target.Result{Outcome: event.Retry, Reason: "cut short"}
	if f.take == 0 || sleep(ctx, f.take) == nil {
		res = f.answer(m)
	}
	f.w.mu.Lock()
	delete(f.w.inFlight, m.DeliveryID)
	if res.Outcome == event.Delivered {
		f.w.done[m.DeliveryID] = true
	}
	f.w.mu.Unlock()
	f.mu.Lock()
	f.now--
	f.mu.Unlock()
	return res
}

func (f *fake) begin(m *target.Message) {
	f.w.mu.Lock()
	if f.w.inFlight[m.DeliveryID] {
		f.w.Errorf("delivery %s is tried twice at the same time", m.DeliveryID)
	}
	if f.w.done[m.DeliveryID] {
		f.w.Errorf("delivery %s is tried again after the target took it", m.DeliveryID)
	}
	f.w.inFlight[m.DeliveryID] = true
	f.w.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed > 0 {
		f.w.Errorf("delivery %s is sent through a closed target", m.DeliveryID)
	}
	if m.Event.Fields == nil {
		f.w.Errorf("delivery %s has an event that is not decoded", m.DeliveryID)
	}
	f.sent, f.at = append(f.sent, *m), append(f.at, m.Now)
	f.now++
	f.most = max(f.most, f.now)
}

// count is how many attempts there were.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent)
}

func (f *fake) messages() []target.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

// when is when the attempts began.
func (f *fake) when() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.at)
}

func (f *fake) mostAtOnce() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

func (f *fake) wasClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed > 0
}

func takes(*target.Message) target.Result {
	return target.Result{Outcome: event.Delivered, Status: 200}
}

func answers(o event.Outcome, reason string) func(*target.Message) target.Result {
	return func(*target.Message) target.Result { return target.Result{Outcome: o, Reason: reason} }
}

// switched answers with the first until flip is called, then with the second.
func switched(first, second func(*target.Message) target.Result) (answer func(*target.Message) target.Result, flip func()) {
	var mu sync.Mutex
	now := first
	return func(m *target.Message) target.Result {
			mu.Lock()
			f := now
			mu.Unlock()
			return f(m)
		}, func() {
			mu.Lock()
			defer mu.Unlock()
			now = second
		}
}

var (
	busy   = answers(event.Retry, "503")
	broken = answers(event.Held, "404: the hook is gone")
)
