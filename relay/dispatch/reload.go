package dispatch

import (
	"reflect"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// spec is one target with what serving it needs.
type spec struct {
	Lane
	use       *use
	addresses []outbox.Address
	digester  target.Digester // nil: each delivery goes by itself
	limit     *rate.Limiter   // nil: none
	memory    int64
	m         *laneMetrics
}

func (s *spec) has(a outbox.Address) bool { return slices.Contains(s.addresses, a) }

// use counts the attempts in flight through one target, so that a target that
// is gone is closed after the last of them.
type use struct {
	inFlight int
	gone     bool
}

// begin and end surround an attempt. end reports whether the target is to be
// closed. Called with mu held.
func (s *spec) begin() { s.use.inFlight++ }

func (s *spec) end() bool {
	s.use.inFlight--
	return s.use.gone && s.use.inFlight == 0
}

// newSpec makes sense of a Lane. memory is the lane's share.
func newSpec(ln Lane, memory int64) *spec {
	ln.Retry = ln.Retry.valid()
	ln.Concurrency = max(1, ln.Concurrency)
	ln.Burst = max(1, ln.Burst)
	s := &spec{Lane: ln, memory: memory, digester: digester(&ln)}
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

// set puts in force what a reload says of the lane's target (nil: it is gone).
// Attempts in flight end through the target they began with; they count for the
// concurrency, and new ones need not wait for them. It returns a target that is
// not needed any more, to be closed without mu.
func (l *lane) set(to *spec) (closing target.Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.spec
	if to != nil {
		to.use = l.useOf(to.Target)
		to.m = l.d.metrics.lane(l.name)
		if old != nil && to.limit != nil && old.limit != nil && old.Rate == to.Rate && old.Burst == to.Burst {
			to.limit = old.limit // a reload is no way around the rate
		} else {
			l.tokenAt, l.throttled = time.Time{}, false
		}
	}
	l.spec = to
	if to != nil && !l.waitUntil.IsZero() && !reflect.DeepEqual(l.waitOf, to.Settings) {
		l.endWait() // another one asked
		l.pull = l.pending
	}
	if old != nil && (to == nil || to.use != old.use) {
		old.use.gone = true
		if old.use.inFlight == 0 {
			closing = old.Target
		} else {
			l.old = append(l.old, old)
		}
		l.failures, l.lastReason = 0, ""
		if l.held() && !l.hold.ByHand {
			l.probeAt = l.d.now() // the reload may well have mended it
		}
	}
	same := old != nil && to != nil && slices.Equal(old.addresses, to.addresses)
	switch {
	case to == nil:
		l.dropQueue()
		l.d.metrics.remove(l.name)
	case !same:
		l.dropQueue()
		if l.onDisk() > 0 {
			l.lookAgain()
			l.distrustStored()
		}
	}
	if same && (old.Digest != to.Digest || (old.digester == nil) != (to.digester == nil)) {
		l.dropQueue()
	}
	l.setOrder(old, to, same)
	l.kick()
	return closing
}

// useOf is the use of a target that the lane has, also of one that had gone and
// has come back before its last attempt ended, or a new one.
func (l *lane) useOf(t target.Target) *use {
	if l.spec != nil && l.spec.Target == t {
		return l.spec.use
	}
	l.old = slices.DeleteFunc(l.old, func(s *spec) bool { return s.use.inFlight == 0 })
	for _, s := range l.old {
		if s.Target == t {
			s.use.gone = false
			return s.use
		}
	}
	return &use{}
}

// lookAgain has the clerk read everything the lane may not know, and the order
// first of all what goes before others.
func (l *lane) lookAgain() {
	l.after, l.nextRetry, l.retryGate = 0, l.d.now(), time.Time{}
	if l.order != nil {
		l.order.doubt()
	}
}
