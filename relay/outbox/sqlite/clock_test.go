package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

const (
	day       = 24 * time.Hour
	tenYears  = 3652 * day
	keepBody  = 30 * day
	keepRow   = 90 * day
	notForAll = 1000 // refused ones
)

// clocked is a store whose clock can be set, in a bubble.
type clocked struct {
	*Store
	t    *testing.T
	path string
	gain time.Duration // by which the clock is ahead
	ids  event.IDs

	restarts bool // when the clock is set
}

func withClock(t *testing.T, test func(t *testing.T, c *clocked)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &clocked{t: t, path: filepath.Join(t.TempDir(), "relay.db")}
		c.open()
		test(t, c)
	})
}

func (c *clocked) now() time.Time { return time.Now().Add(c.gain).UTC() }

func (c *clocked) open() {
	c.t.Helper()
	c.Store = openStore(c.t, Config{Path: c.path, Dedupe: time.Hour, Now: c.now, every: 100 * day})
	c.ids = event.IDs{}
	c.ids.Floor(c.LastSeq())
}

func (c *clocked) restart() {
	c.t.Helper()
	if err := c.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.open()
}

// put stores an event of now for an address.
func (c *clocked) put(to ...outbox.Address) *outbox.Entry {
	c.t.Helper()
	e := at(&c.ids, c.now(), to...)
	write(c.t, c.Store, e)
	return e
}

// repeat sends an event once more, and says whether it was taken for a repeat.
func (c *clocked) repeat(of *outbox.Entry) bool {
	c.t.Helper()
	e := at(&c.ids, c.now())
	e.Event.Dedupe = of.Event.Dedupe
	write(c.t, c.Store, e)
	return e.Duplicate && e.StoredID == of.Event.ID
}

// end ends the delivery of an event.
func (c *clocked) end(e *outbox.Entry, to event.State) {
	c.t.Helper()
	outcome := event.Delivered
	if to == event.Dead {
		outcome = event.Rejected
	}
	a := outbox.Attempt{Key: outbox.Key{Event: e.Event.ID, Address: e.To[0]}, Number: 1, At: c.now(), Outcome: outcome, Tries: 1, State: to}
	if err := c.Write(c.t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{a}}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *clocked) purge() {
	c.t.Helper()
	now := c.now()
	_, err := c.Purge(c.t.Context(), outbox.Retention{
		Bodies: now.Add(-keepBody), Rows: now.Add(-keepRow),
		RefusedAfter: func(string) (time.Time, int) { return now.Add(-7 * day), notForAll },
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// pass lets time go by, with a purge a day.
func (c *clocked) pass(d time.Duration) {
	for ; d > 0; d -= day {
		time.Sleep(min(d, day))
		c.purge()
	}
}

// left is what is left of an event: "all", "row" without a body, "nothing".
func (c *clocked) left(e *outbox.Entry) string {
	got, err := c.Event(c.t.Context(), e.Event.ID)
	switch {
	case err != nil:
		return "nothing"
	case got.Body == nil:
		return "row"
	default:
		return "all"
	}
}

func (c *clocked) want(what string, e *outbox.Entry, left string) {
	c.t.Helper()
	if got := c.left(e); got != left {
		c.t.Errorf("of %s %s is left, want %s", what, got, left)
	}
}

// jumps are what a clock may do.
var jumps = []time.Duration{time.Hour, -time.Hour, tenYears, -tenYears}

// anyJump runs a test with each jump, without and (years) with a restart at each of its ends.
func anyJump(t *testing.T, test func(t *testing.T, c *clocked, set func(gain time.Duration), by time.Duration)) {
	t.Helper()
	for _, by := range jumps {
		for _, restart := range []bool{false, true}[:1+by.Abs()/tenYears] {
			t.Run(fmt.Sprint(by, " restart ", restart), func(t *testing.T) {
				withClock(t, func(t *testing.T, c *clocked) {
					c.restarts = restart
					test(t, c, func(gain time.Duration) {
						c.gain = gain
						if c.restarts {
							c.restart()
						}
					}, by)
				})
			})
		}
	}
}

func TestRepeatIsRecognisedAfterTheClockWasSetAndSetRight(t *testing.T) {
	anyJump(t, func(t *testing.T, c *clocked, set func(time.Duration), by time.Duration) {
		var before, during []*outbox.Entry
		for range 20 {
			before = append(before, c.put())
		}
		time.Sleep(time.Minute)
		set(by)
		for range 40 {
			during = append(during, c.put())
		}
		if (by < 0 || !c.restarts) && !c.repeat(before[7]) { // else it may have been stopped for so long
			t.Error("the repeat that came while the clock was wrong was stored once more")
		}
		time.Sleep(time.Minute)
		set(0)
		for i, e := range append(before, during...) {
			if !c.repeat(e) {
				t.Fatalf("the repeat of event %d was stored once more", i)
			}
		}
	})
}

func TestStartUnderAClockAheadForgetsNothing(t *testing.T) {
	withClock(t, func(t *testing.T, c *clocked) {
		var before []*outbox.Entry
		for range 20 {
			before = append(before, c.put())
		}
		c.gain = tenYears
		c.restart()
		for range 40 {
			c.put()
		}
		c.gain = 0
		for i, e := range before {
			if !c.repeat(e) {
				t.Fatalf("the repeat of event %d was stored once more", i)
			}
		}
	})
}

func TestWhatDeduplicationRemembersStaysWithinItsWindowAfterTheClockWasSet(t *testing.T) {
	racetest.Sequential(t)
	anyJump(t, func(t *testing.T, c *clocked, set func(time.Duration), by time.Duration) {
		hours := func(n int) {
			for range 15 * n {
				c.put()
				time.Sleep(4 * time.Minute)
			}
		}
		hours(2)
		set(by)
		hours(2)
		set(0)
		hours(3)
		if n := len(c.recent.seqs); n < 15 || n > 18 {
			t.Errorf("%d events in memory, want those of the last hour: about 15", n)
		}
		c.restart()
		if n := len(c.recent.seqs); n < 15 || n > 18 {
			t.Errorf("%d events in memory after a restart, want about 15", n)
		}
		if n := len(c.recent.past); n > 2*surveyed {
			t.Errorf("%d milestones", n)
		}
	})
}

func TestLaterVersionOfWhatCameWhileTheClockWasAheadIsTakenWhenItsWindowIsOver(t *testing.T) {
	withClock(t, func(t *testing.T, c *clocked) {
		c.gain = tenYears
		e := c.put()
		c.gain = 0
		again := func() bool { // with a window of ten minutes
			n := at(&c.ids, c.now())
			n.Event.Dedupe, n.DedupeSince = e.Event.Dedupe, n.Event.ReceivedAt.Add(-10*time.Minute)
			write(t, c.Store, n)
			return n.Duplicate
		}
		time.Sleep(9 * time.Minute)
		if !again() {
			t.Error("after nine minutes it is no repeat")
		}
		time.Sleep(2 * time.Minute)
		if again() {
			t.Error("after eleven minutes it is still one")
		}
	})
}

func TestWhatIsSentOnceMoreAfterALongStopIsTaken(t *testing.T) {
	withClock(t, func(t *testing.T, c *clocked) {
		e := c.put()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		c.open()
		if c.repeat(e) {
			t.Error("it was taken for a repeat, two windows later")
		}
	})
}

func TestRetentionGoesOnAfterTheClockWasSetAndSetRight(t *testing.T) {
	racetest.Sequential(t)
	anyJump(t, func(t *testing.T, c *clocked, set func(time.Duration), by time.Duration) {
		before, across := c.put("a"), c.put("a")
		c.end(before, event.Done)
		c.purge()
		set(by)
		during, dead, open := c.put("a"), c.put("a"), c.put("a")
		c.end(during, event.Done)
		c.end(across, event.Done)
		c.end(dead, event.Dead)
		c.refuse()
		if err := c.SaveThread(t.Context(), "chat", "key", "ref", c.now()); err != nil {
			t.Fatal(err)
		}
		c.pass(day / 2) // less than after which a clock is trusted
		set(0)
		c.end(open, event.Done)
		after := c.put("a")
		c.end(after, event.Done)
		all := map[string]*outbox.Entry{"before": before, "across": across, "during": during, "open": open, "after": after}

		c.pass(keepBody - 2*day)
		for what, e := range all {
			c.want(what+" before its time", e, "all")
		}
		c.pass(4 * day)
		for what, e := range all {
			c.want(what+" after its time", e, "row")
		}
		c.want("a dead letter", dead, "all")
		if list, _, err := c.Refused(t.Context(), outbox.Filter{}); err != nil || len(list) > 0 {
			t.Errorf("%d refused ones are left (%v)", len(list), err)
		}
		c.pass(keepRow - keepBody)
		all["dead"] = dead
		for what, e := range all {
			c.want(what+" in the end", e, "nothing")
		}
		if ref, err := c.Thread(t.Context(), "chat", "key"); err != nil || ref != "" {
			t.Errorf("the thread is still known (%v)", err)
		}
		if n, err := c.w.value(t.Context(), "SELECT count(*) FROM late"); n != int64(0) || err != nil {
			t.Errorf("%v events are late (%v)", n, err)
		}
	})
}

// refuse stores what intake could not take.
func (c *clocked) refuse() {
	c.t.Helper()
	now := c.now()
	r := &event.Refused{ID: c.ids.New(now), Source: "preventor", ReceivedAt: now, Status: 400, Reason: "no key decrypts it", Body: []byte("x")}
	if err := c.Write(c.t.Context(), &outbox.Batch{Entries: []*outbox.Entry{at(&c.ids, now)}, Refused: []*event.Refused{r}}); err != nil {
		c.t.Fatal(err)
	}
}

func TestClockThatLeapsAheadErasesNothingForADay(t *testing.T) {
	racetest.Sequential(t)
	for _, restart := range []bool{false, true} {
		withClock(t, func(t *testing.T, c *clocked) {
			done, dead, open := c.put("a"), c.put("a"), c.put("a")
			c.end(done, event.Done)
			c.end(dead, event.Dead)
			c.purge()
			c.gain = 130 * 365 * day // beyond what stands for a delivery that has not ended
			for range 23 {
				if restart {
					c.restart()
				}
				time.Sleep(time.Hour)
				c.purge()
			}
			for what, e := range map[string]*outbox.Entry{"a delivered one": done, "a dead letter": dead, "a pending one": open} {
				c.want(what, e, "all")
			}
			for range 3 {
				time.Sleep(time.Hour)
				c.purge()
			}
			c.want("a delivered one, when the clock is trusted,", done, "nothing")
			c.want("a pending one, whatever the clock says,", open, "all")
		})
	}
}

func TestDeadLetterOfAClockBehindIsKept(t *testing.T) {
	racetest.Sequential(t)
	withClock(t, func(t *testing.T, c *clocked) {
		before := c.put("a")
		c.end(before, event.Done)
		c.pass(100 * day)
		c.want("an old one", before, "nothing")
		last := c.put("a") // so that ids know what time it is
		c.end(last, event.Done)
		c.gain = -tenYears
		dead := c.put("a")
		c.end(dead, event.Dead)
		c.purge()
		c.gain = 0
		c.pass(keepRow - day)
		c.want("a dead letter", dead, "all")
		c.pass(2 * day)
		c.want("a dead letter after its time", dead, "nothing")
	})
}

func TestFirstTryIsShownWhenItWasMadeThoughIdsRunAheadOfTheClock(t *testing.T) {
	anyJump(t, func(t *testing.T, c *clocked, set func(time.Duration), by time.Duration) {
		set(by)
		c.put("a")
		set(0)
		e := c.put("a")
		time.Sleep(3 * time.Second)
		c.end(e, event.Done)
		d, err := c.Delivery(t.Context(), outbox.Key{Event: e.Event.ID, Address: "a"})
		if err != nil || d.FinishedAt.Sub(c.now()).Abs() > time.Millisecond {
			t.Errorf("delivered at %v (%v), want %v", d.FinishedAt, err, c.now())
		}
	})
}

func TestEventsAreListedByWhenTheyCameThoughIdsRunAheadOfTheClock(t *testing.T) {
	anyJump(t, func(t *testing.T, c *clocked, set func(time.Duration), by time.Duration) {
		set(by)
		c.put("a")
		set(0)
		e := c.put("a")
		for _, f := range []outbox.Filter{{Until: c.now().Add(time.Minute)}, {Since: c.now().Add(-time.Minute), Until: c.now().Add(time.Minute), State: "pending"}} {
			list, _, err := c.Events(t.Context(), f)
			if err != nil || len(list) == 0 || list[0].ID != e.Event.ID {
				t.Errorf("%+v: %d events (%v)", f, len(list), err)
			}
		}
	})
}
