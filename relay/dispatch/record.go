package dispatch

import (
	"errors"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// ending is what became of a delivery, on its way into the store. Until it is
// committed the lane keeps the delivery's key, so that it cannot be tried again
// by this process, however long the store fails.
type ending struct {
	l       *lane
	m       *laneMetrics // nil: not counted
	a       outbox.Attempt
	created int64  // receipt of the event, Unix nanoseconds
	place   *place // shared with others; nil: its own
	kind    event.Kind
	was     event.State // before; Pending unless an operator changed another state
	then    func(error) // an operator waits for it: not tried again by us
	patient bool        // nothing waits for it
}

func (e *ending) received() time.Time { return time.Unix(0, e.created).UTC() }

// record hands an ending to the store. It is called without mu, by something
// that is counted in wg itself.
func (d *Dispatcher) record(e *ending) {
	d.wg.Add(1)
	d.cfg.Recorder.Record(e.a, !e.patient, e.committed)
}

// committed is called after the commit of the ending, or when there was none.
func (e *ending) committed(err error) {
	l := e.l
	defer l.d.wg.Done()
	switch {
	case err == nil:
		e.count()
		e.tell()
	case e.then == nil && errors.Is(err, event.ErrUnavailable):
		l.keep(e, err)
	case e.then == nil:
		// Nothing will make the store take it. The key stays, so the delivery
		// waits until the relay is started again.
		l.d.log.Error("the end of an attempt cannot be recorded", "delivery_id", e.a.Key.String(), "target", l.name, "err", err)
		l.mu.Lock()
		e.leave()
		l.saved()
		l.kick()
		l.mu.Unlock()
	default:
		l.mu.Lock()
		e.leave()
		l.release(e.a.Key)
		delete(l.alone, e.a.Key)
		if e.was == event.Pending {
			l.toDisk(e.a.Key, e.received())
		}
		l.kick()
		l.mu.Unlock()
	}
	if e.then != nil {
		e.then(err)
	}
}

// count takes over what has been committed.
func (e *ending) count() {
	l, a := e.l, &e.a
	l.mu.Lock()
	defer l.mu.Unlock()
	e.leave()
	l.release(a.Key)
	if l.order != nil {
		l.order.ended(refOf(a.Key), a.State == event.Pending)
	}
	if e.was == event.Pending {
		l.pending--
		l.d.pending.Add(-1)
	}
	switch a.State {
	case event.Pending:
		l.pending++
		l.d.pending.Add(1)
		l.nextRetry = earlier(l.nextRetry, a.NextAt)
		l.oldest = earlier(l.oldest, e.received())
	case event.Done:
		l.delivered++
	case event.Dead:
		l.dead++
		if e.m != nil {
			e.m.dead.Inc()
		}
	case event.Discarded:
	}
	switch e.was {
	case event.Dead:
		l.dead--
	case event.Done:
		l.delivered--
	default:
	}
	if a.State != event.Pending && !l.oldest.IsZero() {
		if l.onDisk() <= 0 {
			l.oldest, l.stale = time.Time{}, false
		} else if !e.received().After(l.oldest) {
			l.stale = true
		}
	}
	if l.saved() {
		l.kick()
	} else if l.wantsClerk() {
		l.kick()
	} else {
		l.startWorkers() // there is a place again
	}
}

// saved notes that the store takes commits, and reports whether it did not before.
func (l *lane) saved() (again bool) {
	if again = l.unsavedFor > 0; again {
		l.unsavedFor, l.unsavedAt = 0, l.d.now()
	}
	return again
}

// keep remembers an ending that could not be committed and records it again
// later. Until then the lane starts no attempt: each would be one more that is
// repeated if the process died now.
func (l *lane) keep(e *ending, err error) {
	l.mu.Lock()
	first := l.unsavedFor == 0
	if first || !l.d.now().Before(l.unsavedAt) {
		l.unsavedFor = min(max(storeRetry, 2*l.unsavedFor), storeRetryMax)
		l.unsavedAt = l.d.now().Add(l.unsavedFor)
	}
	l.unsaved = append(l.unsaved, e)
	l.kick()
	l.mu.Unlock()
	if first {
		l.d.log.Warn("the end of an attempt could not be recorded, and is kept", "target", l.name, "err", err)
	}
}

// resave records again what could not be committed, and says how much it was.
func (l *lane) resave() int {
	l.mu.Lock()
	again := l.unsaved
	l.unsaved = nil
	l.mu.Unlock()
	for _, e := range again {
		l.d.record(e)
	}
	return len(again)
}
