package dispatch

import (
	"testing"
	"time"

	"invitation-relay/relay/outbox"
)

func TestDeliveriesThatTheStoreFoundAreMadeAtOnceAndCountedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(1, "hook", 0)
		w.waiting(1, "hook", time.Hour) // which alone the lane knows of
		w.damaged = 1
		hidden := func(n int) {
			c := w.counts["hook"]
			c.Pending -= n
			w.counts["hook"] = c
		}
		w.with(func() { hidden(1) })
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.pass(time.Second)
		w.with(func() { hidden(-1); w.damaged = 0 })
		w.d.Found(map[outbox.Address]int{"hook": 1})
		w.pass(0)
		if s := w.status("hook"); hook.count() != 1 || s.Pending != 1 || w.d.Pending() != 1 {
			t.Errorf("%d were made, %d pending, and of all %d", hook.count(), s.Pending, w.d.Pending())
		}
	})
}

func TestDeliveriesThatTheStoreFindsWhileItIsCountedAreCountedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(2, "hook", time.Hour)
		w.with(func() { w.counts["hook"] = outbox.Count{Pending: 1} })
		w.d = New(Config{Store: w.store, Recorder: w.store})
		w.onCounts = func() {
			w.with(func() { w.counts["hook"] = outbox.Count{Pending: 2} })
			w.onCounts = nil
			w.d.Found(map[outbox.Address]int{"hook": 1})
		}
		if err := w.d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.d.Pending(); n != 2 {
			t.Errorf("%d pending", n)
		}
	})
}
