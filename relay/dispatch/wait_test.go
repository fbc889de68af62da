package dispatch

import (
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

func TestMaxAgeIsKeptWhileTheTargetIsHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(broken)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{Initial: time.Minute, MaxAge: 2 * time.Hour}}})
		for range 1200 {
			w.accept("hook")
		}
		if err := w.d.Hold("hook", "for days"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		for range 10 {
			w.accept("hook")
		}
		w.pass(time.Hour + 2*time.Minute)
		if s := w.status("hook"); s.Dead != 1200 || s.Pending != 10 {
			t.Errorf("status %+v", s)
		}
		if age := time.Since(w.status("hook").Oldest); age > 65*time.Minute {
			t.Errorf("the oldest pending is said to be %s old", age)
		}
		w.pass(time.Hour)
		if s := w.status("hook"); s.Dead != 1210 || s.Pending != 0 || !s.Held || hook.count() != 1 {
			t.Errorf("%d attempts, status %+v", hook.count(), s)
		}
		if n := w.log.lines("level=ERROR msg=\"deliveries are dead\""); n == 0 || n > 10 {
			t.Errorf("%d lines about 1210 dead letters", n)
		}
	})
}

func TestManyTriedDeliveriesDoNotHideTheOneWhoseTimeIsUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, breakIt := switched(func(*target.Message) target.Result {
			return target.Result{Outcome: event.Retry, Reason: "429", RetryAfter: time.Nanosecond}
		}, broken)
		hook := w.target(answer)
		hook.take = time.Millisecond
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 1000, Retry: Schedule{Initial: time.Hour, MaxAge: 30 * time.Hour}}},
			func(c *Config) { c.Rand = func() float64 { return 0.9 } })
		old := w.accept("hook")[0] // its next attempt is the last to be due
		w.pass(30 * time.Minute)
		if err := w.d.Hold("hook", "for days"); err != nil {
			t.Fatal(err)
		}
		breakIt()
		w.waiting(3000, "hook", time.Minute)
		w.pass(30*time.Hour - 29*time.Minute)
		if h := w.history(old); h[len(h)-1].State != event.Dead {
			t.Errorf("the oldest of 3001 is still %s", h[len(h)-1].State)
		}
	})
}

func TestRetryAfterMakesTheWholeTargetWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := 0
		hook := w.target(func(m *target.Message) target.Result {
			if n++; n == 1 {
				return target.Result{Outcome: event.Retry, Status: 429, Reason: "429", RetryAfter: 10 * time.Minute}
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook}})
		key := w.accept("hook")[0]
		for range 20 {
			w.accept("hook")
		}
		w.pass(10*time.Minute - time.Second)
		if hook.count() != 1 {
			t.Errorf("%d attempts before the ten minutes were over", hook.count())
		}
		if next := w.history(key)[0].NextAt.Sub(hook.when()[0]); next != 10*time.Minute {
			t.Errorf("the delivery itself is due after %s", next)
		}
		w.pass(3 * time.Second)
		if got := w.states("hook").Delivered; got != 21 {
			t.Errorf("delivered %d after the wait", got)
		}
	})
}

func TestTargetOnHoldIsNotProbedBeforeTheTimeItAskedForSinceThen(t *testing.T) {
	for what, took := range map[string]time.Duration{
		"before the probe":          time.Second,
		"while the probe is sought": firstProbe + time.Second/2,
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				answer, mend := switched(busy, takes)
				hook := w.target(func(m *target.Message) target.Result {
					if m.Event.Subject != "slow" || m.Attempt > 1 {
						return answer(m)
					}
					time.Sleep(took)
					return target.Result{Outcome: event.Retry, Status: 429, Reason: "429", RetryAfter: 10 * time.Minute}
				})
				w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 8}})
				w.with(func() { w.onClaim = func() { time.Sleep(time.Second) } })
				w.acceptAbout("slow", "hook")
				for range failuresToHold {
					w.accept("hook")
				}
				mend()
				w.pass(took)
				if s := w.status("hook"); !s.Held || !s.NextProbe.Equal(s.Waiting) {
					t.Errorf("status %+v", s)
				}
				w.pass(10*time.Minute - time.Second)
				if n := hook.count(); n != failuresToHold+1 {
					t.Errorf("%d attempts before the ten minutes were over", n-failuresToHold-1)
				}
				w.pass(5 * time.Second)
				if s := w.status("hook"); s.Held || s.Delivered == 0 {
					t.Errorf("after them: %+v", s)
				}
			})
		})
	}
}

func TestRetryAfterIsCappedAndDoesNotOutliveTheDelivery(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(func(*target.Message) target.Result {
			return target.Result{Outcome: event.Retry, Reason: "503", RetryAfter: 1000 * time.Hour}
		})
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{MaxAge: 30 * time.Hour}}})
		key := w.accept("hook")[0]
		w.pass(24*time.Hour + time.Minute)
		if hook.count() != 2 {
			t.Errorf("%d attempts after 24h", hook.count())
		}
		w.pass(6 * time.Hour)
		if h := w.history(key); h[len(h)-1].State != event.Dead {
			t.Errorf("history %+v", h)
		}
	})
}

func TestAttemptsAnsweredWithRetryAfterAtTheSameTimeCountAsOneFailure(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(func(*target.Message) target.Result {
			return target.Result{Outcome: event.Retry, Reason: "429", RetryAfter: time.Minute}
		})
		hook.take = time.Second
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 20}})
		for range 100 {
			w.accept("hook")
		}
		w.pass(2 * time.Second)
		if w.status("hook").Held || hook.count() != 20 {
			t.Errorf("%d attempts, held: %t", hook.count(), w.status("hook").Held)
		}
		w.pass(5 * time.Minute)
		if !w.status("hook").Held {
			t.Error("not held after five rounds of nothing else")
		}
	})
}

func TestFailureThatRepeatsForDaysIsLoggedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(busy)
		w.run([]Lane{{Name: "hook", Target: hook}})
		for range 10 {
			w.accept("hook")
		}
		w.pass(48 * time.Hour)
		if n := w.log.lines("attempt failed"); n != 1 {
			t.Errorf("%d lines about %d failed attempts", n, hook.count())
		}
		if n := w.log.lines("target on hold"); n != 1 {
			t.Errorf("%d lines about one hold", n)
		}
	})
}

func TestDeliveryInFlightIsNeitherProbedNorDeclaredDead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var slow string
		hook := w.target(func(m *target.Message) target.Result {
			if m.DeliveryID != slow {
				return broken(m)
			}
			time.Sleep(10 * time.Minute)
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 2, Retry: Schedule{MaxAge: 5 * time.Minute}}})
		ev := w.event()
		slow = outbox.Key{Event: ev.ID, Address: "hook"}.String()
		w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
		w.accept("hook")
		w.pass(9 * time.Minute)
		if s := w.status("hook"); !s.Held || s.Dead != 1 || s.Pending != 1 {
			t.Errorf("while it is in flight: %+v", s)
		}
		w.pass(2 * time.Minute)
		if s := w.status("hook"); s.Held || s.Delivered != 1 || s.Dead != 1 {
			t.Errorf("when it has been taken: %+v", s)
		}
	})
}

func TestDeliveryWhoseTimeIsUpIsNotProbed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(broken)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{MaxAge: 90 * time.Second}}}, func(c *Config) { c.Probe = 50 * time.Second })
		w.accept("hook")
		w.pass(105 * time.Second)
		if s := w.status("hook"); hook.count() != 2 || s.Dead != 1 {
			t.Errorf("%d attempts, status %+v", hook.count(), s)
		}
	})
}
