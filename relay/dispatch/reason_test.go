package dispatch

import (
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

func TestDeathByAgeWithoutAnAttemptKeepsTheReasonOfTheLastOne(t *testing.T) {
	answer := answers(event.Retry, "503: the mailbox is full")
	for name, late := range map[string]func(w *world, lanes []Lane){
		"claimed too late": func(w *world, lanes []Lane) { w.restart(lanes); w.pass(90 * time.Minute) },
		"swept": func(w *world, lanes []Lane) {
			if err := w.d.Hold("hook", "maintenance"); err != nil {
				t.Fatal(err)
			}
			w.pass(3 * time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				lanes := func() []Lane {
					return []Lane{{Name: "hook", Target: w.target(answer), Retry: Schedule{Initial: 2 * time.Hour, Max: 2 * time.Hour, MaxAge: time.Hour}}}
				}
				w.run(lanes(), func(c *Config) { c.Rand = func() float64 { return 0.99 } })
				key := w.accept("hook")[0]
				w.pass(time.Minute)
				late(w, lanes())
				h := w.history(key)
				last := h[len(h)-1]
				if last.State != event.Dead || last.Outcome != 0 || !strings.HasPrefix(last.Reason, "503: the mailbox is full; its time is up: ") {
					t.Errorf("history %+v", h)
				}
			})
		})
	}
}

func TestNotBeforeDelaysOneDeliveryAndNoOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var greylisted string
		hook := w.target(func(m *target.Message) target.Result {
			if m.DeliveryID == greylisted && m.Attempt == 1 {
				return target.Result{Outcome: event.Retry, Reason: "451", NotBefore: 10 * time.Minute}
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook}})
		ev := w.event()
		greylisted = outbox.Key{Event: ev.ID, Address: "hook"}.String()
		w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
		w.pass(time.Second)
		w.accept("hook")
		if got := w.states("hook"); got.Delivered != 1 {
			t.Errorf("the other one: %+v", got)
		}
		w.pass(10*time.Minute - 2*time.Second)
		if n := hook.count(); n != 2 {
			t.Errorf("%d attempts before the ten minutes are over", n)
		}
		w.pass(3 * time.Second)
		if got := w.states("hook"); got.Delivered != 2 {
			t.Errorf("after ten minutes: %+v", got)
		}
	})
}

func TestNotBeforeIsKeptWithinMaxAge(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(func(*target.Message) target.Result {
			return target.Result{Outcome: event.Retry, Reason: "451", NotBefore: 20 * time.Hour}
		})
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{MaxAge: time.Hour}}})
		key := w.accept("hook")[0]
		if h := w.history(key); len(h) != 1 || !h[0].NextAt.Equal(w.now().Add(time.Hour)) {
			t.Errorf("history %+v", h)
		}
	})
}
