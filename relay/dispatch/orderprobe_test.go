package dispatch

import (
	"sync/atomic"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

func TestProbesOfATargetComeEachMinuteHoweverMuchWaitsForTheOneThatFailed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(broken)
		lane := []Lane{{Name: "hook", Target: hook, Order: bySubject, OrderedBy: "id"}}
		w.run(lane)
		head := w.acceptAbout("i-1", "hook")[0]
		for range 10 * probeSearch {
			w.pass(time.Millisecond)
			w.acceptAbout("i-1", "hook")
		}
		w.pass(10 * time.Minute)
		if n := hook.count() - 1; n != 10 {
			t.Errorf("%d probes in ten minutes, want one a minute", n)
		}
		for _, m := range hook.messages() {
			if m.DeliveryID != head.String() {
				t.Errorf("%s is tried before the one it waits for", m.DeliveryID)
			}
		}
	})
}

func TestProbeWaitsForWhatIsInFlightAndNobodyIsToldThatNothingCanBeTried(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var hook *fake
		hook = w.target(w.inOrder(func(m *target.Message) target.Result {
			switch {
			case m.Event.Subject == "bad":
				return broken(m)
			case hook.count() == 1:
				time.Sleep(time.Minute)
				return busy(m)
			}
			return takes(m)
		}))
		w.run([]Lane{{Name: "hook", Target: hook, Concurrency: 2, Order: bySubject, Retry: Schedule{Initial: time.Hour}}},
			func(c *Config) { c.Probe, c.Rand = 10*time.Second, func() float64 { return 0.9 } })
		w.acceptAbout("slow", "hook")
		w.acceptAbout("slow", "hook")
		w.override(w.acceptAbout("bad", "hook")[0], event.Discarded)
		w.pass(59 * time.Second)
		if s := w.status("hook"); !s.Held || s.Pending != 2 || hook.count() != 2 {
			t.Errorf("%d attempts, status %+v", hook.count(), s)
		}
		if w.log.lines("cannot be probed") != 0 {
			t.Error("it is said that nothing can be tried")
		}
		w.pass(3 * time.Second)
		if s := w.status("hook"); s.Held || s.Delivered == 0 {
			t.Errorf("soon after the attempt has ended: %+v", s)
		}
	})
}

func TestProbeThatAReloadOvertakesIsMadeAfterIt(t *testing.T) {
	for what, overtake := range map[string]func(w *world, lane Lane, decoding *atomic.Pointer[func()]){
		"by another order, while keys are read": func(w *world, lane Lane, decoding *atomic.Pointer[func()]) {
			lane.OrderedBy = "another"
			decoding.Store(new(func() { w.reload([]Lane{lane}) }))
		},
		"gone and back, while claims find nothing": func(w *world, lane Lane, _ *atomic.Pointer[func()]) {
			w.with(func() {
				w.hidden = func(outbox.Key) bool { return true }
				w.onClaim = func() {
					w.with(func() { w.onClaim = nil })
					w.reload(nil)
					go func() {
						time.Sleep(time.Second)
						w.with(func() { w.hidden = nil })
						w.reload([]Lane{lane})
					}()
				}
			})
		},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				lane := Lane{Name: "hook", Target: w.target(broken), Order: bySubject, OrderedBy: "id"}
				var decoding atomic.Pointer[func()] // called once
				w.run([]Lane{lane}, func(c *Config) {
					decode := c.Decode
					c.Decode = func(ev *event.Event) error {
						if f := decoding.Swap(nil); f != nil {
							(*f)()
						}
						return decode(ev)
					}
				})
				w.acceptAbout("i-1", "hook")
				w.acceptAbout("i-1", "hook")
				lane.Target = w.target(w.inOrder(takes))
				overtake(w, lane, &decoding)
				w.pass(time.Minute + 2*time.Second)
				if n, s := w.log.lines("cannot be probed"), w.status("hook"); n != 0 || s.Held || s.Delivered != 2 {
					t.Errorf("%d lines that it cannot be probed, status %+v", n, s)
				}
			})
		})
	}
}

func TestWhatIsFoundWhileAProbeIsSoughtKeepsItsPlace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(1, "hook", 40*time.Minute) // about i-1
		w.holds["hook"] = outbox.Hold{Target: "hook", Since: time.Now()}
		w.with(func() { w.hidden = func(k outbox.Key) bool { return w.rows[k].tried } })
		w.run([]Lane{{Name: "hook", Target: w.target(w.inOrder(takes)), Order: bySubject, OrderedBy: "id"}})
		w.pass(time.Minute)
		w.with(func() {
			w.onClaim = func() {
				w.with(func() { w.hidden, w.onClaim = nil, nil })
				w.d.Found(nil)
			}
		})
		w.acceptAbout("i-1", "hook")
		w.pass(time.Hour)
		if s := w.status("hook"); s.Held || s.Delivered != 2 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestNoProbeGoesToARecipientThatAReloadTakesAwayMeanwhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.target(broken), w.target(takes)
		a.rcpt, b.rcpt = []string{"a"}, []string{"b"}
		w.run([]Lane{{Name: "mail", Target: a}})
		w.accept("mail.a")
		w.accept("mail.b")
		w.with(func() {
			w.onClaim = func() {
				w.with(func() { w.onClaim = nil })
				w.reload([]Lane{{Name: "mail", Target: b}})
			}
		})
		w.pass(2 * time.Minute)
		if sent := b.messages(); len(sent) != 1 || sent[0].Recipient != "b" {
			t.Errorf("%d sent, the first to %q", len(sent), sent[0].Recipient)
		}
	})
}
