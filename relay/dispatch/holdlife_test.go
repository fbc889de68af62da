package dispatch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
)

// TestAProbeComesInTimeWheneverDeliveriesWaitForATargetOnHold has a target fail
// so often that it is put on hold and released many times, while events come all
// the time, the store takes its time and fails, configs are reloaded and an
// operator holds and releases. A look from outside, ten times a second, fails the
// test when an attempt is late: a probe, or another one of what is due. In the end
// everything is delivered.
func TestAProbeComesInTimeWheneverDeliveriesWaitForATargetOnHold(t *testing.T) {
	live(t, 5, time.Second/8, func(w *world) outbox.Store { return inMemory{s: w.store} })
}

func TestAProbeFromTheRealStoreComesInTimeToo(t *testing.T) {
	live(t, 1, time.Second, func(w *world) outbox.Store {
		s, err := sqlite.Open(w.Context(), sqlite.Config{Path: filepath.Join(w.TempDir(), "relay.db")})
		if err != nil {
			w.Fatal(err)
		}
		return s
	})
}

// live lets relays live on stores of their own, with an event in so much time.
// RELAY_FAULTS=long has many.
func live(t *testing.T, lives int, each time.Duration, open func(*world) outbox.Store) {
	t.Helper()
	if os.Getenv("RELAY_FAULTS") == "long" {
		lives *= 250
	}
	var all tally
	for seed := range uint64(lives) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{T: t, store: newStore(), inFlight: map[string]bool{}, done: map[string]bool{}}
			c := &chaos{rnd: rand.New(rand.NewPCG(seed, 11))}
			s := open(w)
			h := &holdWatch{w: w, c: c, disk: newDisk(s, c), each: each}
			h.live()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if all.add(h.tally); t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
	t.Logf("%d lives: %d holds, of which %d were probed; %d probes, %d in vain", lives, all.holds, all.lasted, all.probes, all.failed)
}

// live is the life of one relay.
func (h *holdWatch) live() {
	w, c := h.w, h.c
	writer := outbox.NewWriter(outbox.WriterConfig{Store: h.disk, Committed: func(es []*outbox.Entry) { w.d.Offer(es) }})
	h.to = writer
	h.refuses, h.slow = 300+c.n(700), time.Duration(c.n(200))*time.Millisecond
	h.disk.operated = c.n(2) == 0
	h.lanes = Lane{Name: "hook", Retry: Schedule{Initial: 50 * time.Millisecond, Max: []time.Duration{time.Second, time.Minute, time.Hour}[c.n(3)], MaxAge: 1000 * time.Hour}}
	if c.n(4) == 0 {
		h.lanes.Order, h.lanes.OrderedBy = func(ev *event.Event) (string, error) { return fmt.Sprint(ev.ID.Seq() % 7), nil }, "rest"
	}
	w.run(h.lane(), func(cfg *Config) {
		cfg.Store, cfg.Recorder, cfg.Observer = h.disk, h, h
		cfg.Queue, cfg.Memory = 128<<c.n(4), 1<<20
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- writer.Run(ctx) }()
	stop := h.send(writer)
	for range 1500 {
		w.pass(100 * time.Millisecond)
		h.look()
		h.disturb()
	}
	stop()
	h.disk.mu.Lock()
	h.disk.down, h.disk.operated = false, true
	h.disk.mu.Unlock()
	h.locked(func() { h.refuses, h.slow = 0, 0 })
	h.reload()
	w.pass(10 * time.Second)
	if err := h.release(); err != nil {
		w.Error(err)
	}
	for i := 0; i < 3000 && w.d.Pending() > 0; i++ {
		w.pass(100 * time.Millisecond)
		h.look()
	}
	if s := w.status("hook"); s.Pending > 0 || s.Delivered == 0 {
		w.Errorf("five minutes after the target takes everything: %+v", s)
	}
	if err := w.stop(); err != nil {
		w.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		w.Error(err)
	}
}

// lane is the lane of a new config.
func (h *holdWatch) lane() []Lane {
	h.lanes.Concurrency = 1 << h.c.n(6)
	h.conf++
	h.lanes.Target = h.w.target(h.answer(h.conf))
	return []Lane{h.lanes}
}

// reload puts a new config in force, which may well have mended the target.
func (h *holdWatch) reload() {
	var lanes []Lane
	h.locked(func() { lanes = h.lane() })
	h.w.reload(lanes)
	h.locked(func() {
		h.gone = false
		h.due = earlier(h.due, time.Now())
		h.excused = later(h.excused, time.Now())
	})
}

// release has an operator end a hold, and what the target asked for.
func (h *holdWatch) release() error {
	h.locked(func() { h.until, h.excused = time.Time{}, later(h.excused, time.Now()) })
	return h.w.d.Release("hook")
}

// send has senders put events all the time, until stop is called.
func (h *holdWatch) send(writer *outbox.Writer) (stop func()) {
	var wg sync.WaitGroup
	var over atomic.Bool
	senders := 1 + h.c.n(16)
	for range senders {
		wg.Go(func() {
			for !over.Load() {
				if h.quiet.Load() {
					time.Sleep(time.Second)
					continue
				}
				_ = writer.Put(context.Background(), &outbox.Entry{Event: h.w.event(), To: []outbox.Address{"hook"}}) // refused while the store is down
				time.Sleep(time.Duration(h.c.n(2 * senders * int(h.each))))
			}
		})
	}
	return func() { over.Store(true); wg.Wait() }
}

// disturb does one thing now and then.
func (h *holdWatch) disturb() {
	switch h.c.n(400) {
	case 0:
		h.disk.fail(true)
		h.w.pass(time.Duration(h.c.n(8)) * time.Second)
		h.look()
		h.disk.fail(false)
	case 1:
		h.reload()
	case 2:
		h.locked(func() { h.gone, h.conf, h.due = true, h.conf+1, time.Now() })
		h.w.reload(nil)
		h.w.pass(time.Duration(h.c.n(5)) * time.Second)
		h.reload()
	case 3:
		if !h.disk.operated {
			return
		}
		_ = h.w.d.Hold("hook", "by hand")
	case 4, 5, 6:
		if !h.disk.operated {
			return
		}
		_ = h.release()
	case 7, 8, 9:
		h.locked(func() { h.refuses = h.c.n(1001) })
	case 10, 11:
		h.quiet.Store(!h.quiet.Load())
	case 12:
		h.locked(func() { h.slow = time.Duration(h.c.n(15)) * time.Second >> h.c.n(10) })
	}
}
