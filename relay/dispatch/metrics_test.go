package dispatch

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

func TestMetricsSayWhatIsStuckFailingAndDead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		good := w.target(func(m *target.Message) target.Result {
			if m.Event.Subject == "bad" {
				return target.Result{Outcome: event.Rejected}
			}
			return takes(m)
		})
		w.run([]Lane{{Name: "good", Target: good}, {Name: "bad", Target: w.target(broken)}})
		w.accept("good", "bad", "gone")
		w.accept("good", "bad")
		w.pass(45 * time.Second)
		want := `
			# HELP relay_attempts_total Attempts ended, by outcome: delivered, retry, rejected, held.
			# TYPE relay_attempts_total counter
			relay_attempts_total{outcome="delivered",target="bad"} 0
			relay_attempts_total{outcome="delivered",target="good"} 2
			relay_attempts_total{outcome="held",target="bad"} 1
			relay_attempts_total{outcome="held",target="good"} 0
			relay_attempts_total{outcome="rejected",target="bad"} 0
			relay_attempts_total{outcome="rejected",target="good"} 0
			relay_attempts_total{outcome="retry",target="bad"} 0
			relay_attempts_total{outcome="retry",target="good"} 0
			# HELP relay_dead_total Deliveries that became dead letters: rejected, or their time was up.
			# TYPE relay_dead_total counter
			relay_dead_total{target="bad"} 0
			relay_dead_total{target="good"} 0
			# HELP relay_oldest_pending_seconds Age of the oldest pending delivery in seconds, 0 when there is none.
			# TYPE relay_oldest_pending_seconds gauge
			relay_oldest_pending_seconds{target="bad"} 45
			relay_oldest_pending_seconds{target="gone"} 45
			relay_oldest_pending_seconds{target="good"} 0
			# HELP relay_pending Deliveries waiting or being tried.
			# TYPE relay_pending gauge
			relay_pending{target="bad"} 2
			relay_pending{target="gone"} 1
			relay_pending{target="good"} 0
			# HELP relay_target_held 1 while the target is on hold.
			# TYPE relay_target_held gauge
			relay_target_held{target="bad"} 1
			relay_target_held{target="good"} 0
		`
		names := []string{"relay_attempts_total", "relay_dead_total", "relay_oldest_pending_seconds", "relay_pending", "relay_target_held"}
		if err := testutil.GatherAndCompare(w.reg, strings.NewReader(want), names...); err != nil {
			t.Error(err)
		}
		if n, err := testutil.GatherAndCount(w.reg, "relay_attempt_seconds", "relay_delivery_seconds"); err != nil || n != 4 {
			t.Errorf("%d histograms: %v", n, err)
		}
		if problems, err := testutil.GatherAndLint(w.reg); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v %v", problems, err)
		}
	})
}

func TestMetricsOfATargetThatIsGoneAreRemovedButWhatWaitsForItIsSeen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run([]Lane{{Name: "hook", Target: w.target(broken)}, {Name: "idle", Target: w.target(takes)}})
		w.accept("hook")
		w.accept("hook")
		w.accept("idle")
		w.reload(nil)
		w.pass(45 * time.Second)
		want := `
			# HELP relay_oldest_pending_seconds Age of the oldest pending delivery in seconds, 0 when there is none.
			# TYPE relay_oldest_pending_seconds gauge
			relay_oldest_pending_seconds{target="hook"} 45
			# HELP relay_pending Deliveries waiting or being tried.
			# TYPE relay_pending gauge
			relay_pending{target="hook"} 2
		`
		if err := testutil.GatherAndCompare(w.reg, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		for _, d := range w.pendingAt("hook") {
			w.d.Override(d, event.Discarded, "", func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		w.pass(time.Second)
		if n, err := testutil.GatherAndCount(w.reg); err != nil || n != 0 {
			t.Errorf("%d series of a target that is gone and has nothing waiting: %v", n, err)
		}
	})
}

func TestOldestPendingIsFoundAgainWhenItHasEnded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(busy)
		w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{Initial: 10 * time.Hour, Max: 10 * time.Hour, MaxAge: time.Hour}}})
		for range 3 {
			w.accept("hook")
			w.pass(20 * time.Minute)
		}
		w.pass(3 * time.Minute) // the first is dead by now
		s := w.status("hook")
		if got := time.Since(s.Oldest); s.Dead != 1 || s.Pending != 2 || got != 43*time.Minute {
			t.Errorf("the oldest is said to be %s old; status %+v", got, s)
		}
	})
}
