package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/failpoint"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// Fixed sentences for an operator.
const (
	reasonPanic       = "a defect of the relay: sending panicked; see the log"
	reasonInterrupted = "interrupted: the relay was stopping; the target may have it"
	reasonUnreadable  = "the stored event could not be read again"
)

// worker tries one queued delivery after the other, and ends when there is
// none, or none may be tried now.
func (l *lane) worker() {
	for {
		it, s, inTime := l.next()
		switch {
		case s == nil:
			return
		case inTime:
			l.try(s, it, false)
		default:
			l.giveUp(s, it, s.Retry.tooLate(it.Reason), false)
		}
	}
}

// next hands out the next delivery, or ends the worker (s is nil). A delivery
// whose time is up costs no token.
func (l *lane) next() (it item, s *spec, inTime bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.open() && l.queue.n > 0 {
		now := l.d.now()
		first := l.queue.at(0)
		if !l.mayStart(first.Key) {
			l.park(l.queue.pop())
			continue
		}
		if inTime = !l.expired(&first.Pending, now); inTime && !l.token(now) {
			break
		}
		it, s = l.queue.pop(), l.spec
		l.started(it.Key)
		l.busy++
		s.begin()
		if s.limit != nil {
			l.startWorkers() // the next one waits for the next token
		}
		return it, s, inTime
	}
	l.running--
	if l.held() || l.wantsClerk() {
		l.kick()
	}
	return item{}, nil, false
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
	if !l.spec.Retry.over(p.Attempts, now.Sub(p.CreatedAt)) {
		return false
	}
	_, asked := l.byHand[p.Key]
	return !asked
}

// try makes one attempt and records it.
func (l *lane) try(s *spec, it item, probe bool) {
	ev, err := decoded(it.Event, l.d.cfg.Decode)
	if err != nil {
		l.d.log.Error("stored event cannot be decoded", "event_id", it.Key.Event.String(), "target", l.name)
		l.giveUp(s, it, reasonUnreadable, probe)
		return
	}
	t := attempt{item: it, s: s, probe: probe, begun: l.d.now()}
	start := time.Now() // its end tells how long it took, whatever happens to the clock
	failpoint.Hit(failpoint.BeforeSend)
	t.res, t.panicked = send(l.d.sendCtx, s.Target, &target.Message{
		DeliveryID: it.Key.String(),
		Recipient:  it.Key.Address.Recipient(),
		Attempt:    it.Attempts + 1,
		Event:      ev,
		Now:        t.begun,
	})
	failpoint.Hit(failpoint.AfterSend)
	t.ended, t.took = l.d.now(), time.Since(start)
	if l.d.sendCtx.Err() != nil && t.res.Outcome != event.Delivered && t.res.Outcome != event.Rejected {
		t.interrupted = true
		t.res = target.Result{Outcome: event.Retry, Reason: reasonInterrupted, Tries: t.res.Tries}
	}
	l.settle(&t)
}

// attempt is one try on its way from the target to the store.
type attempt struct {
	item
	s            *spec
	probe        bool
	interrupted  bool // by our shutdown: says nothing about the target
	begun, ended time.Time
	took         time.Duration
	res          target.Result
	panicked     error
}

// send makes the attempt. A panic is a defect of ours and not of the message or
// the target, so the delivery stays and is tried again.
func send(ctx context.Context, t target.Target, m *target.Message) (res target.Result, panicked error) {
	defer func() {
		if p := recover(); p != nil {
			res, panicked = target.Result{Outcome: event.Retry, Reason: reasonPanic}, describe(p)
		}
	}()
	res = t.Send(ctx, m)
	if res.Outcome < event.Delivered || res.Outcome > event.Held {
		res.Outcome = event.Retry
	}
	return res, nil
}

// describe says what panicked without the panic's value, which may quote the
// event. Run-time errors name types and indices only.
func describe(p any) error {
	if err, ok := p.(runtime.Error); ok {
		return fmt.Errorf("%w\n%s", err, debug.Stack())
	}
	return fmt.Errorf("panic of type %T\n%s", p, debug.Stack())
}

// settle draws the consequences of an attempt, for the delivery and for the
// target, and records it.
func (l *lane) settle(t *attempt) {
	a := t.outcome(l.d.cfg.Rand())
	s := t.s
	s.m.attempts[a.Outcome].Inc()
	s.m.attemptSeconds.Observe(a.Duration.Seconds())
	if a.Outcome == event.Delivered {
		s.m.deliverySeconds.Observe(age(t.ended, t.CreatedAt).Seconds())
	}

	l.mu.Lock()
	l.busy--
	l.bytes -= t.size
	l.ending++
	if l.byHand != nil {
		delete(l.byHand, t.Key)
	}
	if t.probe {
		l.probing = false
	}
	seen := sight{}
	if !t.interrupted && l.spec != nil && l.spec.use == s.use { // else it says nothing about the target in force
		seen = l.judge(t)
	}
	closing := s.end()
	l.mu.Unlock()
	if closing {
		s.Target.Close()
	}

	l.report(t, &a, seen)
	if seen.held || seen.released {
		l.tellHold()
	}
	l.d.record(&ending{l: l, m: s.m, a: a, created: t.CreatedAt, kind: t.Event.Kind})
}

// outcome is what the store will be told. r is the jitter.
func (t *attempt) outcome(r float64) outbox.Attempt {
	a := outbox.Attempt{
		Key: t.Key, Number: t.Attempts + 1, At: t.begun, Duration: t.took,
		Outcome: t.res.Outcome, Status: t.res.Status, Reason: t.res.Reason, Tries: max(1, t.res.Tries),
	}
	retry := t.s.Retry
	switch {
	case a.Outcome == event.Delivered:
		a.State = event.Done
	case a.Outcome == event.Rejected:
		a.State = event.Dead
	case retry.over(a.Number, t.ended.Sub(t.CreatedAt)):
		a.State, a.Reason = event.Dead, retry.tooLate(a.Reason)
	default:
		wait := max(retry.Delay(a.Number, r), min(max(t.res.RetryAfter, t.res.NotBefore), target.MaxRetryAfter))
		a.State, a.NextAt = event.Pending, t.ended.Add(wait)
		if deadline := t.CreatedAt.Add(retry.MaxAge); a.NextAt.After(deadline) {
			a.NextAt = deadline // where it dies, or is pulled forward before
		}
	}
	return a
}

// giveUp makes a delivery a dead letter without an attempt.
func (l *lane) giveUp(s *spec, it item, reason string, probe bool) {
	l.mu.Lock()
	l.busy--
	l.bytes -= it.size
	l.ending++
	if probe {
		l.probing = false
		l.nextProbe(l.d.now(), 0)
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
	return &ending{l: l, m: s.m, created: p.CreatedAt, kind: p.Event.Kind, a: outbox.Attempt{
		Key: p.Key, Number: p.Attempts, At: l.d.now(), Reason: reason, Tries: 1, State: event.Dead,
	}}
}

// report logs an attempt: a failure that repeats once only, so that a target
// that fails for days does not flood.
func (l *lane) report(t *attempt, a *outbox.Attempt, seen sight) {
	log, ctx := l.d.log, l.d.sendCtx
	level := slog.LevelDebug
	if t.interrupted || seen.newReason {
		level = slog.LevelWarn
	}
	switch {
	case a.State == event.Dead:
		log.ErrorContext(ctx, "delivery is dead", l.attrs(a)...)
	case !log.Enabled(ctx, level): // spares what the attributes cost
	case a.State == event.Done:
		log.DebugContext(ctx, "delivered", l.attrs(a)...)
	default:
		log.Log(ctx, level, "attempt failed", l.attrs(a)...)
	}
	if t.panicked != nil {
		log.ErrorContext(ctx, "panic while sending", "delivery_id", a.Key.String(), "target", l.name, "err", t.panicked)
	}
	if seen.held {
		log.ErrorContext(ctx, "target on hold", "target", l.name, "err", t.res.Reason)
	}
	if seen.released {
		log.InfoContext(ctx, "target released", "target", l.name, "held_for", seen.heldFor.Round(time.Second).String())
	}
}

func (l *lane) attrs(a *outbox.Attempt) []any {
	attrs := []any{
		"delivery_id", a.Key.String(), "event_id", a.Key.Event.String(), "target", l.name,
		"attempt", a.Number, "outcome", a.Outcome.String(), "status", a.Status,
	}
	if a.Reason != "" {
		attrs = append(attrs, "err", a.Reason)
	}
	return attrs
}
