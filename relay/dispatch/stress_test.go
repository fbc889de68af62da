package dispatch

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// chaos is a random number generator that goroutines may share.
type chaos struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func (c *chaos) n(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rnd.IntN(n)
}

// shuffle brings n things into any order; swap must not ask for chance.
func (c *chaos) shuffle(n int, swap func(i, j int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rnd.Shuffle(n, swap)
}

// answer fails now and then in every way there is.
func (c *chaos) answer(m *target.Message) target.Result {
	time.Sleep(time.Duration(c.n(50)) * time.Millisecond)
	switch c.n(40) {
	case 0:
		return target.Result{Outcome: event.Held, Reason: "401"}
	case 1:
		return target.Result{Outcome: event.Rejected, Reason: "422"}
	case 2:
		return target.Result{Outcome: event.Retry, Reason: "429", RetryAfter: time.Duration(c.n(20)) * time.Second}
	case 3, 4, 5, 6, 7, 8:
		return target.Result{Outcome: event.Retry, Reason: fmt.Sprint(500 + c.n(5))}
	}
	return takes(m)
}

// TestEveryDeliveryEndsExactlyOnceWhateverHappens has targets fail in all ways,
// commits come out of order, fail and be late, claims fail, operators hold,
// release, discard and retry, configs be reloaded, and the relay be restarted.
// One of the targets is in an order, another gets digests.
// The world fails the test when a delivery is tried twice at the same time or
// after it was taken.
func TestEveryDeliveryEndsExactlyOnceWhateverHappens(t *testing.T) {
	for seed := range uint64(3) {
		inWorld(t, func(t *testing.T, w *world) {
			c := &chaos{rnd: rand.New(rand.NewPCG(seed, 7))}
			names := []string{"a", "b", "c"}
			lanes := func(skip int) (all []Lane) {
				for i, name := range names {
					if i == skip {
						continue
					}
					ln := Lane{Name: name, Target: w.target(c.answer), Concurrency: 1 + c.n(8), Retry: Schedule{MaxAge: 1000 * time.Hour}}
					switch name {
					case "b":
						ln.Order, ln.OrderedBy = func(ev *event.Event) (string, error) { return fmt.Sprint(ev.ID.Seq() % 20), nil }, "rest"
					case "c":
						ln.Target = w.gatherer(c.answer, func(ms []*target.Message) target.Result { return c.answer(ms[0]) })
						ln.Digest = Digest{Every: time.Duration(c.n(2)) * time.Second, Max: 5}
					}
					all = append(all, ln)
				}
				return all
			}
			small := func(cfg *Config) {
				cfg.Memory = 64 << 10
				cfg.Log = slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			w.run(lanes(-1), small)
			w.with(func() { w.recordErr = func(*outbox.Attempt) error { return nil } })

			var keys []outbox.Key
			var late []*outbox.Entry
			for i := range 3000 {
				e := &outbox.Entry{Event: w.event()}
				for _, name := range names {
					if c.n(2) == 0 {
						e.To = append(e.To, outbox.Address(name))
						keys = append(keys, outbox.Key{Event: e.Event.ID, Address: outbox.Address(name)})
					}
				}
				if late = append(late, e); c.n(3) > 0 {
					w.put(late...)
					late = nil
				}
				if i%3 == 0 {
					time.Sleep(time.Duration(c.n(60)) * time.Millisecond)
				}
				w.disturb(c, lanes, small, keys)
			}
			w.put(late...)
			w.with(func() { w.recordErr, w.readErr, w.onClaim = nil, nil, nil })
			w.stall(false)
			w.reload(lanes(-1))
			w.pass(time.Minute)
			for _, name := range names {
				if err := w.d.Release(name); err != nil {
					t.Error(err)
				}
			}
			w.pass(200 * time.Hour)

			if n := w.log.lines("nothing is known of"); n > 0 {
				t.Errorf("seed %d: deliveries were forgotten, and found again by chance %d times", seed, n)
			}
			pending := 0
			w.with(func() {
				for k, r := range w.rows {
					if r.state == event.Pending {
						pending++
						if pending < 4 {
							t.Errorf("seed %d: delivery %s is pending after %d attempts", seed, k, r.attempts)
						}
					}
				}
			})
			if got := w.d.Pending(); got != pending {
				t.Errorf("seed %d: %d are counted as pending, %d are", seed, got, pending)
			}
			for _, name := range names {
				s, want := w.status(name), w.states(outbox.Address(name))
				if s.Delivered != want.Delivered || s.Dead != want.Dead {
					t.Errorf("seed %d: status %+v, the store has %+v", seed, s, want)
				}
				l := w.d.lane(name)
				l.mu.Lock()
				if len(l.keys) > 0 || l.queue.n > 0 || l.tried != 0 || l.bytes != 0 || l.ending != 0 || l.running != 0 || l.busy != 0 {
					t.Errorf("seed %d: left in memory: %d keys, %d queued, %d tried, %d bytes, %d endings, %d of %d workers",
						seed, len(l.keys), l.queue.n, l.tried, l.bytes, l.ending, l.busy, l.running)
				}
				l.mu.Unlock()
			}
		})
	}
}

// disturb does one thing now and then that should make no difference.
func (w *world) disturb(c *chaos, lanes func(skip int) []Lane, change func(*Config), keys []outbox.Key) {
	switch c.n(200) {
	case 0:
		w.reload(lanes(-1))
	case 1:
		w.reload(lanes(c.n(3)))
	case 2:
		w.restart(lanes(-1), change)
	case 3:
		_ = w.d.Hold("a", "by hand") // it may be gone just now
	case 4:
		_ = w.d.Release("a")
	case 5:
		w.with(func() {
			w.recordErr = func(*outbox.Attempt) error {
				if c.n(2) == 0 {
					return event.ErrUnavailable
				}
				return nil
			}
		})
	case 6, 7:
		w.with(func() { w.recordErr, w.readErr, w.holdErr = nil, nil, nil })
	case 8:
		w.with(func() { w.readErr = event.ErrUnavailable })
		time.Sleep(time.Duration(c.n(5)) * time.Second)
		w.with(func() { w.readErr = nil })
	case 9:
		w.with(func() { w.onClaim = func() { time.Sleep(time.Duration(c.n(200)) * time.Millisecond) } })
	case 10:
		w.stall(true)
		time.Sleep(time.Duration(c.n(5)) * time.Second)
		w.stall(false)
	case 11:
		w.d.Found(nil)
	case 12, 13, 14, 15:
		if len(keys) > 0 {
			w.byHand(c, keys[c.n(len(keys))])
		}
	case 16:
		time.Sleep(time.Duration(c.n(3)) * time.Minute)
	}
}

// byHand discards or retries one delivery, as an operator who has just read it.
func (w *world) byHand(c *chaos, k outbox.Key) {
	var was outbox.StoredDelivery
	found := false
	w.with(func() {
		if r := w.rows[k]; r != nil && (r.state == event.Pending || r.state == event.Dead) {
			found = true
			was = outbox.StoredDelivery{Key: k, State: r.state, Attempts: r.attempts, CreatedAt: r.event.ReceivedAt}
		}
	})
	if !found {
		return
	}
	to := event.Pending
	if c.n(2) == 0 {
		to = event.Discarded
	}
	done := make(chan error, 1)
	w.d.Override(was, to, "by hand", func(err error) { done <- err })
	if err := <-done; err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, event.ErrUnavailable) {
		w.Error(err)
	}
}
