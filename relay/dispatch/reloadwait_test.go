package dispatch

import (
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

func TestReloadKeepsTheWaitATargetAskedForUnlessTheTargetIsAnotherOne(t *testing.T) {
	type settings struct{ url *string }
	here := func() any { url := "here"; return settings{&url} } // as a config that is read again
	there := "there"
	for what, c := range map[string]struct {
		to   []any // by reload; nil: the target is gone
		wait bool
	}{
		"unchanged":              {[]any{here()}, true},
		"unchanged twice":        {[]any{here(), here()}, true},
		"changed":                {[]any{settings{&there}}, false},
		"changed and back":       {[]any{settings{&there}, here()}, false},
		"gone and back":          {[]any{nil, here()}, true},
		"gone and back, changed": {[]any{nil, settings{&there}}, false},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				asks := w.target(func(*target.Message) target.Result {
					return target.Result{Outcome: event.Retry, Status: 429, Reason: "429", RetryAfter: time.Hour}
				})
				w.run([]Lane{{Name: "hook", Target: asks, Settings: here()}})
				w.accept("hook")
				w.pass(time.Second)
				w.accept("hook")
				last := w.target(takes)
				for i, s := range c.to {
					switch {
					case s == nil:
						w.reload(nil)
					case i < len(c.to)-1:
						stopped := w.target(takes)
						stopped.take = 24 * time.Hour
						w.reload([]Lane{{Name: "hook", Target: stopped, Settings: s, Concurrency: 1}})
					default:
						w.reload([]Lane{{Name: "hook", Target: last, Settings: s, Concurrency: 2}})
					}
				}
				w.pass(50 * time.Minute)
				want := 2
				if c.wait {
					want = 0
				}
				if asks.count() != 1 || last.count() != want || w.status("hook").Waiting.IsZero() == c.wait {
					t.Errorf("within the hour: %d and %d attempts, waiting until %v", asks.count(), last.count(), w.status("hook").Waiting)
				}
				w.pass(11 * time.Minute)
				if last.count() != 2 {
					t.Errorf("after the hour: %d attempts, want both", last.count())
				}
			})
		})
	}
}

func TestReloadProbesATargetOnHoldThatAskedToBeLeftAloneOnlyWhenItIsAnotherOne(t *testing.T) {
	for what, c := range map[string]struct {
		to     []any // Settings by reload; nil: the target is gone
		probes int
	}{
		"unchanged":     {[]any{"here"}, 0},
		"gone and back": {[]any{nil, "here"}, 0},
		"changed":       {[]any{"there"}, 1},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				n := 0
				w.run([]Lane{{Name: "hook", Settings: "here", Target: w.target(func(m *target.Message) target.Result {
					res := busy(m)
					if n++; n == failuresToHold {
						res.RetryAfter = time.Hour
					}
					return res
				})}})
				for range failuresToHold {
					w.accept("hook")
				}
				until := w.now().Add(time.Hour)
				w.pass(time.Minute)
				last := w.target(busy)
				for _, s := range c.to {
					if s == nil {
						w.reload(nil)
					} else {
						w.reload([]Lane{{Name: "hook", Target: last, Settings: s}})
					}
					w.pass(0)
				}
				if last.count() != c.probes {
					t.Errorf("%d probes at the reload, want %d", last.count(), c.probes)
				}
				if next := w.status("hook").NextProbe; next.Equal(until) != (c.probes == 0) {
					t.Errorf("the next probe is said to come at %s, and the target has asked to wait until %s", next, until)
				}
				w.pass(59 * time.Minute)
				if c.probes == 0 && last.count() != 1 {
					t.Errorf("%d probes when the hour was over, want one", last.count())
				}
			})
		})
	}
}

func TestReloadBringsNothingForwardWhenTheWaitTheOldTargetAskedForIsOver(t *testing.T) {
	for what, end := range map[string]func(w *world){
		"by itself": func(w *world) { w.pass(2 * time.Minute) },
		"by hand": func(w *world) {
			if err := w.d.Release("hook"); err != nil {
				w.Error(err)
			}
			w.pass(time.Second)
		},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				asks := w.target(func(m *target.Message) target.Result {
					res := busy(m)
					if m.Attempt == 1 {
						res.RetryAfter = time.Minute
					}
					return res
				})
				lane := Lane{Name: "hook", Target: asks, Settings: "here", Retry: Schedule{Initial: time.Hour}}
				w.run([]Lane{lane}, func(c *Config) { c.Rand = func() float64 { return 0.9 } })
				w.accept("hook")
				end(w)
				brought := w.advanced()
				lane.Target, lane.Settings = w.target(takes), "there"
				w.reload([]Lane{lane})
				w.pass(time.Second)
				if w.advanced() != brought || w.status("hook").Delivered != 0 {
					t.Errorf("%d times brought forward, status %+v", w.advanced()-brought, w.status("hook"))
				}
			})
		})
	}
}

func TestWaitAskedForByAnAttemptThatBeganBeforeAReloadIsKeptUnlessTheTargetIsAnotherOne(t *testing.T) {
	for what, c := range map[string]struct {
		during, after any // Settings from a reload during the attempt on, and from one after it; nil: the target is gone
		wait          bool
	}{
		"unchanged":                   {"here", "here", true},
		"changed":                     {"there", "there", false},
		"changed and back":            {"there", "here", false},
		"gone and back":               {nil, "here", true},
		"gone and back, changed":      {nil, "there", false},
		"unchanged, and then changed": {"here", "there", false},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				asks := w.target(func(*target.Message) target.Result {
					return target.Result{Outcome: event.Retry, Status: 429, Reason: "429", RetryAfter: time.Hour}
				})
				asks.take = 10 * time.Second
				w.run([]Lane{{Name: "hook", Target: asks, Settings: "here"}})
				w.accept("hook")
				last := w.target(takes)
				put := func(settings any) {
					if settings == nil {
						w.reload(nil)
					} else {
						w.reload([]Lane{{Name: "hook", Target: last, Settings: settings, Concurrency: 2}})
					}
					w.pass(10 * time.Second)
				}
				put(c.during)
				put(c.after)
				w.accept("hook")
				w.pass(50 * time.Minute)
				if got := last.count() == 0; got != c.wait || w.status("hook").Held {
					t.Errorf("within the hour: %d attempts, status %+v", last.count(), w.status("hook"))
				}
				w.pass(11 * time.Minute)
				if last.count() != 2 {
					t.Errorf("after the hour: %d attempts, want both", last.count())
				}
			})
		})
	}
}
