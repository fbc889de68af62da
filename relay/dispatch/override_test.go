package dispatch

import (
	"context"
	"errors"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func (s *store) Delivery(_ context.Context, k outbox.Key) (*outbox.StoredDelivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[k]
	if r == nil {
		return nil, event.ErrNotFound
	}
	return &outbox.StoredDelivery{Key: k, State: r.state, Attempts: r.attempts, CreatedAt: r.event.ReceivedAt}, nil
}

func TestWhatWasDeliveredMeanwhileIsNotSentAgainByHand(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		k := w.accept("hook")[0]
		w.pass(time.Second)
		for _, to := range []event.State{event.Pending, event.Discarded} {
			// As somebody read it just before it was delivered.
			errs := make(chan error, 1)
			w.d.Override(outbox.StoredDelivery{Key: k, State: event.Pending}, to, "by hand", func(err error) { errs <- err })
			if err := <-errs; !errors.Is(err, ErrBusy) {
				t.Errorf("to %s: %v", to, err)
			}
		}
		w.pass(time.Minute)
		if s := w.status("hook"); s.Delivered != 1 || s.Pending != 0 || hook.count() != 1 {
			t.Errorf("%+v in %d attempts", s, hook.count())
		}
	})
}

func TestWhatIsRetriedTwiceByHandIsNotForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(answers(event.Rejected, "422"), takes)
		hook := w.target(answer)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{MaxAge: time.Hour}}})
		dead := w.accept("hook")[0]
		w.pass(100 * time.Hour)
		mend()
		if err := w.d.Hold("hook", "while two retry it"); err != nil {
			t.Fatal(err)
		}
		was := outbox.StoredDelivery{Key: dead, State: event.Dead, Attempts: 1}
		errs := make(chan error, 1)
		w.d.Override(was, event.Pending, "by hand", func(err error) { errs <- err })
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
		w.d.Override(was, event.Pending, "by hand", func(err error) { errs <- err })
		if err := <-errs; err != nil {
			t.Errorf("the second: %v", err)
		}
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if s := w.status("hook"); s.Delivered != 1 || s.Dead != 0 || s.Pending != 0 {
			t.Errorf("%+v in %d attempts", s, hook.count())
		}
	})
}

func TestWhoGivesUpADeadLetterGivesItUpAlsoWhenItWaitsAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(answers(event.Rejected, "422"))
		w.run([]Lane{{Name: "hook", Target: hook}})
		dead := w.accept("hook")[0]
		w.pass(time.Second)
		if err := w.d.Hold("hook", "while two look at it"); err != nil {
			t.Fatal(err)
		}
		was := outbox.StoredDelivery{Key: dead, State: event.Dead, Attempts: 1}
		errs := make(chan error, 1)
		for _, to := range []event.State{event.Pending, event.Discarded} {
			w.d.Override(was, to, "by hand", func(err error) { errs <- err })
			if err := <-errs; err != nil {
				t.Errorf("to %s: %v", to, err)
			}
		}
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if s := w.status("hook"); s.Pending != 0 || s.Dead != 0 || hook.count() != 1 {
			t.Errorf("%+v in %d attempts", s, hook.count())
		}
	})
}
