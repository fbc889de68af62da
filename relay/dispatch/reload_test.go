package dispatch

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestReloadSendsThroughTheNewTargetAtOnceAndClosesTheOldOneAfterItsLastAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before, after := w.target(takes), w.target(takes)
		before.take, after.take = 10*time.Second, time.Second
		w.run([]Lane{{Name: "hook", Target: before, Concurrency: 2}})
		w.accept("hook")
		w.reload([]Lane{{Name: "hook", Target: after, Concurrency: 3}})
		for range 6 {
			w.accept("hook")
		}
		w.pass(9 * time.Second)
		if before.count() != 1 || after.count() != 6 || after.mostAtOnce() != 2 || before.wasClosed() {
			t.Errorf("%d and %d attempts, %d at the same time beside one through the old target, closed: %t",
				before.count(), after.count(), after.mostAtOnce(), before.wasClosed())
		}
		w.pass(2 * time.Second)
		if !before.wasClosed() || after.wasClosed() || w.states("hook").Delivered != 7 {
			t.Errorf("old closed: %t, new closed: %t", before.wasClosed(), after.wasClosed())
		}
		if n := w.asked(); n != 0 {
			t.Errorf("the store was asked %d times about deliveries that were in memory", n)
		}
	})
}

func TestAttemptThroughTheOldTargetDoesNotHoldTheNewOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before, after := w.target(broken), w.target(takes)
		before.take = 10 * time.Second
		w.run([]Lane{{Name: "hook", Target: before}})
		w.accept("hook")
		w.reload([]Lane{{Name: "hook", Target: after}})
		w.pass(time.Minute)
		if s := w.status("hook"); s.Held || s.Delivered != 1 || len(w.holds) != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestReloadThatChangesNothingKeepsTheTargetAndItsRate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		lanes := []Lane{{Name: "hook", Target: hook, Rate: 1}}
		w.run(lanes)
		for range 100 {
			w.accept("hook")
		}
		for range 100 {
			w.reload(lanes)
			w.pass(100 * time.Millisecond)
		}
		if n := hook.count(); n < 10 || n > 11 || hook.wasClosed() {
			t.Errorf("%d attempts in 10s at 1/s, closed: %t", n, hook.wasClosed())
		}
	})
}

func TestDeliveriesOfATargetThatIsGoneWaitVisiblyUntilItReturns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook, other := w.target(takes), w.target(takes)
		hook.take = time.Second
		w.run([]Lane{{Name: "hook", Target: hook}, {Name: "other", Target: other}})
		for range 3 {
			w.accept("hook", "other")
		}
		w.reload([]Lane{{Name: "other", Target: other}})
		w.accept("hook", "other") // decided before the reload, committed after it
		w.pass(48 * time.Hour)
		l := w.d.lane("hook")
		l.mu.Lock()
		if len(l.keys) != 0 {
			t.Errorf("%d deliveries are still in memory", len(l.keys))
		}
		l.mu.Unlock()
		if s := w.status("hook"); s.Kind != "" || s.Pending != 3 || hook.count() != 1 || !hook.wasClosed() || w.d.Pending() != 3 {
			t.Errorf("%d attempts, closed: %t, status %+v", hook.count(), hook.wasClosed(), s)
		}
		if other.count() != 4 {
			t.Errorf("%d deliveries to the other target", other.count())
		}
		again := w.target(takes)
		w.reload([]Lane{{Name: "other", Target: other}, {Name: "hook", Target: again}})
		w.pass(time.Second)
		if s := w.status("hook"); s.Kind != "fake" || s.Delivered != 4 || again.count() != 3 {
			t.Errorf("%d attempts after the return, status %+v", again.count(), s)
		}
	})
}

func TestTargetThatIsGoneAndBackWhileAnAttemptIsInFlightIsNotSentTheSameTwice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first, second, third := w.target(takes), w.target(takes), w.target(takes)
		first.take = 10 * time.Second
		w.run([]Lane{{Name: "hook", Target: first}})
		w.accept("hook")
		w.accept("hook")
		w.reload(nil)
		w.pass(time.Second)
		w.reload([]Lane{{Name: "hook", Target: second}})
		w.pass(time.Second)
		w.reload([]Lane{{Name: "hook", Target: third}})
		w.pass(time.Minute)
		if first.count() != 1 || second.count() != 0 || third.count() != 1 { // one at a time
			t.Errorf("%d, %d and %d attempts", first.count(), second.count(), third.count())
		}
		if !first.wasClosed() || !second.wasClosed() || third.wasClosed() {
			t.Errorf("closed: %t, %t, %t; want what is not in force closed", first.wasClosed(), second.wasClosed(), third.wasClosed())
		}
	})
}

func TestReloadBackToTheSameTargetWhileAnAttemptIsInFlightKeepsIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook, other := w.target(takes), w.target(takes)
		hook.take = 10 * time.Second
		lanes := []Lane{{Name: "hook", Target: hook}}
		w.run(lanes)
		w.accept("hook")
		w.reload([]Lane{{Name: "hook", Target: other}})
		w.reload(lanes)
		w.accept("hook")
		w.pass(time.Minute)
		if hook.count() != 2 || hook.wasClosed() || !other.wasClosed() {
			t.Errorf("%d attempts, closed: %t; the other closed: %t", hook.count(), hook.wasClosed(), other.wasClosed())
		}
	})
}

func TestReloadProbesATargetOnHoldAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run([]Lane{{Name: "hook", Target: w.target(broken)}})
		w.accept("hook")
		w.accept("hook")
		w.reload([]Lane{{Name: "hook", Target: w.target(takes)}})
		synctest.Wait()
		if s := w.status("hook"); s.Held || s.Delivered == 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDeliveriesOfRecipientsThatAreGoneWaitAndThoseOfNewOnesAreFound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.accept("mail.a", "mail.b")
		ab, bc := w.target(takes), w.target(takes)
		ab.rcpt, bc.rcpt = []string{"a"}, []string{"b", "c"}
		w.run([]Lane{{Name: "mail", Target: ab}})
		w.accept("mail.a", "mail.c")
		if a := w.states("mail.a"); a.Delivered != 2 || ab.count() != 2 {
			t.Errorf("a %+v", a)
		}
		w.reload([]Lane{{Name: "mail", Target: bc}})
		w.accept("mail.a")
		w.pass(time.Second)
		if a, b, c := w.states("mail.a"), w.states("mail.b"), w.states("mail.c"); a.Pending != 1 || b.Delivered != 1 || c.Delivered != 1 {
			t.Errorf("a %+v, b %+v, c %+v", a, b, c)
		}
		if s := w.status("mail"); s.Pending != 1 || s.Delivered != 4 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDeliveryInTheQueueForARecipientThatIsGoneIsNotSent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ab, b := w.target(takes), w.target(takes)
		ab.rcpt, b.rcpt = []string{"a", "b"}, []string{"b"}
		ab.take = time.Second
		w.run([]Lane{{Name: "mail", Target: ab}})
		w.accept("mail.b")
		w.accept("mail.a", "mail.b")
		w.reload([]Lane{{Name: "mail", Target: b}})
		w.pass(time.Minute)
		if sent := b.messages(); len(sent) != 1 || sent[0].Recipient != "b" {
			t.Errorf("%d sent through the new target", len(sent))
		}
		if a := w.states("mail.a"); a.Pending != 1 {
			t.Errorf("a %+v", a)
		}
	})
}

func TestFailuresBeforeAReloadAreNotCountedAgainstTheNewTarget(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run([]Lane{{Name: "hook", Target: w.target(busy)}})
		for range failuresToHold - 1 {
			w.accept("hook")
		}
		w.reload([]Lane{{Name: "hook", Target: w.target(busy)}})
		if w.accept("hook"); w.status("hook").Held {
			t.Error("held after one failure")
		}
	})
}

func TestTargetsGivenAfterTheEndAreClosed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first, second := w.target(takes), w.target(takes)
		w.run([]Lane{{Name: "hook", Target: first}})
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.reload([]Lane{{Name: "hook", Target: second}})
		if !first.wasClosed() || !second.wasClosed() {
			t.Errorf("closed: %t, %t", first.wasClosed(), second.wasClosed())
		}
	})
}
