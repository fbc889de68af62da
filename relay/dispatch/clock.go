package dispatch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

// clockSlack is how far the clock may be set without anybody noticing.
const clockSlack = 5 * time.Second

// clock is the clock, watched at every look by comparing it with time that only
// goes on. Its times have no monotonic reading, so that all of them compare alike,
// those from the store too.
type clock struct {
	wall  func() time.Time
	moved chan struct{}        // a token: somebody should take what was noticed
	past  atomic.Pointer[past] // for the ages of deliveries
	start time.Time            // by the clock
	begun time.Time            // with a monotonic reading
	most  atomic.Int64         // nanoseconds that the clock has gained since, at most

	mu          sync.Mutex
	back, ahead time.Duration // by how much it was set, and nobody has taken it yet
}

func newClock(wall func() time.Time) *clock {
	c := &clock{wall: func() time.Time { return wall().Round(0) }, moved: make(chan struct{}, 1), begun: time.Now()}
	c.start = c.wall()
	c.past.Store(&past{begun: c.begun, start: c.start, right: c.start})
	return c
}

// now is what the clock says.
func (c *clock) now() time.Time {
	now := c.wall()
	gained := now.Sub(c.start) - time.Since(c.begun) - time.Duration(c.most.Load())
	if gained > clockSlack || gained < -clockSlack {
		c.look()
	}
	return now
}

// look notices when the clock has been set.
func (c *clock) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var now time.Time
	var steady time.Duration
	for range 10 { // a reading that took long tells nothing
		before := time.Since(c.begun)
		now = c.wall()
		if steady = time.Since(c.begun); steady-before < clockSlack/10 {
			break
		}
	}
	most := time.Duration(c.most.Load())
	gained := now.Sub(c.start) - steady - most
	switch {
	case gained > clockSlack:
		c.ahead += gained
		c.past.Store(c.past.Load().ahead(now, gained))
	case gained <= -clockSlack:
		c.back -= gained
		c.past.Store(c.past.Load().back(now, -gained))
	case gained <= 0:
		return
	}
	c.most.Store(int64(most + gained))
	if gained > clockSlack || gained < 0 {
		select {
		case c.moved <- struct{}{}:
		default: // there is a token already
		}
	}
}

// taken returns by how much the clock has been set since it last said so.
func (c *clock) taken() (back, ahead time.Duration) {
	c.look()
	c.mu.Lock()
	defer c.mu.Unlock()
	back, ahead = c.back, c.ahead
	c.back, c.ahead = 0, 0
	return back, ahead
}

// setBack takes back what the lane planned by a clock that was ahead. A time
// that was noted after the correction comes too early then, which costs an
// attempt; the others would come too late, by as much as the clock was ahead.
func (l *lane) setBack(now time.Time, by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range []*time.Time{
		&l.nextRetry, &l.retryGate, &l.storeAt, &l.sweepAt, &l.unsavedAt, &l.tokenAt, &l.waitUntil, &l.waitSet, &l.probeAt, &l.wide.gate,
	} {
		if !t.IsZero() {
			*t = t.Add(-by)
		}
	}
	for _, c := range l.digests {
		c.due = c.due.Add(-by)
	}
	l.disarm() // for whoever kicks next to arm again: wakeAt may be by either clock
	if l.spec != nil && l.onDisk() > 0 {
		l.distrust(now.Add(l.spec.Retry.Max / 2)) // what the schedule makes them wait on average, at most
	}
}

// distrust has the clerk bring next attempts that are planned for later than at
// forward to at.
func (l *lane) distrust(at time.Time) { l.notAfter = earlier(l.notAfter, at) }

// distrustStored is for next attempts that were planned by nobody knows which
// clock: later than now on the longest wait there is, they cannot be meant. Where
// ids show that the clock was set back, they are brought forward as by setBack.
func (l *lane) distrustStored() {
	if l.spec == nil {
		return
	}
	now, retry := l.d.now(), l.spec.Retry
	at := now.Add(max(retry.Max, target.MaxRetryAfter))
	if l.d.cfg.Store.LastSeq() > event.SeqAt(now.Add(clockSlack)) {
		at = now.Add(retry.Max / 2)
	}
	l.distrust(at)
}

// bringForward does what distrust asked for, one batch at a time.
func (l *lane) bringForward(ctx context.Context) error {
	q, _, ok := l.query()
	if !ok {
		return nil
	}
	at := l.notAfter
	l.mu.Unlock()
	n, err := l.d.cfg.Store.Advance(ctx, q.Addresses, at, advanceBatch)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 {
		l.nextRetry = earlier(l.nextRetry, at)
	}
	if n < advanceBatch && l.notAfter.Equal(at) {
		l.notAfter = time.Time{}
	}
	return nil
}
