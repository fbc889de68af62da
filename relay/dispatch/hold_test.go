package dispatch

import (
	"errors"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

func TestHeldTargetIsProbedOnceAMinuteWithItsOldestDeliveryEveryOtherTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(broken)
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 8}})
		keys := w.accept("hook")
		for range 20 {
			w.pass(time.Second)
			keys = append(keys, w.accept("hook")...)
		}
		w.pass(10*time.Minute - 20*time.Second)
		want := []outbox.Key{keys[0]}
		for i := range 5 {
			want = append(want, keys[0], keys[i+1])
		}
		sent := hook.messages()
		if len(sent) != len(want) {
			t.Fatalf("%d attempts in ten minutes, want the first and ten probes", len(sent))
		}
		for i, m := range sent {
			if m.DeliveryID != want[i].String() {
				t.Errorf("attempt %d is of another delivery", i+1)
			}
		}
		if n := sent[9].Attempt; n != 6 {
			t.Errorf("the sixth attempt of the oldest is number %d", n)
		}
		s := w.status("hook")
		if !s.Held || s.ByHand || s.HeldReason != "404: the hook is gone" || s.Pending != 21 || !s.HeldSince.Equal(hook.when()[0]) {
			t.Errorf("status %+v", s)
		}
	})
}

func TestOneMessageATargetCannotTakeDoesNotKeepTheOthersWaiting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var poison string
		hook := w.target(func(m *target.Message) target.Result {
			if m.DeliveryID == poison {
				return busy(m)
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook}})
		ev := w.event()
		poison = outbox.Key{Event: ev.ID, Address: "hook"}.String()
		w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
		w.pass(10 * time.Minute)
		if !w.status("hook").Held {
			t.Fatal("not held although nothing but failures was seen")
		}
		w.accept("hook")
		w.pass(2*time.Minute + time.Second)
		if s := w.status("hook"); s.Delivered != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestFiveFailuresInARowHoldATargetAndProbesSlowDownToOneAMinute(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(busy)
		w.run([]Lane{{Name: "hook", Target: hook}})
		for range 4 {
			w.accept("hook")
		}
		if w.status("hook").Held {
			t.Fatal("held after four failures")
		}
		w.accept("hook")
		if s := w.status("hook"); !s.Held || s.HeldReason != "five failures in a row, the last: 503" {
			t.Fatalf("after five: %+v", s)
		}
		w.pass(5 * time.Minute)
		at := hook.when()[4:]
		for i, want := range []time.Duration{10, 20, 40, 60, 60} {
			if got := at[i+1].Sub(at[i]); got != want*time.Second {
				t.Errorf("probe %d came after %s, want %ds", i+1, got, want)
			}
		}
	})
}

func TestEachProbeInVainIsInTheLogWithTheTimeUntilTheNext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(busy, takes)
		w.run([]Lane{{Name: "hook", Target: w.target(answer)}})
		for range 6 {
			w.accept("hook")
		}
		for i, line := range []string{
			`err=503 held_for=10s next_probe_in=20s`, `err=503 held_for=30s next_probe_in=40s`, `err=503 held_for=1m10s next_probe_in=1m0s`,
		} {
			w.pass(firstProbe << i)
			if n := w.log.lines("still on hold"); n != i+1 || w.log.lines(line) != 1 {
				t.Errorf("after probe %d there are %d lines, want one more with %s", i+1, n, line)
			}
		}
		mend()
		w.pass(2 * time.Minute)
		if n := w.log.lines("still on hold"); n != 3 || w.log.lines("target released") != 1 {
			t.Errorf("%d lines about probes in vain after the one that was not", n)
		}
	})
}

func TestWhatATargetOnHoldCannotBeProbedWithIsLookedForAgainSoon(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(broken)
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.accept("hook")
		w.with(func() { w.damaged = 1 }) // of each claim: all there is
		w.pass(time.Minute + 4*time.Second)
		if n := w.log.lines("cannot be probed"); n != 1 || hook.count() != 1 {
			t.Errorf("%d lines that the probe was not made, and %d attempts", n, hook.count())
		}
		w.with(func() { w.damaged = 0 })
		w.pass(4 * time.Second)
		if n := hook.count(); n != 2 {
			t.Errorf("%d attempts soon after what waits can be read again, want the probe", n)
		}
		asked := w.asked()
		w.with(func() { w.damaged = 1 })
		w.pass(time.Hour)
		if n := w.asked() - asked; n > 150 {
			t.Errorf("%d claims in an hour in which there is nothing to find", n)
		}
	})
}

func TestSuccessOrRejectionInBetweenIsNotFiveFailuresInARow(t *testing.T) {
	for _, other := range []event.Outcome{event.Delivered, event.Rejected} {
		inWorld(t, func(t *testing.T, w *world) {
			n := 0
			hook := w.target(func(*target.Message) target.Result {
				if n++; n%5 == 0 {
					return target.Result{Outcome: other}
				}
				return target.Result{Outcome: event.Retry, Reason: "503"}
			})
			w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{Initial: time.Hour}}})
			for range 50 {
				w.accept("hook")
			}
			if w.status("hook").Held {
				t.Errorf("held although every fifth was %s", other)
			}
		})
	}
}

func TestHoldSurvivesARestartAndIsProbedThen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(broken)
		w.run([]Lane{{Name: "hook", Target: hook}})
		for range 3 {
			w.accept("hook")
		}
		since := w.status("hook").HeldSince
		w.pass(30 * time.Second)
		again := w.target(broken)
		w.restart([]Lane{{Name: "hook", Target: again}})
		if s := w.status("hook"); !s.Held || !s.HeldSince.Equal(since) {
			t.Errorf("status %+v", s)
		}
		w.pass(5*time.Minute - time.Second)
		if n := again.count(); n != 5 {
			t.Errorf("%d probes in five minutes after the restart", n)
		}
	})
}

func TestTargetHeldByFailuresIsNotHammeredAfterARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run([]Lane{{Name: "hook", Target: w.target(busy)}})
		for range 5 {
			w.accept("hook")
		}
		again := w.target(busy)
		w.restart([]Lane{{Name: "hook", Target: again}})
		w.pass(10 * time.Minute)
		if n := again.count(); n < 9 || n > 18 {
			t.Errorf("%d probes in ten minutes after the restart, want one a minute and a few more at first", n)
		}
	})
}

func TestHoldThatCannotBeRecordedIsInForceAndRecordedLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.with(func() { w.holdErr = event.ErrUnavailable })
		if err := w.d.Hold("hook", "by hand"); !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("Hold: %v", err)
		}
		w.accept("hook")
		w.pass(time.Hour)
		if hook.count() != 0 {
			t.Error("the hold is not in force")
		}
		w.with(func() { w.holdErr = nil })
		w.pass(5 * time.Second)
		w.with(func() {
			if h := w.holds["hook"]; !h.ByHand || h.Reason != "by hand" {
				t.Errorf("recorded %+v", h)
			}
		})
	})
}

func TestTargetOnHoldWithNothingToProbeIsProbedWithTheFirstDeliveryThatComes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.holds["hook"] = outbox.Hold{Target: "hook", Since: time.Now()}
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.pass(time.Hour + time.Second)
		w.accept("hook")
		if s := w.status("hook"); s.Delivered != 1 || s.Held {
			t.Errorf("status %+v", s)
		}
	})
}

func TestAttemptsCutShortByTheEndDoNotHoldTheirTarget(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Hour
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 10}})
		for range 10 {
			w.accept("hook")
		}
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		if len(w.holds) != 0 {
			t.Errorf("held: %+v", w.holds)
		}
	})
}
