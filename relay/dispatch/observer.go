package dispatch

import (
	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Observer is told what somebody may have to be called for. Its methods return
// at once and leave the work to a goroutine of the observer's own: an attempt,
// an operator or the writer of the outbox waits for them, so that one that put
// an event into the outbox would wait for itself. They do not call Hold or
// Release. The calls about one target come one after another, in the order in
// which it happened; what began and ended meanwhile may be left out.
type Observer interface {
	// Dead: the delivery is a dead letter, and the store says so: it was
	// rejected, or its time was up. A dead alarm (event.Alarm) is not told of: an
	// alarm about an alarm would be dead as well. Nor is a dead test (event.Test):
	// nobody's webhook is lost, and who sent it looks at what became of it.
	Dead(key outbox.Key, reason string)
	// Held: the target is on hold. It is told again when a hold becomes one by
	// hand or has another reason. Holds from before a restart are not told again.
	Held(target, reason string, byHand bool)
	// Released: the target is on hold no more, by a success or by hand.
	Released(target string)
}

// tell tells of a dead letter that has been committed.
func (e *ending) tell() {
	if o := e.l.d.cfg.Observer; o != nil && e.a.State == event.Dead && e.kind != event.Alarm && e.kind != event.Test {
		o.Dead(e.a.Key, e.a.Reason)
	}
}

// tellHold tells of the hold as it is now, unless that has been told. It is
// called without mu by whoever has changed the hold; of two that do so at the
// same time, the later tells what is in force.
func (l *lane) tellHold() {
	o := l.d.cfg.Observer
	if o == nil {
		return
	}
	l.telling.Lock()
	defer l.telling.Unlock()
	l.mu.Lock()
	h := l.hold
	l.mu.Unlock()
	was := l.told
	l.told = h
	switch {
	case h == was:
	case !h.Since.IsZero():
		o.Held(l.name, h.Reason, h.ByHand)
	case !was.Since.IsZero():
		o.Released(l.name)
	}
}
