package dispatch

import (
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// clockAhead is how wrong the clock of these tests is until it is put right.
const clockAhead = 24 * time.Hour

func slowest(c *Config) { c.Rand = func() float64 { return 0.99 } }

func TestRetryPlannedByAClockThatWasAheadIsMadeWithinRetryMaxOfItsCorrection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(busy, takes)
		w.gain.Store(int64(clockAhead))
		w.run([]Lane{{Name: "hook", Target: w.target(answer)}}, slowest)
		w.accept("hook")
		w.gain.Store(0)
		mend()
		w.pass(time.Hour)
		if s := w.status("hook"); s.Delivered != 1 {
			t.Errorf("an hour after the correction: %+v", s)
		}
	})
}

func TestRetriesAreMadeInTimeThoughTheClockIsSetBackWhileTheyAreRead(t *testing.T) {
	for _, reading := range []int{1, 2, 3} {
		inWorld(t, func(t *testing.T, w *world) {
			w.gain.Store(int64(clockAhead))
			w.run([]Lane{{Name: "hook", Target: w.target(func(m *target.Message) target.Result {
				if m.Attempt <= reading {
					return busy(m)
				}
				return takes(m)
			})}}, slowest)
			n := 0
			w.with(func() {
				w.onClaim = func() {
					if n++; n == reading {
						w.gain.Store(0)
						w.d.now()                   // whoever asks first notices
						time.Sleep(2 * time.Second) // housekeeping takes it back meanwhile
					}
				}
			})
			w.accept("hook")
			w.pass(time.Hour)
			w.accept("hook")
			w.pass(2 * time.Hour)
			if s := w.status("hook"); n < reading || s.Delivered != 2 {
				t.Errorf("while it was read the %d. time of %d: %+v", reading, n, s)
			}
		})
	}
}

func TestRetriesOfManyAreBroughtForwardWhileTheTargetIsHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gain.Store(int64(clockAhead))
		w.waiting(2500, "hook", 30*time.Minute)
		w.run([]Lane{{Name: "hook", Target: w.target(takes)}})
		if err := w.d.Hold("hook", "by hand"); err != nil {
			t.Fatal(err)
		}
		w.gain.Store(0)
		w.pass(2 * time.Minute)
		late := 0
		w.with(func() {
			for _, r := range w.store.waiting["hook"] {
				if r.nextAt.After(w.now().Add(time.Hour)) {
					late++
				}
			}
		})
		if late > 0 || w.advanced() != 3 {
			t.Errorf("%d of 2500 still wait for a wrong time, after %d batches", late, w.advanced())
		}
	})
}

func TestRetriesPlannedBeforeARestartByAClockThatWasAheadAreNotWaitedFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gain.Store(int64(100 * clockAhead))
		w.run([]Lane{{Name: "hook", Target: w.target(busy)}}, slowest)
		w.accept("hook")
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.gain.Store(0)
		w.run([]Lane{{Name: "hook", Target: w.target(takes)}})
		w.pass(target.MaxRetryAfter + time.Minute)
		if s := w.status("hook"); s.Delivered != 1 {
			t.Errorf("a day after the start: %+v", s)
		}
	})
}

func TestRestartLeavesTheScheduleAsItIs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(1, "hook", 50*time.Minute)
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.pass(49 * time.Minute)
		if hook.count() != 0 || w.advanced() != 0 {
			t.Errorf("%d attempts too early, %d batches brought forward", hook.count(), w.advanced())
		}
	})
}

func TestHoldBegunByAClockThatWasAheadIsProbedAfterItsCorrection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(broken, takes)
		w.gain.Store(int64(clockAhead))
		w.run([]Lane{{Name: "hook", Target: w.target(answer)}})
		w.accept("hook")
		w.accept("hook")
		w.gain.Store(0)
		mend()
		w.pass(2*time.Minute + time.Second)
		if s := w.status("hook"); s.Held || s.Delivered != 2 {
			t.Errorf("two minutes after the correction: %+v", s)
		}
	})
}

func TestWaitAskedForWhileTheClockWasAheadEndsInTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(func(m *target.Message) target.Result {
			if m.Attempt == 1 && m.Event.Subject == "first" {
				return target.Result{Outcome: event.Retry, Reason: "429", RetryAfter: 10 * time.Minute}
			}
			return takes(m)
		})
		w.gain.Store(int64(clockAhead))
		w.run([]Lane{{Name: "hook", Target: hook}})
		ev := w.event()
		ev.Subject = "first"
		w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
		synctest.Wait()
		w.gain.Store(0)
		w.accept("hook")
		w.pass(9 * time.Minute)
		if n := hook.count(); n != 1 {
			t.Errorf("%d attempts before the ten minutes were over", n)
		}
		w.pass(2 * time.Minute)
		if s := w.status("hook"); s.Delivered != 1 {
			t.Errorf("after the ten minutes: %+v", s)
		}
	})
}

func TestRateGoesOnWhenTheClockIsSetBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.gain.Store(int64(clockAhead))
		w.run([]Lane{{Name: "hook", Target: hook, Rate: 1}})
		for range 600 {
			w.accept("hook")
		}
		w.pass(10 * time.Second)
		w.gain.Store(0)
		w.pass(5 * time.Minute)
		if n := hook.count(); n < 240 || n > 312 {
			t.Errorf("%d attempts in 310s at 1/s", n)
		}
	})
}

func TestClockThatIsSetBackAgainAndAgainOrSlowlyIsNoticed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := newClock(w.now)
		var noticed time.Duration
		for i, by := range []time.Duration{0, time.Hour, 0, -time.Second, -2 * time.Second, -3 * time.Second, 0, -time.Minute, time.Minute, -10 * time.Second} {
			time.Sleep(time.Minute)
			w.gain.Add(int64(by))
			back, _ := c.taken()
			if noticed += back; back < 0 {
				t.Errorf("step %d: %s", i, back)
			}
		}
		if want := 6*time.Second + time.Minute + 10*time.Second; noticed != want {
			t.Errorf("noticed %s, want %s", noticed, want)
		}
	})
}
