package dispatch

import (
	"context"
	"time"
)

const (
	claimBatch   = 256
	advanceBatch = 1000
	claimsAtOnce = 4 // over all lanes: hundreds of them start at the same time

	storeRetry    = time.Second     // after the store failed: then doubling
	storeRetryMax = 4 * time.Second // back within 5s after a fault of the store ends
)

// job is one piece of a lane's work with the store.
type job uint8

const (
	idle     job = iota
	saveHold     // make a hold or its end durable
	resave       // record again what could not be committed
	sweep        // let deliveries die whose time is up
	learn        // what was tried before, for the order
	findProbe
	claimTurn // what waited for an earlier one
	claimRetries
	claimFresh   // never tried
	pullForward  // what waits for its next attempt, after a hold
	bringForward // next attempts planned by a clock that was ahead
)

// job is what the clerk should do now. Called with mu held.
func (l *lane) job(now time.Time) job {
	switch {
	case !l.live:
		return idle
	case len(l.unsaved) > 0 && !now.Before(l.unsavedAt):
		return resave
	case now.Before(l.storeAt):
		return idle
	case l.holdDirty:
		return saveHold
	case l.spec == nil || l.unsavedFor > 0:
		return idle
	case l.sweeps() && !now.Before(l.sweepAt):
		return sweep
	case !l.notAfter.IsZero():
		return bringForward
	case l.order != nil && !l.order.ready:
		if l.busy+l.ending > 0 && !l.order.again { // they began in another order
			return idle
		}
		return learn
	case l.held():
		if l.hold.ByHand || l.probing || l.running >= l.spec.Concurrency || l.onDisk() <= 0 || now.Before(l.nextProbe()) {
			return idle
		}
		return findProbe
	case !l.waitUntil.IsZero():
		return idle
	case l.order != nil && len(l.order.turn) > 0 && len(l.keys) < l.d.cfg.Queue && l.bytes <= l.spec.memory:
		return claimTurn
	case l.room() == 0:
		return idle
	case !l.nextRetry.IsZero() && !now.Before(later(l.nextRetry, l.retryGate)):
		return claimRetries
	case l.pull > 0 && l.failures == 0 && (l.nextRetry.IsZero() || l.nextRetry.After(now)):
		return pullForward
	case l.after != caughtUp:
		return claimFresh
	default:
		return idle
	}
}

// wantsClerk reports, at the price of a few comparisons, whether a delivery
// that has ended may make a job possible.
func (l *lane) wantsClerk() bool {
	return l.after != caughtUp || !l.nextRetry.IsZero() || l.pull > 0 || l.sweeps() || l.order != nil && (!l.order.ready || len(l.order.turn) > 0)
}

// clerk does the lane's work with the store, one job after the other, and ends
// when there is none. There is one at a time, so that a claim is never read
// beside another of the same lane.
func (l *lane) clerk() {
	for {
		l.mu.Lock()
		now := l.d.now()
		what := l.job(now)
		if what == idle {
			l.clerking = false
			l.rearm(now)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()

		err := l.do(what)
		l.recordPutOff()
		l.mu.Lock()
		l.storeResult(err)
		l.mu.Unlock()
		switch {
		case err == nil:
			l.d.storeOK.Store(true)
		case l.d.ctx.Err() == nil:
			l.d.storeFailed(l.d.ctx, l.name, err)
		}
	}
}

func (l *lane) do(what job) error {
	ctx := l.d.ctx
	switch what {
	case saveHold:
		return l.saveHold(context.WithoutCancel(ctx))
	case resave:
		l.resave()
		return nil
	default:
	}
	select {
	case l.d.slots <- struct{}{}:
		defer func() { <-l.d.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	switch what {
	case sweep:
		return l.sweep(ctx)
	case learn:
		return l.learn(ctx)
	case findProbe:
		return l.findProbe(ctx)
	case claimTurn:
		return l.claimTurn(ctx)
	case claimRetries:
		return l.claimRetries(ctx)
	case claimFresh:
		return l.claimFresh(ctx)
	case pullForward:
		return l.pullForward(ctx)
	case bringForward:
		return l.bringForward(ctx)
	default:
		return nil
	}
}

// storeResult makes the lane leave a failing store alone for a moment.
func (l *lane) storeResult(err error) {
	if err == nil {
		l.storeWait, l.storeAt = 0, time.Time{}
		return
	}
	l.storeWait = min(max(storeRetry, 2*l.storeWait), storeRetryMax)
	l.storeAt = l.d.now().Add(l.storeWait)
}
