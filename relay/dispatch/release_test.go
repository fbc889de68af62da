package dispatch

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

func TestFirstSuccessReleasesTheTargetAndPullsAllThatWaitsForward(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(busy, takes)
		hook := w.target(answer)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{Initial: time.Hour, Max: time.Hour}}},
			func(c *Config) { c.Rand = func() float64 { return 0.9 } })
		for range 3000 {
			w.accept("hook")
		}
		// The schedule alone would let five of them wait for an hour.
		w.pass(time.Minute)
		if s := w.status("hook"); !s.Held || s.Pending != 3000 {
			t.Fatalf("status %+v", s)
		}
		mend()
		w.pass(time.Minute + 5*time.Second)
		if s := w.status("hook"); s.Held || s.Delivered != 3000 || s.Pending != 0 {
			t.Errorf("after the first success: %+v", s)
		}
		if len(w.holds) != 0 {
			t.Error("the hold is still in the store")
		}
	})
}

func TestWaitingDeliveriesArePulledForwardInBatchesAsRoomAppears(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(2500, "hook", time.Hour)
		hook := w.target(takes)
		hook.take = 100 * time.Millisecond
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 10}})
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Second)
		if w.advanced() != 1 {
			t.Errorf("%d batches brought forward while the first is being worked on", w.advanced())
		}
		w.pass(30 * time.Second)
		if s := w.status("hook"); s.Delivered != 2500 || w.advanced() != 3 {
			t.Errorf("%d batches, status %+v", w.advanced(), s)
		}
	})
}

func TestNothingMoreIsPulledForwardWhenTheTargetFailsAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(2500, "hook", time.Hour)
		w.run([]Lane{{Name: "hook", Target: w.target(busy), Retry: Schedule{Initial: time.Hour}}})
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		w.pass(30 * time.Second)
		if s := w.status("hook"); w.advanced() != 1 || !s.Held || s.Pending != 2500 {
			t.Errorf("%d batches, status %+v", w.advanced(), s)
		}
	})
}

func TestPullingForwardPausesWhileAttemptsFailAndGoesOnWithTheNextSuccess(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(1400, "hook", time.Hour) // more than one batch
		calls := 0
		hook := w.target(func(m *target.Message) target.Result {
			// 512 are left in memory after the 488th: time for the next batch.
			if calls++; calls >= 487 && calls <= 490 {
				return busy(m)
			}
			if calls == 491 {
				time.Sleep(time.Minute)
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{Initial: time.Hour}}},
			func(c *Config) { c.Rand = func() float64 { return 0.9 } })
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		w.pass(30 * time.Second)
		if s := w.status("hook"); w.advanced() != 1 || s.Held || s.Delivered != 486 {
			t.Errorf("after four failures: %d batches, status %+v", w.advanced(), s)
		}
		w.pass(time.Minute)
		if s := w.status("hook"); s.Delivered < 1396 {
			t.Errorf("after the next success: status %+v", s)
		}
	})
}

func TestHoldByHandIsNotProbedAndOnlyEndedByHand(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Minute
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.accept("hook") // in flight: its success does not end the hold
		if err := w.d.Hold("hook", "maintenance"); err != nil {
			t.Fatal(err)
		}
		w.accept("hook")
		w.pass(24 * time.Hour)
		if s := w.status("hook"); !s.Held || !s.ByHand || hook.count() != 1 || s.Pending != 1 {
			t.Errorf("%d attempts, status %+v", hook.count(), s)
		}
		w.restart([]Lane{{Name: "hook", Target: w.target(takes)}})
		w.pass(time.Hour)
		if s := w.status("hook"); !s.Held || s.Pending != 1 {
			t.Errorf("after a restart: %+v", s)
		}
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := w.status("hook"); s.Held || s.Delivered != 2 {
			t.Errorf("after the release: %+v", s)
		}
	})
}

func TestReleaseByHandMakesWaitingDeliveriesDueAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(broken, takes)
		hook := w.target(answer)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{Initial: time.Hour}}},
			func(c *Config) { c.Rand = func() float64 { return 0.9 } })
		w.accept("hook")
		w.accept("hook")
		mend()
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if s := w.status("hook"); s.Delivered != 2 || s.Held {
			t.Errorf("status %+v", s)
		}
	})
}

func TestHoldOfAnUnknownTargetIsNotFound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.accept("gone")
		w.run(nil)
		for name, err := range map[string]error{
			"hold":            w.d.Hold("nothing", ""),
			"release":         w.d.Release("nothing"),
			"hold of gone":    w.d.Hold("gone", ""),
			"release of gone": w.d.Release("gone"),
		} {
			if !errors.Is(err, event.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
