package dispatch

import (
	"time"

	"invitation-relay/relay/outbox"
)

// open reports whether attempts may start. An attempt holds its place until its
// end is committed: what a crash can repeat is at most Concurrency.
func (l *lane) open() bool {
	return l.live && l.spec != nil && !l.held() && !l.throttled && l.waitUntil.IsZero() && (l.order == nil || l.order.ready) &&
		l.busy+l.ending < l.spec.Concurrency && len(l.unsaved) == 0 && l.unsavedFor == 0
}

// startWorkers starts as many as there is work for. Workers end when there is
// none, so an idle lane has none.
func (l *lane) startWorkers() {
	for l.running-l.busy < l.works() && l.open() && l.running+l.ending < l.spec.Concurrency {
		if l.spec.limit != nil && l.running > l.busy {
			return // one at a time: most would find no token
		}
		l.running++
		l.d.run(l.work)
	}
}

// kick looks at everything the lane may be able to do now. Whoever changes
// something that may have kept it from working calls this, or startWorkers.
func (l *lane) kick() {
	if !l.live {
		return
	}
	now := l.d.now()
	if !now.Before(l.waitUntil) {
		l.endWait()
	}
	if !now.Before(l.tokenAt) {
		l.throttled = false
	}
	l.startWorkers()
	if !l.clerking && l.job(now) != idle {
		l.clerking = true
		l.d.run(l.clerk)
	}
	l.rearm(now)
}

// rearm sets the timer to the next time at which something may become possible.
// Times that have passed are left out: what is due and does not happen waits
// for something else, which kicks when it comes.
func (l *lane) rearm(now time.Time) {
	if !l.live {
		return
	}
	var at time.Time
	consider := func(t time.Time) {
		if t.After(now) {
			at = earlier(at, t)
		}
	}
	consider(l.storeAt)
	consider(l.unsavedAt)
	consider(l.waitUntil)
	consider(l.sweepAt)
	if l.throttled {
		consider(l.tokenAt)
	}
	if !l.held() {
		for _, c := range l.digests {
			consider(c.due)
		}
	}
	switch {
	case l.spec == nil:
	case l.held() && !l.hold.ByHand && l.pending > 0:
		consider(l.nextProbe())
	case !l.held() && !l.nextRetry.IsZero():
		consider(later(l.nextRetry, l.retryGate))
	}
	if !at.IsZero() {
		l.arm(at, now)
	}
}

// arm has the lane kicked at at. The timer is counted like a goroutine, since
// it becomes one.
func (l *lane) arm(at, now time.Time) {
	if l.armed {
		if !at.Before(l.wakeAt) || !l.timer.Stop() {
			return // early enough, or firing right now: it looks and arms again
		}
		l.d.wg.Done()
	}
	l.armed, l.wakeAt = true, at
	l.d.wg.Add(1)
	if l.timer == nil {
		l.timer = time.AfterFunc(at.Sub(now), l.wake)
	} else {
		l.timer.Reset(at.Sub(now))
	}
}

func (l *lane) wake() {
	defer l.d.wg.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	l.kick()
}

// start lets the lane work: Run has begun.
func (l *lane) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = true
	l.kick()
}

// stop lets no new attempt start, and nothing be claimed.
func (l *lane) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = false
	l.disarm()
}

func (l *lane) disarm() {
	if l.armed && l.timer.Stop() {
		l.armed = false
		l.d.wg.Done()
	}
}

// close closes the target, after the last attempt.
func (l *lane) close() {
	l.mu.Lock()
	s := l.spec
	l.mu.Unlock()
	if s != nil {
		s.Target.Close()
	}
}

// tick is called once a minute. It reports whether oldest is out of date.
func (l *lane) tick() (stale bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.d.now()
	if l.queue.n == 0 && len(l.queue.ring) > 64 && len(l.keys) == 0 {
		l.queue, l.keys = queue{}, map[outbox.Key]hand{} // neither shrinks by itself
	}
	if l.spec != nil && l.spec.Retry.MaxAge > 0 && l.sweepAt.IsZero() && !l.oldest.IsZero() &&
		!now.Before(l.d.clock.past.Load().deadline(l.oldest, l.spec.Retry.MaxAge, now)) {
		l.sweepAt = now
	}
	if l.spec != nil && l.after == caughtUp && !l.filling && !l.clerking && l.nextRetry.IsZero() && !l.held() && l.onDisk() > l.behind() {
		// Damaged rows that have been repaired, or recipients that are gone.
		l.d.log.Debug("deliveries wait that nothing is known of", "target", l.name, "count", l.onDisk())
		l.lookAgain()
	}
	l.kick()
	return l.stale && l.onDisk() > 0
}
