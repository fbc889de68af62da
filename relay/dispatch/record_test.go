package dispatch

import (
	"errors"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

func TestAttemptWhoseEndCannotBeRecordedIsNotMadeAgainAndIsRecordedLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 2}})
		w.with(func() { w.recordErr = func(*outbox.Attempt) error { return event.ErrUnavailable } })
		for range 50 {
			w.accept("hook")
		}
		w.pass(3 * time.Hour)
		n := hook.count()
		if n == 0 || n > 2 || w.d.Pending() != 50 {
			t.Errorf("%d attempts while none could be recorded, %d pending", n, w.d.Pending())
		}
		w.found("hook") // a claim reads them all as pending
		w.with(func() { w.recordErr = nil })
		w.pass(5 * time.Second)
		if got := w.states("hook"); got.Delivered != 51 || hook.count() != 51 {
			t.Errorf("5s after the fault ended: %+v in %d attempts", got, hook.count())
		}
		if lines := w.log.lines("could not be recorded"); lines != 1 {
			t.Errorf("%d lines about three hours without commits", lines)
		}
	})
}

func TestNoMoreAttemptsThanConcurrencyCanBeRepeatedAfterACrash(t *testing.T) {
	const concurrency, events = 4, 700
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Millisecond
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: concurrency}})
		for range events {
			w.put(&outbox.Entry{Event: w.event(), To: []outbox.Address{"hook"}})
		}
		w.pass(50 * time.Millisecond)
		w.stall(true)
		w.pass(time.Hour)
		made := hook.count() - w.states("hook").Delivered
		if made > concurrency {
			t.Errorf("%d attempts would be repeated if the process died", made)
		}
		w.stall(false)
		w.pass(time.Minute)
		if got := w.states("hook"); got.Delivered != events {
			t.Errorf("%+v", got)
		}
	})
}

func TestEndThatTheStoreFindsFaultWithStopsNobodyElse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		var bad outbox.Key
		w.with(func() {
			w.recordErr = func(a *outbox.Attempt) error {
				if a.Key == bad {
					return errors.New("constraint failed")
				}
				return nil
			}
		})
		ev := w.event()
		bad = outbox.Key{Event: ev.ID, Address: "hook"}
		w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
		for range 10 {
			w.accept("hook")
		}
		w.found("hook")
		w.pass(time.Hour)
		if got := w.states("hook"); got.Delivered != 11 || got.Pending != 1 || hook.count() != 12 {
			t.Errorf("%+v in %d attempts", got, hook.count())
		}
	})
}

func TestWhatCannotBeRecordedAtTheEndIsSaid(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run([]Lane{{Name: "hook", Target: w.target(takes)}}, func(c *Config) { c.Grace = 5 * time.Second })
		w.with(func() { w.recordErr = func(*outbox.Attempt) error { return event.ErrUnavailable } })
		w.accept("hook")
		began := time.Now()
		err := w.stop()
		if took := time.Since(began); !errors.Is(err, errNotRecorded) || took > 5*time.Second+lastMoment {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

func TestOperatorDiscardsAndRetriesDeliveries(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(answers(event.Rejected, "422"), takes)
		hook := w.target(answer)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{MaxAge: time.Hour}}})
		dead := w.accept("hook")[0]
		w.pass(100 * time.Hour) // long past its max_age
		mend()
		override := func(k outbox.Key, was, to event.State, attempts int) error {
			result := make(chan error, 1)
			w.d.Override(outbox.StoredDelivery{Key: k, State: was, Attempts: attempts}, to, "by hand", func(err error) { result <- err })
			return <-result
		}
		if err := override(dead, event.Dead, event.Pending, 1); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if s := w.status("hook"); s.Delivered != 1 || s.Dead != 0 || s.Pending != 0 {
			t.Errorf("retried by hand: %+v", s)
		}

		if err := w.d.Hold("hook", "to discard"); err != nil {
			t.Fatal(err)
		}
		waiting := w.accept("hook")[0]
		if err := override(waiting, event.Pending, event.Discarded, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		if s := w.status("hook"); s.Delivered != 1 || s.Pending != 0 || hook.count() != 2 {
			t.Errorf("discarded by hand: %+v in %d attempts", s, hook.count())
		}
	})
}

func TestDeliveryInFlightCannotBeChangedByHandAndOneInTheQueueCan(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Minute
		w.run([]Lane{{Name: "hook", Target: hook}})
		busyOne, first, second := w.accept("hook")[0], w.accept("hook")[0], w.accept("hook")[0]
		errs := make(chan error, 3)
		for _, k := range []outbox.Key{busyOne, first} {
			w.d.Override(outbox.StoredDelivery{Key: k}, event.Discarded, "by hand", func(err error) { errs <- err })
		}
		if err := <-errs; !errors.Is(err, ErrBusy) {
			t.Errorf("in flight: %v", err)
		}
		if err := <-errs; err != nil {
			t.Errorf("in the queue: %v", err)
		}
		w.d.Override(outbox.StoredDelivery{Key: second}, event.Done, "", func(err error) { errs <- err })
		if err := <-errs; err == nil {
			t.Error("an operator may declare a delivery delivered")
		}
		w.pass(5 * time.Minute)
		if got := w.states("hook"); got.Delivered != 2 || got.Pending != 0 || hook.count() != 2 {
			t.Errorf("%+v in %d attempts", got, hook.count())
		}
		l := w.d.lane("hook")
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.bytes != 0 || len(l.keys) != 0 {
			t.Errorf("%d bytes and %d keys are still in memory", l.bytes, len(l.keys))
		}
	})
}

func TestOverrideThatCannotBeRecordedChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.take = time.Minute
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.accept("hook")
		second := w.accept("hook")[0]
		w.with(func() { w.recordErr = func(*outbox.Attempt) error { return event.ErrUnavailable } })
		errs := make(chan error, 1)
		w.d.Override(outbox.StoredDelivery{Key: second}, event.Discarded, "by hand", func(err error) { errs <- err })
		if err := <-errs; !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		w.with(func() { w.recordErr = nil })
		w.pass(5 * time.Minute)
		if got := w.states("hook"); got.Delivered != 2 {
			t.Errorf("%+v", got)
		}
		_ = w.stop()
		w.d.Override(outbox.StoredDelivery{Key: second}, event.Discarded, "by hand", func(err error) { errs <- err })
		if err := <-errs; !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestAnEndIsInAHurryOnlyWhenSomethingWaitsForIt(t *testing.T) {
	for _, c := range []struct {
		what   string
		lane   Lane
		events int
		answer func(*target.Message) target.Result
		want   bool
	}{
		{"a delivery, and places are free", Lane{Concurrency: 4}, 1, takes, false},
		{"half of the places are taken", Lane{Concurrency: 4}, 2, takes, true},
		{"there is one place", Lane{Concurrency: 1}, 1, takes, true},
		{"the next in order waits", Lane{Concurrency: 4, Order: bySubject}, 1, takes, true},
		{"an attempt that failed", Lane{Concurrency: 4}, 1, busy, true},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			hook := w.target(c.answer)
			hook.take = time.Millisecond
			c.lane.Name, c.lane.Target = "hook", hook
			w.run([]Lane{c.lane})
			for range c.events {
				w.put(&outbox.Entry{Event: w.event(), To: []outbox.Address{"hook"}})
			}
			w.pass(2 * time.Millisecond)
			if len(w.hurried) != c.events || w.hurried[0] != c.want {
				t.Errorf("%s: in a hurry %v, want %v", c.what, w.hurried, c.want)
			}
		})
	}
}

func TestEndThatTheStoreFindsFaultWithAfterItFailedStopsNobodyElse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.with(func() { w.recordErr = func(*outbox.Attempt) error { return event.ErrUnavailable } })
		bad := w.accept("hook")[0]
		for range 10 {
			w.accept("hook")
		}
		w.with(func() {
			w.recordErr = func(a *outbox.Attempt) error {
				if a.Key == bad {
					return errors.New("constraint failed")
				}
				return nil
			}
		})
		w.pass(time.Hour)
		if got := w.states("hook"); got.Delivered != 10 || got.Pending != 1 || hook.count() != 11 {
			t.Errorf("%+v in %d attempts", got, hook.count())
		}
	})
}
