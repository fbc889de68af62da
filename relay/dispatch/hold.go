package dispatch

import (
	"context"
	"reflect"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

const (
	failuresToHold = 5                // retry in a row
	firstProbe     = 10 * time.Second // after a hold by failures; doubles up to Config.Probe
	againProbe     = time.Second      // after the first probe of a hold read from the store: how long it has lasted is not known
)

// sight is what an attempt told about the target.
type sight struct {
	newReason bool // it failed, and not for the same reason as before
	held      bool
	released  bool
	heldFor   time.Duration // when released, or probed in vain
	nextProbe time.Duration // until then, after one in vain; 0: it was none
}

// judge draws from an attempt what it says about the target as a whole: whether
// to wait, to hold it, or to end a hold. Called with mu held.
func (l *lane) judge(t *attempt) (seen sight) {
	now, res := t.ended, &t.res
	switch res.Outcome {
	case event.Delivered:
		l.failures, l.lastReason = 0, ""
		if l.held() && !l.hold.ByHand {
			seen.released, seen.heldFor = true, age(now, l.hold.Since)
			l.endHold(now)
		}
		return seen
	case event.Rejected:
		// The target has answered, but this is no proof that it takes anything.
		l.failures = 0
	case event.Retry, event.Held:
		seen.newReason = l.lastReason != res.Reason
		l.lastReason = res.Reason
		l.wait(t)
	}

	switch {
	case l.held():
		if t.probe {
			l.inVain(now, res.Outcome)
			seen.heldFor, seen.nextProbe = age(now, l.hold.Since), l.nextProbe().Sub(now)
		}
	case res.Outcome == event.Held:
		l.beginHold(outbox.Hold{Since: now, Reason: res.Reason}, l.d.cfg.Probe)
		seen.held = true
	case l.failures >= failuresToHold:
		reason := "five failures in a row, the last: " + res.Reason
		l.beginHold(outbox.Hold{Since: now, Reason: reason}, min(firstProbe, l.d.cfg.Probe))
		seen.held = true
	}
	return seen
}

// wait honours Retry-After and counts failures in a row. Attempts that were in
// flight together when the target asked to wait count once: it is busy, not
// broken, unless it goes on like this.
func (l *lane) wait(t *attempt) {
	if t.res.Outcome == event.Retry && (t.res.RetryAfter <= 0 || !t.begun.Before(l.waitSet)) {
		l.failures++
	}
	l.heed(t)
}

// heed honours Retry-After, also that of an attempt which a reload has overtaken,
// unless the target in force is another one.
func (l *lane) heed(t *attempt) {
	asked, of := min(t.res.RetryAfter, target.MaxRetryAfter), t.s.Settings
	if asked <= 0 || l.spec != nil && l.spec.use != t.s.use && !reflect.DeepEqual(of, l.spec.Settings) {
		return
	}
	if !reflect.DeepEqual(l.waitOf, of) {
		l.waitUntil = time.Time{} // another one asked, before this one was gone
	}
	l.waitSet, l.waitOf = t.ended, of
	l.waitUntil = later(l.waitUntil, t.ended.Add(asked))
	l.rearm(t.ended)
}

// endWait ends what the target asked for. When it did is not forgotten: what began
// before is still in flight.
func (l *lane) endWait() { l.waitUntil, l.waitOf = time.Time{}, nil }

// beginHold stops attempts. What is queued stays on disk only, so that targets
// on hold take no memory from the others.
func (l *lane) beginHold(h outbox.Hold, probe time.Duration) {
	h.Since = h.Since.UTC()
	l.hold, l.holdDirty = h, true
	l.failures, l.pull, l.probes = 0, 0, 0
	l.probeWait, l.seekWait, l.probeAt = probe, 0, h.Since.Add(probe)
	l.dropQueue()
	l.kick()
}

// nextProbe is when the target may be probed: not while it has asked to be left
// alone, whenever it did.
func (l *lane) nextProbe() time.Time { return later(l.probeAt, l.waitUntil) }

// inVain sets the time of the next probe after one that brought no release.
func (l *lane) inVain(now time.Time, o event.Outcome) {
	l.probeWait = min(max(2*l.probeWait, againProbe), l.d.cfg.Probe)
	if o == event.Held {
		l.probeWait = l.d.cfg.Probe
	}
	l.probeAt = now.Add(l.probeWait)
	l.rearm(now)
}

// endHold ends a hold. All that waits becomes due, in batches as room appears.
func (l *lane) endHold(now time.Time) {
	l.holdDirty = l.holdDirty || l.held()
	l.hold = outbox.Hold{}
	l.failures, l.lastReason = 0, ""
	l.pull = l.pending
	l.nextRetry = now
	l.kick()
}

// probe tries one delivery of a target on hold, beside the workers.
func (l *lane) probe(s *spec, it item) {
	l.try(s, it, true)
	l.worker() // if it brought the release, go on
}

// saveHold makes the hold, or its end, durable if it is not yet.
func (l *lane) saveHold(ctx context.Context) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	h, dirty := l.hold, l.holdDirty
	l.holdDirty = false
	l.mu.Unlock()
	if !dirty {
		return nil
	}
	h.Target = l.name
	err := l.d.cfg.Store.SetHold(ctx, h)
	if err != nil {
		l.mu.Lock()
		l.holdDirty = true
		l.mu.Unlock()
	}
	return err
}
