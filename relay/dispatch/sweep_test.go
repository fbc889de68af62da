package dispatch

import (
	"testing"
	"time"

	"invitation-relay/relay/event"
)

func TestMaxAgeIsKeptWhenIdsRunAheadOfTheClock(t *testing.T) {
	for name, hold := range map[string]func(w *world){
		"by hand": func(w *world) {
			if err := w.d.Hold("hook", "for days"); err != nil {
				w.Fatal(err)
			}
		},
		"by failures": func(w *world) { w.accept("hook") },
	} {
		inWorld(t, func(t *testing.T, w *world) {
			w.ids.Floor(event.SeqAt(time.Now().Add(1000 * time.Hour)))
			w.waiting(1200, "hook", time.Minute)
			hook := w.target(broken)
			w.run([]Lane{{Name: "hook", Target: hook, Retry: Schedule{MaxAge: 2 * time.Hour}}})
			hold(w)
			for range 1300 {
				w.accept("hook")
			}
			w.pass(2*time.Hour + 10*time.Minute)
			if s := w.status("hook"); s.Dead < 2500 || s.Pending != 0 {
				t.Errorf("held %s: status %+v", name, s)
			}
		})
	}
}

func TestMaxAgeIsKeptBehindManyEventsReceivedWhileTheClockWasAhead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run([]Lane{{Name: "hook", Target: w.target(broken), Retry: Schedule{MaxAge: 2 * time.Hour}}})
		if err := w.d.Hold("hook", "for days"); err != nil {
			t.Fatal(err)
		}
		w.gain.Store(int64(1000 * time.Hour))
		for range 1500 {
			w.accept("hook")
		}
		w.waiting(1500, "hook", time.Minute)
		w.gain.Store(0)
		w.waiting(10, "hook", time.Minute)
		for range 10 {
			w.accept("hook")
		}
		w.pass(time.Hour)
		w.restart([]Lane{{Name: "hook", Target: w.target(broken), Retry: Schedule{MaxAge: 2 * time.Hour}}})
		w.pass(time.Hour + 10*time.Minute)
		if s := w.status("hook"); s.Dead != 20 || s.Pending != 3000 {
			t.Errorf("status %+v", s)
		}
		before := w.asked()
		w.pass(45 * time.Minute)
		if n := w.asked() - before; n > 10 {
			t.Errorf("the store was asked %d times with nothing to find", n)
		}
		w.pass(time.Hour) // a wide sweep comes once an hour
		if s := w.status("hook"); s.Dead != 3020 {
			t.Errorf("two hours after the clock is known to be right: %+v", s)
		}
	})
}

func TestWhatDiesWhileTheStoreTakesNothingStaysOnDisk(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.waiting(20_000, "hook", time.Minute)
		w.run([]Lane{{Name: "hook", Target: w.target(broken), Retry: Schedule{MaxAge: 2 * time.Hour}}})
		if err := w.d.Hold("hook", "for days"); err != nil {
			t.Fatal(err)
		}
		w.stall(true)
		w.pass(3 * time.Hour)
		l := w.d.lane("hook")
		l.mu.Lock()
		n := len(l.keys)
		l.mu.Unlock()
		if n == 0 || n > 2*sweepBatch {
			t.Errorf("%d deliveries whose time is up are in memory, want at most %d", n, 2*sweepBatch)
		}
		w.stall(false)
		w.pass(10 * time.Minute)
		if s := w.status("hook"); s.Dead != 20_000 || s.Pending != 0 {
			t.Errorf("once the store takes writes again: %+v", s)
		}
	})
}

func TestNothingDiesOfATargetThatIsGoneBeforeWhatIsTooOldHasBeenRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		lane := Lane{Name: "hook", Target: w.target(broken), Retry: Schedule{MaxAge: 2 * time.Hour}}
		w.run([]Lane{lane})
		w.accept("hook")
		if err := w.d.Hold("hook", "for days"); err != nil {
			t.Fatal(err)
		}
		w.with(func() {
			w.onClaim = func() {
				w.with(func() { w.onClaim = nil })
				w.reload(nil)
			}
		})
		w.pass(3 * time.Hour)
		if s := w.status("hook"); s.Kind != "" || s.Dead != 0 || s.Pending != 1 {
			t.Errorf("while it is gone: %+v", s)
		}
		lane.Target = w.target(broken)
		w.reload([]Lane{lane})
		w.pass(3 * time.Minute)
		if s := w.status("hook"); s.Dead != 1 || s.Pending != 0 {
			t.Errorf("when it is back: %+v", s)
		}
	})
}
