package dispatch

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

func TestHundredThousandDeliveriesOverflowToDiskAndArriveOnceEach(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const n = 100_000
		calls := 0
		hook := w.target(func(m *target.Message) target.Result {
			if calls++; calls%10 == 0 {
				time.Sleep(time.Millisecond)
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook}})
		rnd := rand.New(rand.NewPCG(1, 1))
		var late []*outbox.Entry
		for i := range n {
			e := &outbox.Entry{Event: w.event(), To: []outbox.Address{"hook"}}
			if rnd.IntN(10) == 0 { // its id is given now, its commit is later
				late = append(late, e)
			} else {
				w.put(e)
			}
			if len(late) > 300 {
				rnd.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
				w.put(late...)
				late = nil
			}
			if i%100 == 0 {
				w.pass(5 * time.Millisecond) // twice as fast as the target
			}
		}
		w.put(late...)
		synctest.Wait()
		if got := w.d.Pending(); got < n/3 {
			t.Fatalf("only %d pending: nothing has overflowed", got)
		}
		w.pass(time.Minute)
		if s := w.status("hook"); s.Delivered != n || s.Pending != 0 || hook.count() != n {
			t.Errorf("%d attempts, status %+v", hook.count(), s)
		}
		if got := w.asked(); got > n/200 {
			t.Errorf("%d claims for %d deliveries", got, n)
		}
		// And back: nothing on disk, nothing asked.
		before := w.asked()
		for range 100 {
			w.accept("hook")
		}
		w.pass(time.Minute)
		if w.asked() != before || w.states("hook").Delivered != n+100 {
			t.Errorf("%d claims for what fits in memory", w.asked()-before)
		}
	})
}

func TestDeliveryCommittedLateWithAnOlderIDIsNotForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = 10 * time.Millisecond
		w.run([]Lane{{Name: "hook", Target: hook}})
		late := w.event()
		for range 3 * queueCap { // the lane claims from disk, beyond late's id
			w.accept("hook")
		}
		w.pass(15 * time.Second)
		if w.asked() == 0 || w.d.Pending() == 0 {
			t.Fatal("the lane is not claiming")
		}
		w.put(&outbox.Entry{Event: late, To: []outbox.Address{"hook"}})
		w.pass(time.Minute)
		if s := w.status("hook"); s.Delivered != 3*queueCap+1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDeliveryOfferedWhileAClaimIsBeingReadIsNotForgottenNorDoubled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range 3 * queueCap {
			w.accept("hook")
		}
		hook := w.target(takes)
		hook.take = time.Millisecond
		offered := 0
		w.onClaim = func() {
			for range 7 {
				w.put(&outbox.Entry{Event: w.event(), To: []outbox.Address{"hook"}})
				offered++
			}
			time.Sleep(20 * time.Millisecond) // meanwhile attempts end, are committed, and retried
		}
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 4}})
		w.pass(10 * time.Second)
		w.with(func() { w.onClaim = nil })
		w.pass(time.Minute)
		if s := w.status("hook"); s.Delivered != 3*queueCap+offered || s.Pending != 0 {
			t.Errorf("%d offered meanwhile, status %+v", offered, s)
		}
	})
}

func TestRetryThatEndsWhileAClaimIsBeingReadIsNotTriedTwice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(50, "hook", time.Hour)
		hook := w.target(func(m *target.Message) target.Result {
			if m.Attempt%4 != 0 {
				return target.Result{Outcome: event.Rejected} // dead: must not be seen again
			}
			return busy(m)
		})
		hook.take = time.Millisecond
		w.onClaim = func() { time.Sleep(50 * time.Millisecond) }
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 4, Retry: Schedule{Initial: 10 * time.Millisecond}}})
		w.pass(2 * time.Hour)
		if hook.count() != 50 {
			t.Errorf("%d attempts for 50 deliveries", hook.count())
		}
	})
}

func TestDeliveriesAreTriedInTheOrderOfTheirEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range queueCap {
			w.accept("hook")
		}
		hook := w.target(takes)
		hook.take = time.Millisecond
		n := 0
		w.onClaim = func() {
			for range 20 {
				w.put(&outbox.Entry{Event: w.event(), To: []outbox.Address{"hook"}})
			}
			time.Sleep(time.Millisecond)
			if n++; n == 10 {
				w.onClaim = nil
			}
		}
		w.run([]Lane{{Name: "hook", Target: hook}})
		for range 3 * queueCap {
			w.accept("hook")
		}
		w.pass(time.Minute)
		last := int64(0)
		for i, m := range hook.messages() {
			if m.Event.ID.Seq() < last {
				t.Fatalf("attempt %d is of an older event than the one before", i+1)
			}
			last = m.Event.ID.Seq()
		}
		if got := w.states("hook"); got.Pending != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestRetriesAreFetchedInBatches(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const n = 2000
		calls := 0
		hook := w.target(func(m *target.Message) target.Result {
			if calls++; calls%4 != 0 {
				return busy(m)
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook}})
		for range n {
			w.put(&outbox.Entry{Event: w.event(), To: []outbox.Address{"hook"}})
		}
		w.pass(70 * time.Hour)
		if got := w.states("hook"); got.Delivered != n {
			t.Fatalf("%+v", got)
		}
		if retries, claims := hook.count()-n, w.asked(); claims > retries/4 {
			t.Errorf("%d claims for %d retries", claims, retries)
		}
	})
}

func TestStoreThatCannotBeReadIsAskedAgainAndDeliveriesGoOnWithinFiveSeconds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(5, "hook", time.Hour)
		for range 5 {
			w.accept("hook")
		}
		w.onCounts = func() { w.with(func() { w.readErr = event.ErrUnavailable }) }
		w.run([]Lane{{Name: "hook", Target: w.target(takes)}})
		w.pass(3 * time.Hour)
		if s := w.status("hook"); s.Pending != 10 {
			t.Fatalf("status %+v", s)
		}
		if n := w.log.lines("level=WARN msg=\"deliveries cannot be read"); n != 1 {
			t.Errorf("%d warnings in three hours", n)
		}
		w.with(func() { w.readErr = nil })
		w.pass(5 * time.Second)
		if s := w.status("hook"); s.Delivered != 10 {
			t.Errorf("5s after the fault ended: %+v", s)
		}
	})
}

func TestDeliveriesThatAClaimLeftOutAreFoundWithinAMinute(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.accept("hook")
		hook := w.target(takes)
		w.damaged = 1
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.pass(time.Hour)
		w.with(func() { w.damaged = 0 })
		w.pass(time.Minute)
		if got := w.states("hook"); got.Delivered != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestDamagedRowsThatAClaimLeavesOutDoNotHideTheOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range 3 * claimBatch {
			w.accept("hook")
		}
		w.damaged = 1
		w.run([]Lane{{Name: "hook", Target: w.target(takes)}})
		w.pass(time.Second)
		if got := w.states("hook"); got.Pending > 10 {
			t.Errorf("%+v", got)
		}
	})
}
