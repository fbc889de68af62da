package dispatch

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// witness is an Observer that notes what it is told. Each time it looks at the
// status, which must not hang: it is called outside of locks.
type witness struct {
	w    *world
	mu   sync.Mutex
	told []string
}

func (o *witness) note(format string, args ...any) {
	o.w.d.Status()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, fmt.Sprintf(format, args...))
}

func (o *witness) Dead(k outbox.Key, reason string) {
	state := event.Pending
	o.w.with(func() { state = o.w.rows[k].state })
	o.note("dead at %s: %s, stored as %s", k.Address, reason, state)
}

func (o *witness) Held(target, reason string, byHand bool) {
	o.note("held %s: %s, by hand %t", target, reason, byHand)
}

func (o *witness) Released(target string) { o.note("released %s", target) }

// since is what was told since the last time.
func (o *witness) since() (told []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	told, o.told = o.told, nil
	return told
}

func TestObserverIsToldOfHoldsAndReleasesInTheirOrderAndOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := &witness{w: w}
		watched := func(c *Config) { c.Observer = o }
		answer, mend := switched(broken, takes)
		w.run([]Lane{{Name: "hook", Target: w.target(answer), Concurrency: 4}}, watched)
		for range 4 {
			w.accept("hook")
		}
		w.pass(5 * time.Minute)
		if diff := cmp.Diff([]string{"held hook: 404: the hook is gone, by hand false"}, o.since()); diff != "" {
			t.Errorf("after a hold and five probes (-want +got):\n%s", diff)
		}
		w.restart([]Lane{{Name: "hook", Target: w.target(answer)}}, watched)
		w.pass(5 * time.Minute)
		if told := o.since(); told != nil {
			t.Errorf("after a restart it is told again: %q", told)
		}
		mend()
		w.pass(2 * time.Minute)
		for _, err := range []error{w.d.Release("hook"), w.d.Hold("hook", "maintenance"), w.d.Hold("hook", "maintenance"), w.d.Release("hook")} {
			if err != nil {
				t.Error(err)
			}
		}
		want := []string{"released hook", "held hook: maintenance, by hand true", "released hook"}
		if diff := cmp.Diff(want, o.since()); diff != "" {
			t.Errorf("after the first success, and by hand (-want +got):\n%s", diff)
		}
	})
}

func TestObserverIsToldOfDeadLettersAfterTheCommitButOfNoDeadAlarmOrTest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := &witness{w: w}
		slow := w.target(busy)
		slow.take = 2 * time.Second
		w.run([]Lane{
			{Name: "choosy", Target: w.target(answers(event.Rejected, "422"))},
			{Name: "late", Target: slow, Retry: Schedule{MaxAge: time.Second}},
		}, func(c *Config) { c.Observer = o })
		for _, kind := range []event.Kind{event.Alarm, event.Test} {
			own := w.event()
			own.Kind = kind
			w.put(&outbox.Entry{Event: own, To: []outbox.Address{"choosy", "late"}})
		}
		w.pass(6 * time.Second)
		w.accept("choosy")
		if diff := cmp.Diff([]string{"dead at choosy: 422, stored as dead"}, o.since()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		w.accept("late")
		w.pass(3 * time.Second)
		if told := o.since(); len(told) != 1 {
			t.Errorf("of one whose time is up: %q", told)
		}
		if w.states("choosy").Dead != 3 || w.states("late").Dead != 3 {
			t.Error("the alarm or the test is not dead: nothing is proven")
		}
	})
}

func TestStatusSaysWhenATargetIsProbedAndHowLongItAskedToWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		wait := func(*target.Message) target.Result {
			return target.Result{Outcome: event.Retry, Reason: "429", RetryAfter: time.Hour}
		}
		w.run([]Lane{{Name: "gone", Target: w.target(broken)}, {Name: "full", Target: w.target(wait)}})
		w.accept("gone", "full")
		began := w.now().UTC()
		if s := w.status("gone"); !s.NextProbe.Equal(began.Add(time.Minute)) || !s.Waiting.IsZero() || !s.Oldest.Equal(began) {
			t.Errorf("held: %+v", s)
		}
		if s := w.status("full"); !s.Waiting.Equal(began.Add(time.Hour)) || !s.NextProbe.IsZero() {
			t.Errorf("asked to wait: %+v", s)
		}
		if err := w.d.Hold("gone", "by hand"); err != nil {
			t.Fatal(err)
		}
		if s := w.status("gone"); !s.NextProbe.IsZero() {
			t.Errorf("held by hand and probed: %+v", s)
		}
		w.pass(2 * time.Hour)
		if s := w.status("full"); !s.Waiting.IsZero() && !s.Waiting.After(w.now()) {
			t.Errorf("a wait that is over: %+v", s)
		}
	})
}
