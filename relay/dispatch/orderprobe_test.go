package dispatch

import (
	"testing"
	"time"
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
