package dispatch

import (
	"testing"
	"time"
)

// A target was down for hours while others were served. Once it is back it gets
// what waited at its rate, neither faster nor slower, in the order of the events
// and beside what still comes; the others notice nothing of it.
func TestTargetThatComesBackAfterHoursIsServedAtItsRateWithoutStarvingOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(busy, takes)
		back, slow, good := w.target(answer), w.target(takes), w.target(takes)
		slow.take = 5 * time.Second
		const rate, waiting = 20, 5000 // several times what fits in memory
		w.run([]Lane{
			{Name: "back", Target: back, Rate: rate, Burst: 1, Concurrency: 4},
			{Name: "slow", Target: slow, Concurrency: 2},
			{Name: "good", Target: good},
		})
		for range waiting {
			w.accept("back")
			w.pass(3 * time.Second) // four hours in all
		}
		if s := w.status("back"); !s.Held || s.Pending != waiting {
			t.Fatalf("before: %+v", s)
		}
		mend()
		w.pass(time.Minute + time.Second) // the probe finds out
		begun, had := time.Now(), w.status("back").Delivered
		if had == 0 {
			t.Fatal("a minute after its return nothing was delivered")
		}
		for range 200 {
			if w.accept("back", "good"); w.states("good").Pending != 0 {
				t.Fatalf("%d deliveries wait for a target that works and is not the one that came back", w.states("good").Pending)
			}
			if time.Since(begun).Truncate(time.Second)%(10*time.Second) == 0 {
				w.accept("slow")
			}
			w.pass(500 * time.Millisecond)
		}
		took := time.Since(begun).Seconds()
		if n := float64(w.status("back").Delivered - had); n > rate*took+1 || n < rate*took*0.98 {
			t.Errorf("%.0f deliveries in %.0fs, want %d a second", n, took, rate)
		}
		if n := w.states("slow").Pending; n > 2 {
			t.Errorf("%d deliveries wait for the slow one, want none but those in flight", n)
		}
		w.pass(5 * time.Minute)
		if s := w.status("back"); s.Pending != 0 || s.Delivered != waiting+200 || s.Dead != 0 {
			t.Errorf("at the end: %+v", s)
		}
		inOrder, last := 0, ""
		for _, m := range back.messages()[back.count()-waiting:] {
			if id := m.Event.ID.String(); id > last {
				inOrder, last = inOrder+1, id
			}
		}
		if inOrder < waiting*9/10 { // those that were tried while it was down come when they are due
			t.Errorf("%d of %d came in the order of their events", inOrder, waiting)
		}
	})
}
