package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestRestartContinuesWhereItWas(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(busy, takes)
		first := w.target(answer)
		lane := func(f *fake) []Lane { return []Lane{{Name: "hook", Target: f}} }
		w.run(lane(first))
		key := w.accept("hook")[0]
		w.pass(15 * time.Second)
		n := first.count()
		mend()
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		late := w.accept("hook")[0] // committed, and the process died before it was offered
		second := w.target(takes)
		w.run(lane(second))
		w.pass(time.Hour)
		if h := w.history(key); len(h) != n+1 || h[n].Number != n+1 || h[n].State != event.Done {
			t.Errorf("%d attempts before the restart, then %+v", n, h[len(h)-1])
		}
		if h := w.history(late); len(h) != 1 || h[0].State != event.Done {
			t.Errorf("the delivery that was not offered: %+v", h)
		}
		if got := w.status("hook"); got.Delivered != 2 || got.Pending != 0 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestNothingHappensBeforeRunAndNothingIsForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		d := New(Config{Store: w.store, Recorder: w.store, Decode: func(ev *event.Event) error { ev.Fields = map[string]any{}; return nil }})
		w.offer = d.Offer
		w.accept("hook") // offered before Load
		d.SetLanes([]Lane{{Name: "hook", Target: hook}})
		w.accept("hook")
		if hook.count() != 0 {
			t.Error("an attempt was made before Run")
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		synctest.Wait()
		if hook.count() != 2 || d.Pending() != 0 {
			t.Errorf("%d attempts, %d pending", hook.count(), d.Pending())
		}
		cancel()
		if err := <-ended; err != nil || !hook.wasClosed() {
			t.Errorf("Run: %v, target closed: %t", err, hook.wasClosed())
		}
	})
}

func TestDeliveriesOfferedWhileTheStoreIsBeingCountedAreCountedOnceAndMade(t *testing.T) {
	for _, n := range []int{1, 20} { // 20: it never comes to rest
		inWorld(t, func(t *testing.T, w *world) {
			left := n
			w.onCounts = func() {
				if left > 0 {
					left--
					w.put(&outbox.Entry{Event: w.event(), To: []outbox.Address{"hook"}})
					time.Sleep(time.Millisecond)
				}
			}
			hook := w.target(takes)
			hook.take = time.Second
			w.run([]Lane{{Name: "hook", Target: hook}})
			w.pass(time.Minute)
			if made := n - left; hook.count() != made || w.states("hook").Delivered != made {
				t.Errorf("%d of %d made", hook.count(), made)
			}
			if w.accept("hook"); n == 1 && w.d.Pending() != 1 {
				t.Errorf("%d pending, want the one in flight", w.d.Pending())
			}
		})
	}
}

func TestAttemptsInFlightEndBeforeRunReturnsAndNoneBegins(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = 10 * time.Second
		w.run([]Lane{{Name: "hook", Target: hook}})
		for range 5 {
			w.accept("hook")
		}
		began := time.Now()
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("stopping took %s", took)
		}
		if got := w.states("hook"); got.Delivered != 1 || got.Pending != 4 || hook.count() != 1 || !hook.wasClosed() {
			t.Errorf("%+v after %d attempts, closed: %t", got, hook.count(), hook.wasClosed())
		}
	})
}

func TestAttemptCutShortAtTheEndOfTheGraceIsRecordedAsRetry(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Hour
		w.run([]Lane{{Name: "hook", Target: hook}}, func(c *Config) { c.Grace = 3 * time.Second })
		key := w.accept("hook")[0]
		began := time.Now()
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("stopping took %s", took)
		}
		h := w.history(key)
		if len(h) != 1 || h[0].Outcome != event.Retry || h[0].State != event.Pending || h[0].Reason != reasonInterrupted {
			t.Errorf("history %+v", h)
		}
	})
}

func TestStoreThatFailsAtTheStartIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.accept("hook")
		hook := w.target(takes)
		w.readErr = event.ErrUnavailable
		d := New(Config{Store: w.store, Recorder: w.store, Decode: func(ev *event.Event) error { ev.Fields = map[string]any{}; return nil }})
		d.SetLanes([]Lane{{Name: "hook", Target: hook}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		w.pass(time.Hour)
		w.with(func() { w.readErr = nil })
		w.pass(5 * time.Second)
		if hook.count() != 1 {
			t.Errorf("%d attempts 5s after the store came back", hook.count())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
