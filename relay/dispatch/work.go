package dispatch

import (
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// worker tries one queued delivery after the other, and ends when there is
// none, or none may be tried now.
func (l *lane) worker() {
	for {
		it, more, s, inTime := l.next()
		switch {
		case s == nil:
			return
		case more != nil:
			l.tryTogether(s, append(more, it))
		case inTime:
			l.try(s, it, false)
		default:
			l.giveUp(s, it, s.Retry.tooLate(it.Reason), false)
		}
	}
}

// next hands out the next delivery, with more that leave together with it, or
// ends the worker (s is nil). A delivery whose time is up costs no token.
func (l *lane) next() (it item, more []item, s *spec, inTime bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for (l.queue.n > 0 || len(l.digests) > 0) && l.open() {
		now := l.d.now()
		q, c := l.source(now)
		if q == nil {
			break
		}
		first := q.at(0)
		if !l.mayStart(first.Key) {
			a := first.Key.Address
			l.park(q.pop())
			if c != nil {
				l.thinned(a, c, now)
			}
			continue
		}
		if inTime = !l.expired(&first.Pending, now); inTime && !l.token(now) {
			break
		}
		it, s = q.pop(), l.spec
		l.started(it.Key)
		if c != nil {
			if inTime {
				more = l.gather(c, now)
			}
			l.thinned(it.Key.Address, c, now)
		}
		l.busy++
		s.begin()
		if s.limit != nil {
			l.startWorkers() // the next one waits for the next token
		}
		return it, more, s, inTime
	}
	l.running--
	if l.held() || l.wantsClerk() {
		l.kick()
	}
	return item{}, nil, nil, false
}

// token reports whether the rate allows an attempt now. It reserves the next
// one and sets the timer for it, so that no worker waits.
func (l *lane) token(now time.Time) bool {
	if l.spec.limit == nil {
		return true
	}
	if l.tokenAt.IsZero() {
		l.tokenAt = now.Add(l.spec.limit.ReserveN(now, 1).DelayFrom(now))
	}
	if now.Before(l.tokenAt) {
		l.throttled = true
		l.rearm(now)
		return false
	}
	l.tokenAt = time.Time{}
	return true
}

// expired reports whether the delivery's time is up. One an operator asked to
// retry gets an attempt however old it is.
func (l *lane) expired(p *outbox.Pending, now time.Time) bool {
	if !l.over(l.spec.Retry, p, p.Attempts, now) {
		return false
	}
	_, asked := l.alone[p.Key]
	return !asked
}

// over reports whether a delivery gets no more attempts after those it has had.
func (l *lane) over(s Schedule, p *outbox.Pending, attempts int, now time.Time) bool {
	if s.MaxAge == 0 {
		return attempts > 0
	}
	return !now.Before(l.d.deadline(p, s.MaxAge, now))
}

// try makes one attempt and records it.
func (l *lane) try(s *spec, it item, probe bool) {
	ev, err := decoded(it.Event, l.d.cfg.Decode)
	if err != nil {
		l.unreadable(s, it, probe)
		return
	}
	t := attempt{item: it, s: s, probe: probe, begun: l.d.now()}
	t.span = l.d.cfg.Tracer.Attempt(it.Event, t.begun)
	start := time.Now() // its end tells how long it took, whatever happens to the clock
	m := message(&it, ev, t.begun)
	m.Traceparent = t.span.Traceparent()
	t.res, t.panicked = send(func() target.Result { return s.Target.Send(l.d.sendCtx, m) })
	l.answered(&t, start)
}

// unreadable gives up a delivery whose event is damaged.
func (l *lane) unreadable(s *spec, it item, probe bool) {
	l.d.log.Error("stored event cannot be decoded", "event_id", it.Key.Event.String(), "target", l.name)
	l.giveUp(s, it, reasonUnreadable, probe)
}

// answered goes on with an attempt that has come back from the target.
func (l *lane) answered(t *attempt, start time.Time) {
	t.ended, t.took = l.d.now(), time.Since(start)
	if l.d.sendCtx.Err() != nil && t.res.Outcome != event.Delivered && t.res.Outcome != event.Rejected {
		t.interrupted = true
		t.res = target.Result{Outcome: event.Retry, Reason: reasonInterrupted, Tries: t.res.Tries}
	}
	l.settle(t)
}

// settle draws the consequences of an attempt, for the delivery and for the
// target, and records it.
func (l *lane) settle(t *attempt) {
	r := l.d.cfg.Rand() // one for all, so that what failed together is due together
	a := l.outcome(t, &t.item, r)
	t.trace(l.name)
	s := t.s
	t.count()

	l.mu.Lock()
	l.busy--
	l.ending++
	l.letGo(t, &t.item)
	for i := range t.more {
		l.letGo(t, &t.more[i])
	}
	if t.probe {
		l.probing = false
	}
	seen := sight{}
	switch {
	case t.interrupted: // says nothing about the target
	case l.spec != nil && l.spec.use == s.use:
		seen = l.judge(t)
	case t.res.Outcome == event.Retry, t.res.Outcome == event.Held:
		l.heed(t) // nor does it say more about the one in force
	}
	closing := s.end()
	patient := l.patient(t, &a)
	l.mu.Unlock()
	if closing {
		s.Target.Close()
	}

	l.report(t, &a, seen)
	if seen.held || seen.released {
		l.tellHold()
	}
	var shared *place
	if t.more != nil {
		shared = &place{left: 1 + len(t.more)}
	}
	l.d.record(&ending{l: l, m: s.m, a: a, place: shared, created: t.CreatedAt.UnixNano(), kind: t.Event.Kind, patient: patient})
	for i := range t.more {
		it := &t.more[i]
		l.d.record(&ending{l: l, m: s.m, a: l.outcome(t, it, r), place: shared, created: it.CreatedAt.UnixNano(), kind: it.Event.Kind})
	}
}

// patient reports whether nothing waits for the end of an attempt: it is the
// usual one, of the usual kind, and more than half of the places are free.
func (l *lane) patient(t *attempt, a *outbox.Attempt) bool {
	return a.State == event.Done && !t.probe && t.more == nil && l.order == nil && l.spec != nil &&
		2*(l.busy+l.ending) < l.spec.Concurrency && l.unsavedFor == 0
}

// letGo frees what a delivery took in memory. Of a digest that was rejected each
// delivery is tried by itself, so that one bad event does not kill the others.
func (l *lane) letGo(t *attempt, it *item) {
	l.bytes -= it.size
	if t.apart() {
		l.setApart(it.Key)
	} else if l.alone != nil {
		delete(l.alone, it.Key)
	}
}

// giveUp makes a delivery a dead letter without an attempt.
func (l *lane) giveUp(s *spec, it item, reason string, probe bool) {
	l.mu.Lock()
	l.busy--
	l.bytes -= it.size
	l.ending++
	if probe {
		l.probing = false
		l.inVain(l.d.now(), 0)
	}
	closing := s.end()
	l.mu.Unlock()
	if closing {
		s.Target.Close()
	}
	e := l.death(s, &it.Pending, reason)
	l.d.log.Error("delivery is dead", "delivery_id", it.Key.String(), "event_id", it.Key.Event.String(),
		"target", l.name, "attempt", it.Attempts, "err", reason)
	l.d.record(e)
}

// death is the end of a delivery to which no attempt was made.
func (l *lane) death(s *spec, p *outbox.Pending, reason string) *ending {
	return &ending{l: l, m: s.m, created: p.CreatedAt.UnixNano(), kind: p.Event.Kind, a: outbox.Attempt{
		Key: p.Key, Number: p.Attempts, At: l.d.now(), Reason: reason, Tries: 1, State: event.Dead,
	}}
}
