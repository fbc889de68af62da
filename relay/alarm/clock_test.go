package alarm

import (
	"fmt"
	"testing"
	"time"
)

func TestSilenceIsToldByTheTimeThatHasPassedWhateverTheClockDoes(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour, 87648 * time.Hour, -87648 * time.Hour} {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.now(func() { w.set.Silence = 30 * time.Minute })
				hears := func() { w.senders = []Sender{{Name: "a", Heard: float64(len(w.senders)) + 1 + w.heardOf("a")}} }
				w.now(hears)
				w.now(func() { w.gain = by })
				w.now(hears)
				w.pass(29 * time.Minute)
				w.now(func() { w.gain = 0 })
				w.want()
				w.pass(2 * time.Minute)
				w.want("[ops] silence: <nil> began")
			})
		})
	}
}

// heardOf is how many webhooks of a source are counted.
func (w *world) heardOf(name string) float64 {
	for _, s := range w.senders {
		if s.Name == name {
			return s.Heard
		}
	}
	return 0
}

func TestCountsOfASenderTakeNoMemoryAfterTheClockWasSetBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.now(func() { w.senders, w.gain = []Sender{{Name: "a", Heard: 1}}, 87648*time.Hour })
		w.pass(20 * time.Minute)
		w.now(func() { w.gain = 0 })
		w.pass(10 * time.Hour)
		w.stop()
		if n := len(w.k.windows["a"].counts); n > 200 {
			t.Errorf("%d counts of ten minutes", n)
		}
		w.start()
	})
}
