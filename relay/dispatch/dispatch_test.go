package dispatch

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

func TestDeliveryIsMadeAndRecordedWithoutAskingTheStore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		for range 100 {
			w.accept("hook")
		}
		if got := w.states("hook"); got.Delivered != 100 || hook.count() != 100 || w.d.Pending() != 0 {
			t.Errorf("delivered %d in %d attempts, %d pending", got.Delivered, hook.count(), w.d.Pending())
		}
		if n := w.asked(); n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
		m := hook.messages()[0]
		if m.Attempt != 1 || m.DeliveryID != (outbox.Key{Event: m.Event.ID, Address: "hook"}).String() {
			t.Errorf("sent as attempt %d of %s", m.Attempt, m.DeliveryID)
		}
	})
}

func TestDuplicateEntryIsNotDelivered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.d.Offer([]*outbox.Entry{{Event: w.event(), To: []outbox.Address{"hook"}, Duplicate: true}})
		w.pass(time.Second)
		if hook.count() != 0 || w.d.Pending() != 0 {
			t.Errorf("%d attempts, %d pending", hook.count(), w.d.Pending())
		}
	})
}

func TestDeliveryIsTriedForDaysUntilItsTargetTakesIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(busy, takes)
		hook := w.target(answer)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{MaxAge: 96 * time.Hour}}})
		key := w.accept("hook")[0]
		w.pass(72 * time.Hour)
		before := hook.count()
		mend()
		w.pass(time.Minute)
		if hook.count() != before+1 || w.states("hook").Delivered != 1 {
			t.Errorf("after three days: %d attempts, then %d; delivered %d", before, hook.count(), w.states("hook").Delivered)
		}
		for i, a := range w.history(key) {
			if a.Number != i+1 || a.Tries < 1 {
				t.Fatalf("attempt %d was recorded as number %d with %d tries", i+1, a.Number, a.Tries)
			}
		}
	})
}

func TestFailedDeliveryIsTriedAgainOnItsSchedule(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		failures := 4
		hook := w.target(func(m *target.Message) target.Result {
			if m.Attempt <= failures {
				return busy(m)
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook}}, func(c *Config) { c.Rand = func() float64 { return 0.5 } })
		w.accept("hook")
		w.pass(5 * time.Minute)
		for i, want := range []time.Duration{2500, 5000, 10000, 20000} {
			want *= time.Millisecond
			// Claims of retries are batched by up to a second.
			if got := hook.when()[i+1].Sub(hook.when()[i]); got < want || got > want+1500*time.Millisecond {
				t.Errorf("attempt %d came %s after the one before, want %s", i+2, got, want)
			}
		}
		if w.states("hook").Delivered != 1 {
			t.Error("not delivered")
		}
	})
}

func TestRejectedDeliveryIsDeadAtOnceAndHoldsNobodyUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(func(m *target.Message) target.Result {
			if m.Event.Subject == "bad" {
				return target.Result{Outcome: event.Rejected, Status: 422, Reason: "422"}
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook}})
		bad := w.event()
		bad.Subject = "bad"
		w.put(&outbox.Entry{Event: bad, To: []outbox.Address{"hook"}})
		w.accept("hook")
		w.pass(time.Hour)
		if got := w.states("hook"); got.Dead != 1 || got.Delivered != 1 || hook.count() != 2 {
			t.Errorf("%+v after %d attempts", got, hook.count())
		}
		if w.log.lines("level=ERROR msg=\"delivery is dead\"") != 1 {
			t.Error("the dead letter is not in the log as an error")
		}
	})
}

func TestDeliveryWhoseTimeIsUpIsDeadWithASentence(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(busy)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{Initial: time.Minute, Max: time.Minute, MaxAge: 150 * time.Second}}},
			func(c *Config) { c.Rand = func() float64 { return 0.999 } })
		key := w.accept("hook")[0]
		w.pass(151 * time.Second)
		h := w.history(key)
		last := h[len(h)-1]
		if last.State != event.Dead || last.Outcome != 0 || last.Number != 3 ||
			last.Reason != "503; its time is up: not delivered within 2m30s of its receipt (retry.max_age)" {
			t.Errorf("ended as %+v", last)
		}
		if s := w.status("hook"); s.Dead != 1 || s.Pending != 0 || !s.Oldest.IsZero() {
			t.Errorf("status %+v", s)
		}
	})
}

func TestHangingTargetDelaysOnlyItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		good, bad := w.target(takes), w.target(busy)
		bad.take = 15 * time.Second
		w.run([]Lane{{Name: "good", Target: good}, {Name: "bad", Target: bad, Concurrency: 4}})
		for range 500 {
			w.accept("bad", "good")
			if got := w.states("good").Pending; got != 0 {
				t.Fatalf("%d deliveries wait for the target that works", got)
			}
			w.pass(100 * time.Millisecond)
		}
		if s := w.status("bad"); s.Pending != 500 || !s.Held {
			t.Errorf("status of the hanging one %+v", s)
		}
	})
}

func TestConcurrencyIsKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Second
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 3}})
		for range 30 {
			w.accept("hook")
		}
		w.pass(10 * time.Second)
		if hook.mostAtOnce() != 3 || w.states("hook").Delivered != 30 {
			t.Errorf("%d attempts at the same time, %d delivered after 10s; want 3 and 30", hook.mostAtOnce(), w.states("hook").Delivered)
		}
	})
}

func TestRateIsKeptAndUsed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = 2 * time.Second // several at the same time are needed
		w.run([]Lane{{Name: "hook", Target: hook, Rate: 2, Burst: 5, Concurrency: 8}})
		for range 100 {
			w.accept("hook")
		}
		w.pass(10 * time.Second)
		if n := hook.count(); n != 25 {
			t.Errorf("%d attempts in 10s, want 5 at once and 2 a second", n)
		}
		w.pass(time.Minute)
		if got := w.states("hook").Delivered; got != 100 {
			t.Errorf("delivered %d of 100", got)
		}
	})
}

func TestSlowAttemptsStartAtTheRateAndNotWhenOthersEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Minute
		w.run([]Lane{{Name: "hook", Target: hook, Rate: 1, Concurrency: 30}})
		for range 30 {
			w.accept("hook")
		}
		w.pass(20*time.Second + time.Millisecond)
		if n := hook.count(); n != 21 {
			t.Errorf("%d attempts begun in 20s", n)
		}
	})
}

func TestIdleLanesHaveNoGoroutine(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var lanes []Lane
		var to []outbox.Address
		for i := range 300 {
			name := fmt.Sprintf("hook-%d", i)
			lanes, to = append(lanes, Lane{Name: name, Target: w.target(takes)}), append(to, outbox.Address(name))
		}
		before := runtime.NumGoroutine()
		w.run(lanes)
		w.accept(to...)
		w.pass(time.Minute)
		if n := runtime.NumGoroutine() - before; n > 5 || w.d.Pending() != 0 {
			t.Errorf("%d goroutines for 300 idle lanes, %d pending", n, w.d.Pending())
		}
	})
}

func TestEachRecipientHasADeliveryOfItsOwn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mail := w.target(func(m *target.Message) target.Result {
			if m.Recipient == "b" && m.Attempt == 1 {
				return busy(m)
			}
			return takes(m)
		})
		mail.rcpt = []string{"a", "b"}
		w.run([]Lane{{Name: "mail", Target: mail}})
		w.accept("mail.a", "mail.b")
		w.pass(time.Minute)
		if a, b := w.states("mail.a"), w.states("mail.b"); a.Delivered != 1 || b.Delivered != 1 || mail.count() != 3 {
			t.Errorf("a %+v, b %+v in %d attempts", a, b, mail.count())
		}
		if s := w.status("mail"); s.Delivered != 2 || s.Pending != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRetryThatBecomesDueWhileOthersAreBeingClaimedIsNotForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(1, "hook", time.Second)
		w.waiting(1, "hook", time.Hour)
		hook := w.target(func(m *target.Message) target.Result {
			if m.Attempt == 1 {
				return busy(m)
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.pass(500 * time.Millisecond)
		w.with(func() { w.onClaim = func() { time.Sleep(2 * time.Second) } })
		w.pass(time.Second) // the claim is being read
		w.accept("hook")    // fails, and is committed meanwhile
		w.with(func() { w.onClaim = nil })
		w.pass(10 * time.Second)
		if got := w.states("hook"); got.Delivered != 2 {
			t.Errorf("%+v", got)
		}
	})
}
