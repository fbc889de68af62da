package dispatch

import (
	"slices"
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

func TestWhatAnIndexHidKeepsItsPlaceInTheOrderOfItsKey(t *testing.T) {
	for what, c := range map[string]struct {
		counted int // before it is found
		found   func(w *world)
	}{
		"told by the store":     {1, func(w *world) { w.d.Found(nil) }},
		"counted as well":       {0, func(w *world) { w.d.Found(map[outbox.Address]int{"hook": 1}) }},
		"counted one too few":   {0, func(w *world) { w.d.Found(nil) }},
		"there again, not told": {1, func(w *world) { w.pass(time.Minute) }},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.waiting(1, "hook", 40*time.Minute) // about i-1
				w.with(func() {
					w.hidden = func(outbox.Key) bool { return true }
					w.counts["hook"] = outbox.Count{Pending: c.counted}
				})
				hook := w.target(w.inOrder(takes))
				w.run([]Lane{{Name: "hook", Target: hook, Order: bySubject, OrderedBy: "id"}})
				w.pass(time.Second)
				w.with(func() { w.hidden = nil })
				c.found(w)
				w.pass(time.Second)
				w.acceptAbout("i-1", "hook")
				w.acceptAbout("i-2", "hook")
				if n := hook.count(); n != 1 {
					t.Errorf("%d attempts, want the one about something else", n)
				}
				w.pass(40 * time.Minute)
				if s := w.status("hook"); s.Delivered != 3 || s.Pending != 0 {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

func TestWhatIsFoundWhileTheOrderIsLearntKeepsItsPlaceInIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(1, "hook", 40*time.Minute) // about i-1
		w.with(func() {
			w.hidden = func(outbox.Key) bool { return true }
			w.onClaim = func() {
				w.with(func() { w.hidden, w.onClaim = nil, nil })
				w.d.Found(nil)
			}
		})
		hook := w.target(w.inOrder(takes))
		w.run([]Lane{{Name: "hook", Target: hook, Order: bySubject, OrderedBy: "id"}})
		w.acceptAbout("i-1", "hook")
		if n := hook.count(); n != 0 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestWhatIsInFlightWhenTheOrderChangesGoesFirstWhateverIsFoundMeanwhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(w.inOrder(busy))
		hook.take = time.Minute
		lane := Lane{Name: "hook", Target: hook, Concurrency: 2, Order: bySubject, Retry: Schedule{Initial: time.Hour}}
		w.run([]Lane{lane}, func(c *Config) { c.Rand = func() float64 { return 0.9 } })
		w.acceptAbout("i-1", "hook")
		w.reload([]Lane{lane})
		w.d.Found(nil)
		w.acceptAbout("i-1", "hook")
		w.pass(5 * time.Minute)
		if n := hook.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestWhatIsQueuedWaitsForTheEarlierOneThatAnIndexHidAndForNothingElse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(1, "hook", 40*time.Minute) // about i-1
		w.with(func() { w.hidden = func(outbox.Key) bool { return true } })
		hook := w.target(w.inOrder(takes))
		hook.take = time.Minute
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 2, Order: bySubject, OrderedBy: "id"}})
		w.acceptAbout("i-2", "hook")
		w.pass(30 * time.Second)
		w.acceptAbout("i-3", "hook")
		w.acceptAbout("i-1", "hook")
		w.acceptAbout("i-4", "hook")
		w.with(func() { w.hidden = nil })
		w.d.Found(nil)
		w.pass(35 * time.Second)
		if got := hook.subjects(); !slices.Equal(got, []string{"i-2 1", "i-3 1", "i-4 1"}) {
			t.Errorf("%q while another is in flight", got)
		}
		w.pass(time.Hour)
		if s := w.status("hook"); s.Delivered != 5 || s.Pending != 0 {
			t.Errorf("status %+v", s)
		}
	})
}
