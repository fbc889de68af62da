package dispatch

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

func TestEarlierEventWhoseCommitComesLaterGoesFirstWhereverItIs(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, w *world, early *outbox.Entry, lane Lane){
		"no room for it": func(t *testing.T, w *world, early *outbox.Entry, lane Lane) {
			early.Event.Body = make([]byte, 100<<10)
			w.run([]Lane{lane}, func(c *Config) { c.Memory = 64 << 10 })
			w.acceptAbout("other", "hook") // in flight for a second
			w.acceptAbout("x", "hook")
			w.put(early)
		},
		"while others are claimed": func(t *testing.T, w *world, early *outbox.Entry, lane Lane) {
			w.acceptAbout("x", "hook")
			w.onClaim = func() {
				time.Sleep(time.Millisecond) // the commit comes before the claim returns
				defer time.Sleep(time.Millisecond)
				defer w.notify()
				w.store.mu.Lock()
				defer w.store.mu.Unlock()
				if fresh := w.claims[len(w.claims)-1].AfterSeq == 0; fresh && early != nil {
					w.queue = append(w.queue, queued{entry: early})
					early = nil
				}
			}
			w.run([]Lane{lane})
		},
		"while others are queued": func(t *testing.T, w *world, early *outbox.Entry, lane Lane) {
			w.run([]Lane{lane})
			w.acceptAbout("other", "hook")
			w.acceptAbout("x", "hook")
			w.put(early)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				hook := w.target(w.inOrder(takes))
				hook.take = time.Second
				early := &outbox.Entry{Event: w.about("x"), To: []outbox.Address{"hook"}}
				test(t, w, early, Lane{Name: "hook", Target: hook, Order: bySubject})
				w.pass(10 * time.Second)
				sent := hook.messages()
				var last []event.ID
				for _, m := range sent {
					if m.Event.Subject == "x" {
						last = append(last, m.Event.ID)
					}
				}
				if len(last) != 2 || last[0].Seq() > last[1].Seq() {
					t.Errorf("tried in the order %v", last)
				}
			})
		})
	}
}

// TestOrderHoldsWhateverHappens has targets fail in all ways, with few keys and
// many events, holds, reloads and restarts.
func TestOrderHoldsWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		inWorld(t, func(t *testing.T, w *world) {
			c := &chaos{rnd: rand.New(rand.NewPCG(seed, 11))}
			name := ""
			lanes := func() []Lane {
				one := w.inOrder(c.answer)
				mail := w.gatherer(one, func(ms []*target.Message) target.Result {
					for _, m := range ms[1:] {
						w.inOrder(takes)(m)
					}
					return one(ms[0])
				})
				mail.rcpt = []string{"one", "two"}
				return []Lane{{
					Name: "mail", Target: mail, Concurrency: 1 + c.n(8), Order: bySubject, OrderedBy: name,
					Digest: Digest{Every: time.Duration(c.n(2)) * time.Second, Max: 4},
					Retry:  Schedule{MaxAge: 100 * time.Hour},
				}}
			}
			small := func(cfg *Config) { cfg.Memory, cfg.Queue = 64<<10, 64 }
			w.run(lanes(), small)
			var late []*outbox.Entry
			var later *outbox.Entry
			for range 1500 {
				e := &outbox.Entry{Event: w.about(fmt.Sprint("s", c.n(1+c.n(60)))), To: []outbox.Address{"mail.one", "mail.two"}}
				if c.n(20) == 0 && later == nil {
					later = e // commits that come after those of later events
				} else if late = append(late, e); c.n(3) > 0 {
					c.rnd.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
					w.put(late...)
					late = nil
				}
				time.Sleep(time.Duration(c.n(40)) * time.Millisecond)
				if later != nil && c.n(3) == 0 {
					synctest.Wait() // what was just let in has begun
					w.put(later)
					synctest.Wait() // the dispatcher has heard of it
					later = nil
				}
				switch c.n(150) {
				case 0:
					w.restart(lanes(), small)
				case 1:
					name = []string{"", "subject"}[c.n(2)]
					w.reload(lanes())
				case 2:
					_ = w.d.Release("mail")
				case 3:
					w.with(func() { w.onClaim = func() { time.Sleep(time.Duration(c.n(100)) * time.Millisecond) } })
				}
			}
			w.put(late...)
			w.with(func() { w.onClaim = nil })
			w.pass(200 * time.Hour)
			one, two := w.states("mail.one"), w.states("mail.two")
			if one.Pending+two.Pending > 0 || one.Delivered == 0 || two.Delivered == 0 {
				t.Errorf("seed %d: %+v and %+v", seed, one, two)
			}
			l := w.d.lane("mail")
			l.mu.Lock()
			defer l.mu.Unlock()
			if o := l.order; len(o.chains)+len(o.known)+len(o.turn) > 0 || len(l.keys) > 0 || l.bytes != 0 {
				t.Errorf("seed %d: left in memory: %d chains, %d known, %d turns, %d keys, %d bytes",
					seed, len(o.chains), len(o.known), len(o.turn), len(l.keys), l.bytes)
			}
		})
	}
}
