package dispatch

import (
	"context"
	"time"

	"invitation-relay/relay/target"
)

// clockSlack is how far the clock may be set back without anybody noticing.
const clockSlack = 5 * time.Second

// clockWatch notices when the clock is set back, by comparing it with time that
// only goes on.
type clockWatch struct {
	wall, steady time.Time     // when the watch began
	ahead        time.Duration // the most that the clock has gained since
}

// look returns by how much the clock has been set back since it last said so, 0
// when it has not.
func (w *clockWatch) look(now time.Time) (back time.Duration) {
	ahead := now.Sub(w.wall) - time.Since(w.steady)
	if back = w.ahead - ahead; back < clockSlack {
		w.ahead = max(w.ahead, ahead)
		return 0
	}
	w.ahead = ahead
	return back
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
// clock: later than now on the longest wait there is, they cannot be meant.
func (l *lane) distrustStored() {
	if l.spec != nil {
		l.distrust(l.d.now().Add(max(l.spec.Retry.Max, target.MaxRetryAfter)))
	}
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
