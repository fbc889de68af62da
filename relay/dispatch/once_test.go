package dispatch

import (
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

// once is max_age: 0s.
func once(hook *fake) []Lane {
	return []Lane{{Name: "hook", Target: hook, Retry: Schedule{Initial: 5 * time.Second, Max: time.Hour, MaxAge: 0}}}
}

func TestMaxAgeZeroIsOneAttemptAndDeadAfterItsFailure(t *testing.T) {
	for name, answer := range map[string]func(*target.Message) target.Result{
		"busy": busy, "broken": broken,
		"waits": func(*target.Message) target.Result {
			return target.Result{Outcome: event.Retry, Reason: "429", RetryAfter: time.Minute}
		},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			hook := w.target(answer)
			w.run(nil)
			w.d.SetLanes(once(hook))
			key := w.accept("hook")[0]
			w.pass(100 * time.Hour)
			h := w.history(key)
			if s := w.status("hook"); hook.count() != 1 || s.Dead != 1 || s.Pending != 0 || len(h) != 1 || h[0].State != event.Dead || h[0].Outcome == 0 {
				t.Errorf("%s: %d attempts, status %+v, history %+v", name, hook.count(), s, h)
			}
		})
	}
}

func TestMaxAgeZeroIsNeverDeadBeforeItsAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(broken, takes)
		hook := w.target(answer)
		w.run(nil)
		w.d.SetLanes(once(hook))
		for range 2 * queueCap {
			w.accept("hook")
		}
		w.pass(10*time.Minute + time.Second)
		if s := w.status("hook"); !s.Held || s.Dead != 11 || hook.count() != 11 {
			t.Errorf("%d attempts while the target is held, status %+v", hook.count(), s)
		}
		if err := w.d.Hold("hook", "for days"); err != nil {
			t.Fatal(err)
		}
		w.pass(100 * time.Hour)
		mend()
		if err := w.d.Release("hook"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if s := w.status("hook"); s.Dead != 11 || s.Delivered != 2*queueCap-11 {
			t.Errorf("after the release: %+v", s)
		}
	})
}

func TestMaxAgeZeroAfterAReloadGivesNoSecondAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(broken, takes)
		hook := w.target(answer)
		w.run([]Lane{{Name: "hook", Target: hook}})
		tried := w.accept("hook")[0]
		w.accept("hook")
		w.d.SetLanes(once(hook))
		mend()
		w.pass(10 * time.Minute)
		if s := w.status("hook"); s.Dead != 1 || s.Delivered != 1 || hook.count() != 2 {
			t.Errorf("%d attempts, status %+v", hook.count(), s)
		}
		if h := w.history(tried); h[len(h)-1].State != event.Dead {
			t.Errorf("history %+v", h)
		}
	})
}
