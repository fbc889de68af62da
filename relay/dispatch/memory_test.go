package dispatch

import (
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/outbox"
)

func TestMemoryOfALaneIsBoundedByCountAndBytes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		lanes := []Lane{{Name: "small", Target: w.target(busy)}, {Name: "large", Target: w.target(busy)}}
		for i := range lanes {
			lanes[i].Target.(*fake).take = time.Hour
		}
		w.run(lanes, func(c *Config) { c.Memory = 8 << 20 })
		for range 5000 {
			w.accept("small")
		}
		for range 500 {
			ev := w.event()
			ev.Body = make([]byte, 100<<10)
			w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"large"}})
		}
		synctest.Wait()
		for _, name := range []string{"small", "large"} {
			l := w.d.lane(name)
			l.mu.Lock()
			if len(l.keys) > queueCap || l.bytes > 4<<20 || len(l.keys) < 10 {
				t.Errorf("%s: %d deliveries, %d bytes in memory", name, len(l.keys), l.bytes)
			}
			l.mu.Unlock()
		}
		if w.d.Pending() != 5500 {
			t.Errorf("%d pending", w.d.Pending())
		}
	})
}

func TestDeliveryLargerThanTheMemoryOfItsLaneIsMade(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Second
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 4}}, func(c *Config) { c.Memory = 64 << 10 })
		for range 10 {
			ev := w.event()
			ev.Body = make([]byte, 200<<10)
			w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
		}
		w.pass(30 * time.Second)
		if got := w.states("hook"); got.Delivered != 10 {
			t.Errorf("%+v", got)
		}
	})
}

func TestTargetOnHoldTakesNoMemory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(broken)
		hook.take = time.Second
		w.run([]Lane{{Name: "hook", Target: hook}})
		for range 5000 {
			w.accept("hook")
		}
		w.pass(3 * time.Minute)
		l := w.d.lane("hook")
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.keys) > 1 || len(l.queue.ring) > 64 || l.bytes > 4096 || l.pending != 5000 {
			t.Errorf("%d keys, %d places, %d bytes, %d pending", len(l.keys), len(l.queue.ring), l.bytes, l.pending)
		}
	})
}

func TestDeliveryThatDoesNotFitBesideOneInFlightIsNotClaimedAgainAndAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.accept("hook")
		for range 3 {
			ev := w.event()
			ev.Body = make([]byte, 200<<10)
			w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
		}
		w.pass(0)
		hook := w.target(takes)
		hook.take = time.Minute
		w.run([]Lane{{Name: "hook", Target: hook}}, func(c *Config) { c.Memory = 64 << 10 })
		w.pass(time.Hour)
		if n := w.asked(); n > 10 || hook.count() != 4 {
			t.Errorf("%d claims for %d attempts", n, hook.count())
		}
	})
}
