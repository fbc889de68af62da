package dispatch

import (
	"slices"
	"time"

	"golang.org/x/time/rate"

	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// change is a spec that waits for the attempts in flight to end; to is nil when
// the target is gone from the config.
type change struct{ to *spec }

// newSpec fills in defaults. memory is the lane's share.
func newSpec(ln Lane, memory int64) *spec {
	ln.Retry = ln.Retry.withDefaults()
	ln.Concurrency = max(1, ln.Concurrency)
	ln.Burst = max(1, ln.Burst)
	s := &spec{Lane: ln, memory: memory}
	if ln.Rate > 0 && ln.Rate != rate.Inf {
		s.limit = rate.NewLimiter(ln.Rate, ln.Burst)
	}
	recipients := ln.Target.Recipients()
	if recipients == nil {
		recipients = []string{""}
	}
	for _, r := range recipients {
		s.addresses = append(s.addresses, outbox.AddressOf(ln.Name, r))
	}
	return s
}

// same reports whether two specs send through the same target.
func same(a, b *spec) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Target == b.Target
}

// set gives the lane what a reload says of it (nil: nothing any more), at once
// or when the attempts in flight have ended. It returns the targets that are
// not needed any more, to be closed without mu.
func (l *lane) set(to *spec) (closing []target.Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.swap; c != nil && c.to != nil && !same(c.to, to) && !same(c.to, l.spec) {
		closing = append(closing, c.to.Target) // never came into force
	}
	if same(l.spec, to) {
		l.swap = nil
		l.adopt(to)
		l.kick()
		return closing
	}
	l.swap = &change{to}
	if l.running == 0 {
		if old := l.change(); old != nil {
			closing = append(closing, old)
		}
	}
	return closing
}

// change puts the waiting spec in force and returns the target it replaces, to
// be closed. No attempt is in flight. Called with mu held.
func (l *lane) change() (closing target.Target) {
	if l.spec != nil {
		closing = l.spec.Target
	}
	to := l.swap.to
	l.swap = nil
	l.adopt(to)
	l.failures, l.lastReason = 0, ""
	if l.held() && !l.hold.ByHand {
		l.probeAt = l.d.now() // the reload may well have mended it
	}
	l.kick()
	return closing
}

// adopt puts a spec in force. Its deliveries are looked for on disk when there
// may be some that the lane did not care for until now.
func (l *lane) adopt(to *spec) {
	old := l.spec
	l.spec = to
	if to == nil {
		l.dropQueue()
		l.d.metrics.remove(l.name)
		return
	}
	to.m = l.d.metrics.lane(l.name)
	if old != nil && to.limit != nil && old.limit != nil && old.Rate == to.Rate && old.Burst == to.Burst {
		to.limit = old.limit // a reload is no way around the rate
	} else {
		l.tokenAt, l.throttled = time.Time{}, false
	}
	if old == nil || !slices.Equal(old.addresses, to.addresses) {
		l.dropQueue()
		if l.onDisk() > 0 {
			l.lookAgain()
		}
	}
}

// lookAgain has the clerk read everything the lane may not know.
func (l *lane) lookAgain() {
	l.after, l.nextRetry, l.retryGate = 0, l.d.now(), time.Time{}
}
