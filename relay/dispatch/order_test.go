package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// bySubject is an order by what the events are about.
func bySubject(ev *event.Event) (string, error) {
	id, ok := ev.Fields["id"].(string)
	if !ok {
		return "", errors.New("no id")
	}
	return id, nil
}

// about makes an event about something.
func (w *world) about(subject string) *event.Event {
	ev := w.event()
	ev.Subject = subject
	ev.Fields = map[string]any{"id": subject}
	return ev
}

// acceptAbout commits an event about something and returns its keys.
func (w *world) acceptAbout(subject string, to ...outbox.Address) (keys []outbox.Key) {
	ev := w.about(subject)
	w.put(&outbox.Entry{Event: ev, To: to})
	for _, a := range to {
		keys = append(keys, outbox.Key{Event: ev.ID, Address: a})
	}
	synctest.Wait()
	return keys
}

// overtakes says which earlier delivery with the same subject to the same
// address is still pending, "" when there is none.
func (w *world) overtakes(m *target.Message) (earlier string) {
	k, err := outbox.ParseKey(m.DeliveryID)
	if err != nil {
		w.Fatal(err)
	}
	w.with(func() {
		for _, ev := range w.events {
			if ev.ID.Seq() >= k.Event.Seq() {
				return
			}
			r := w.rows[outbox.Key{Event: ev.ID, Address: k.Address}]
			if r != nil && r.state == event.Pending && ev.Subject == m.Event.Subject {
				earlier = ev.ID.String()
				return
			}
		}
	})
	return earlier
}

// inOrder is an answer that fails the test when a delivery overtakes another.
func (w *world) inOrder(answer func(m *target.Message) target.Result) func(m *target.Message) target.Result {
	return func(m *target.Message) target.Result {
		if earlier := w.overtakes(m); earlier != "" {
			w.Errorf("%s about %s was tried before %s", m.DeliveryID, m.Event.Subject, earlier)
		}
		return answer(m)
	}
}

// subjects are what the attempts were about, in their order.
func (f *fake) subjects() (all []string) {
	for _, m := range f.messages() {
		all = append(all, fmt.Sprint(m.Event.Subject, " ", m.Attempt))
	}
	return all
}

func TestDeliveriesWithTheSameKeyWaitForTheEarlierOneAndNoOtherDoes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(w.inOrder(func(m *target.Message) target.Result {
			if m.Event.Subject == "bad" && m.Attempt < 3 {
				return busy(m)
			}
			return takes(m)
		}))
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 4, Order: bySubject, Retry: Schedule{Initial: time.Minute}}},
			func(c *Config) { c.Rand = func() float64 { return 0.5 } })
		for range 2 {
			w.acceptAbout("bad", "hook")
			w.acceptAbout("good", "hook")
		}
		want := []string{"bad 1", "good 1", "good 1"}
		if got := hook.subjects(); !slices.Equal(got, want) {
			t.Errorf("at first: %q, want %q", got, want)
		}
		w.pass(95 * time.Second) // after 30s and 60s more
		if got := hook.subjects(); !slices.Equal(got[3:], []string{"bad 2", "bad 3", "bad 1"}) {
			t.Errorf("then: %q", got[3:])
		}
		if at := hook.when(); !at[6-1].Equal(at[5-1]) {
			t.Errorf("the next went %s after the earlier one ended, want at once", at[5].Sub(at[4]))
		}
		w.pass(10 * time.Minute)
		if got := w.states("hook"); got.Delivered != 4 {
			t.Errorf("%+v", got)
		}
	})
}

func TestNextOfAKeyGoesAtOnceHoweverTheEarlierOneEnds(t *testing.T) {
	for name, end := range map[string]func(w *world, first outbox.Key){
		"dead":      func(w *world, _ outbox.Key) { w.pass(2 * time.Hour) },
		"discarded": func(w *world, first outbox.Key) { w.override(first, event.Discarded) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				hook := w.target(takes)
				var first string
				hook.answer = w.inOrder(func(m *target.Message) target.Result {
					if m.DeliveryID == first {
						return busy(m)
					}
					return takes(m)
				})
				w.run([]Lane{{Name: "hook", Target: hook, Order: bySubject, Retry: Schedule{Initial: 50 * time.Minute, MaxAge: 90 * time.Minute}}},
					func(c *Config) { c.Rand = func() float64 { return 0.9 } })
				ev := w.about("x")
				key := outbox.Key{Event: ev.ID, Address: "hook"}
				first = key.String()
				w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
				w.pass(80 * time.Minute)
				w.acceptAbout("x", "hook")
				if got := w.states("hook"); got.Delivered != 0 {
					t.Fatalf("before: %+v", got)
				}
				end(w, key)
				w.pass(time.Second)
				if got := w.states("hook"); got.Delivered != 1 || got.Pending != 0 {
					t.Errorf("after: %+v", got)
				}
			})
		})
	}
}

// override is an operator's decision, which must succeed.
func (w *world) override(k outbox.Key, to event.State) {
	w.Helper()
	var was outbox.StoredDelivery
	w.with(func() {
		r := w.rows[k]
		was = outbox.StoredDelivery{Key: k, State: r.state, Attempts: r.attempts, CreatedAt: r.event.ReceivedAt}
	})
	done := make(chan error, 1)
	w.d.Override(was, to, "by hand", func(err error) { done <- err })
	if err := <-done; err != nil {
		w.Error(err)
	}
	synctest.Wait()
}

func TestWhatWaitsForAnEarlierOneTakesNoRoomAndNoMemoryFromTheOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(w.inOrder(func(m *target.Message) target.Result {
			if m.Event.Subject == "bad" {
				return busy(m)
			}
			return takes(m)
		}))
		w.run([]Lane{{Name: "hook", Target: hook, Order: bySubject, Retry: Schedule{Initial: time.Hour}}},
			func(c *Config) { c.Rand = func() float64 { return 0.9 } })
		for range 3 * queueCap {
			w.put(&outbox.Entry{Event: w.about("bad"), To: []outbox.Address{"hook"}})
		}
		began := w.now()
		w.acceptAbout("good", "hook")
		if got := w.states("hook"); got.Delivered != 1 || !w.now().Equal(began) {
			t.Errorf("%+v", got)
		}
		l := w.d.lane("hook")
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.keys) > 0 || l.bytes > 0 {
			t.Errorf("%d deliveries and %d bytes in memory", len(l.keys), l.bytes)
		}
	})
}

func TestOrderIsKeptOverARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(func(m *target.Message) target.Result {
			if m.Event.Subject == "bad" {
				return busy(m)
			}
			return takes(m)
		}, takes)
		lanes := func() []Lane {
			return []Lane{{Name: "hook", Target: w.target(w.inOrder(answer)), Concurrency: 8, Order: bySubject, Retry: Schedule{Initial: time.Hour}}}
		}
		slow := func(c *Config) { c.Rand = func() float64 { return 0.9 } }
		w.run(lanes(), slow)
		for range 3 {
			w.acceptAbout("bad", "hook")
		}
		w.restart(lanes(), slow)
		w.acceptAbout("bad", "hook")
		w.acceptAbout("good", "hook")
		if got := w.states("hook"); got.Delivered != 1 || got.Pending != 4 {
			t.Fatalf("after the restart: %+v", got)
		}
		mend()
		w.pass(55 * time.Minute)
		if got := w.states("hook"); got.Delivered != 5 {
			t.Errorf("after the retry: %+v", got)
		}
	})
}

func TestDeliveryThatWasPutOffGoesOnAfterARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(2, "hook", time.Minute) // about the same, both tried before
		hook := w.target(w.inOrder(busy))
		lane := Lane{Name: "hook", Target: hook, Order: bySubject, Retry: Schedule{Initial: 3 * time.Hour, Max: 3 * time.Hour}}
		w.run([]Lane{lane}, func(c *Config) { c.Rand = func() float64 { return 0.9 } })
		w.pass(2 * time.Minute)
		all := w.pendingAt("hook")
		slices.SortFunc(all, func(a, b outbox.StoredDelivery) int { return int(a.Key.Event.Seq() - b.Key.Event.Seq()) })
		if h := w.history(all[1].Key); hook.count() != 1 || len(h) != 2 || h[1].Reason != reasonBehind {
			t.Fatalf("%d attempts; history of the second %+v", hook.count(), h)
		}
		// The first ends while nobody looks.
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.with(func() { _ = w.finish(&outbox.Attempt{Key: all[0].Key, Number: 3, State: event.Discarded}) })
		lane.Target = w.target(w.inOrder(takes))
		w.run([]Lane{lane})
		w.pass(time.Second)
		if got := w.states("hook"); got.Delivered != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestEventWithoutAKeyAndWhatAnOperatorOrTheRelayCausedIsInNoOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(func(m *target.Message) target.Result {
			if m.Attempt == 1 && m.Event.Status == "first" {
				return busy(m)
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "hook", Target: hook, Order: bySubject, Retry: Schedule{Initial: time.Hour}}},
			func(c *Config) { c.Rand = func() float64 { return 0.9 } })
		for _, kind := range []event.Kind{event.Test, event.Alarm, event.Received} {
			for _, status := range []string{"first", "second"} {
				ev := w.about("x")
				ev.Kind, ev.Status = kind, status
				if kind == event.Received {
					ev.Fields = map[string]any{"id": 7} // an error of the expression
				}
				w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"hook"}})
				synctest.Wait()
			}
		}
		if got := w.states("hook"); got.Delivered != 3 {
			t.Errorf("%+v", got)
		}
	})
}

func TestHeldTargetIsNotProbedWithADeliveryThatMustWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(w.inOrder(func(m *target.Message) target.Result {
			if m.Event.Subject == "bad" {
				return broken(m)
			}
			return takes(m)
		}))
		w.run([]Lane{{Name: "hook", Target: hook, Order: bySubject}})
		for range 100 {
			w.acceptAbout("bad", "hook")
		}
		w.acceptAbout("good", "hook")
		w.pass(10 * time.Minute)
		if got := w.states("hook"); got.Delivered != 1 {
			t.Errorf("%+v, status %+v", got, w.status("hook"))
		}
	})
}
