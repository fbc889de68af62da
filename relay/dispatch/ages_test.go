package dispatch

import (
	"fmt"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

const tenYears = 3652 * 24 * time.Hour

// clockJumps is what a clock may do.
var clockJumps = []time.Duration{time.Hour, -time.Hour, tenYears, -tenYears}

func TestNothingDiesOrWaitsBecauseTheClockWasSet(t *testing.T) {
	for _, by := range clockJumps {
		for _, restart := range []bool{false, true} {
			for _, lasts := range []time.Duration{10 * time.Second, 40 * time.Minute, 5 * time.Hour} {
				if restart && lasts > firstHour {
					continue
				}
				t.Run(fmt.Sprint(by, " for ", lasts, " restart ", restart), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						w.ids.Floor(event.SeqAt(w.now())) // as the relay does
						answer, mend := switched(busy, takes)
						hook := w.target(answer)
						lanes := []Lane{{Name: "hook", Target: hook, Rate: 1}, {Name: "other", Target: w.target(takes), Rate: 1}}
						set := func(gain time.Duration) {
							w.gain.Store(int64(gain))
							if restart {
								for i := range lanes {
									lanes[i].Target = w.target(lanes[i].Target.(*fake).answer)
								}
								w.restart(lanes, slowest)
							}
						}
						w.run(lanes, slowest)
						some := func() {
							for range 3 {
								w.accept("hook", "other")
							}
							w.pass(10 * time.Second)
						}
						some()
						w.pass(10 * time.Minute)
						set(by)
						some()
						w.pass(lasts)
						set(0)
						some()
						if s := w.status("other"); s.Delivered != 9 {
							t.Errorf("of a target that works: %+v", s)
						}
						mend()
						w.pass(2*time.Hour + 10*time.Minute)
						if s := w.status("hook"); s.Delivered != 9 || s.Dead != 0 || s.Held {
							t.Errorf("two hours after the clock was set right: %+v", s)
						}
					})
				})
			}
		}
	}
}

func TestMaxAgeIsTheTimeThatHasPassedWhateverTheClockSays(t *testing.T) {
	for _, by := range clockJumps {
		inWorld(t, func(t *testing.T, w *world) {
			w.run([]Lane{{Name: "hook", Target: w.target(busy), Retry: Schedule{MaxAge: 24 * time.Hour}}})
			w.accept("hook")
			w.pass(time.Hour)
			w.gain.Store(int64(by))
			w.accept("hook")
			w.pass(time.Hour)
			w.gain.Store(0)
			w.accept("hook")
			w.pass(21 * time.Hour)
			if s := w.status("hook"); s.Dead != 0 || s.Pending != 3 {
				t.Errorf("%s: after 23 hours: %+v", by, s)
			}
			w.pass(7 * time.Hour) // an hour by which it may be wrong, and one until it is swept
			if s := w.status("hook"); s.Dead != 3 || s.Pending != 0 {
				t.Errorf("%s: after 30 hours: %+v", by, s)
			}
		})
	}
}

func TestMaxAgeIsKeptUnderAClockThatStaysAhead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run([]Lane{{Name: "hook", Target: w.target(busy), Retry: Schedule{MaxAge: 24 * time.Hour}}})
		w.accept("hook")
		w.pass(time.Hour)
		w.gain.Store(int64(tenYears))
		w.pass(22 * time.Hour)
		if s := w.status("hook"); s.Dead != 0 {
			t.Errorf("after 23 hours: %+v", s)
		}
		w.pass(2 * time.Hour)
		if s := w.status("hook"); s.Dead != 1 {
			t.Errorf("after 25 hours: %+v", s)
		}
	})
}

func TestWhatWaitedThroughALongStopHasAnHourOfAttempts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(busy, takes)
		w.run([]Lane{{Name: "hook", Target: w.target(answer)}})
		w.accept("hook")
		w.accept("hook")
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.pass(100 * time.Hour)
		w.run([]Lane{{Name: "hook", Target: w.target(answer)}})
		w.pass(50 * time.Minute)
		if s := w.status("hook"); s.Dead != 0 {
			t.Errorf("before the hour is over: %+v", s)
		}
		w.pass(12 * time.Minute)
		if s := w.status("hook"); s.Dead != 2 {
			t.Errorf("after it: %+v", s)
		}
		mend()
	})
}

func TestWhatAClockBehindHasDatedDoesNotDieAtTheNextStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ids.Floor(event.SeqAt(w.now()))
		w.gain.Store(int64(-tenYears))
		w.run([]Lane{{Name: "hook", Target: w.target(busy)}})
		w.accept("hook")
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.gain.Store(0)
		w.run([]Lane{{Name: "hook", Target: w.target(busy)}})
		w.pass(10 * firstHour)
		if s := w.status("hook"); s.Dead != 0 || s.Pending != 1 {
			t.Errorf("ten hours later: %+v", s)
		}
	})
}

func TestRetryOfAClockAheadIsMadeInTimeAfterARestartWhenIdsShowIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.gain.Store(int64(tenYears))
		w.run([]Lane{{Name: "hook", Target: w.target(busy)}}, slowest)
		w.accept("hook")
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.gain.Store(0)
		w.run([]Lane{{Name: "hook", Target: w.target(takes)}})
		w.pass(time.Hour)
		if s := w.status("hook"); s.Delivered != 1 {
			t.Errorf("an hour after the start: %+v", s)
		}
	})
}

func TestStoreThatFailedWhileTheClockWasAheadIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hook := w.target(takes)
		w.run([]Lane{{Name: "hook", Target: hook}})
		w.gain.Store(int64(tenYears))
		w.with(func() { w.recordErr = func(*outbox.Attempt) error { return event.ErrUnavailable } })
		w.accept("hook")
		w.pass(time.Second)
		w.gain.Store(0)
		w.with(func() { w.recordErr = nil })
		w.accept("hook")
		w.pass(10 * time.Second)
		if s := w.status("hook"); s.Delivered != 2 {
			t.Errorf("ten seconds later: %+v", s)
		}
	})
}

func TestClockThatIsSetManyTimesTakesNoMemory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run([]Lane{{Name: "hook", Target: w.target(busy)}})
		w.accept("hook")
		for range 500 {
			w.gain.Add(int64(time.Hour))
			w.pass(time.Minute)
		}
		if n := len(w.d.clock.past.Load().leaps); n > mostLeaps {
			t.Errorf("%d leaps are remembered", n)
		}
		if s := w.status("hook"); s.Dead != 0 {
			t.Errorf("%+v", s)
		}
		if w.log.lines("the clock was set ahead") == 0 {
			t.Error("nothing of it is in the log")
		}
	})
}
