package dispatch

import (
	"errors"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

func TestStoredEventThatCannotBeDecodedIsDead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.accept("hook")
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}}, func(c *Config) {
			c.Decode = func(*event.Event) error { return errors.New("the person's name") }
		})
		w.pass(time.Second)
		if got := w.states("hook"); got.Dead != 1 || hook.count() != 0 {
			t.Errorf("%+v after %d attempts", got, hook.count())
		}
		if w.log.lines("the person's name") != 0 {
			t.Error("the decoder's words are in the log")
		}
	})
}

func TestPanicInATargetIsARetryAndSaysNothingOfTheEvent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		hook.answer = func(m *target.Message) target.Result {
			if m.Attempt == 1 {
				f := hook.w
				f.mu.Lock()
				delete(f.inFlight, m.DeliveryID)
				f.mu.Unlock()
				hook.mu.Lock()
				hook.now--
				hook.mu.Unlock()
				panic("Jon Doe")
			}
			return takes(m)
		}
		w.run([]Lane{{Name: "hook", Target: hook}})
		key := w.accept("hook")[0]
		w.pass(time.Minute)
		if h := w.history(key); len(h) != 2 || h[0].Outcome != event.Retry || h[0].Reason != reasonPanic || h[1].State != event.Done {
			t.Errorf("history %+v", h)
		}
		if w.log.lines("panic while sending") != 1 || w.log.lines("Jon Doe") != 0 {
			t.Errorf("log: %s", w.log.b.String())
		}
	})
}
