package dispatch

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/failpoint"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
	"invitation-relay/relay/trace"
)

// Fixed sentences for an operator.
const (
	reasonPanic       = "a defect of the relay: sending panicked; see the log"
	reasonInterrupted = "interrupted: the relay was stopping; the target may have it"
	reasonUnreadable  = "the stored event could not be read again"
)

// attempt is one try on its way from the target to the store.
type attempt struct {
	item
	more         []item // made for these as well
	s            *spec
	probe        bool
	interrupted  bool // by our shutdown: says nothing about the target
	begun, ended time.Time
	took         time.Duration
	res          target.Result
	panicked     error
	span         trace.Attempt
}

// trace reports the attempt to whoever traces.
func (t *attempt) trace(name string) {
	if !t.span.Traced() {
		return
	}
	t.span.End(&trace.Ending{
		Target: name, Kind: t.s.Target.Kind(), Event: t.Key.Event, Delivery: t.Key.String(),
		Number: t.Attempts + 1, Status: t.res.Status, Outcome: t.res.Outcome, At: t.begun.Add(t.took),
	})
}

// send makes the attempt. A panic is a defect of ours and not of the message or
// the target, so the delivery stays and is tried again.
func send(attempt func() target.Result) (res target.Result, panicked error) {
	defer func() {
		if p := recover(); p != nil {
			res, panicked = target.Result{Outcome: event.Retry, Reason: reasonPanic}, describe(p)
		}
	}()
	failpoint.Hit(failpoint.BeforeSend)
	res = attempt()
	failpoint.Hit(failpoint.AfterSend)
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

// count counts the attempt: one of each delivery it was made for.
func (t *attempt) count() {
	m := t.s.m
	m.attempts[t.res.Outcome].Add(float64(1 + len(t.more)))
	m.attemptSeconds.Observe(t.took.Seconds())
	if t.res.Outcome == event.Delivered {
		m.deliverySeconds.Observe(age(t.ended, t.CreatedAt).Seconds())
		for i := range t.more {
			m.deliverySeconds.Observe(age(t.ended, t.more[i].CreatedAt).Seconds())
		}
	}
}

// apart reports whether the attempt was of a message that the target will never
// take, and that can be taken apart.
func (t *attempt) apart() bool { return t.more != nil && t.res.Outcome == event.Rejected }

// outcome is what the store will be told of a delivery. r is the jitter.
func (l *lane) outcome(t *attempt, it *item, r float64) outbox.Attempt {
	a := outbox.Attempt{
		Key: it.Key, Number: it.Attempts + 1, At: t.begun, Duration: t.took,
		Outcome: t.res.Outcome, Status: t.res.Status, Reason: t.res.Reason, Tries: max(1, t.res.Tries),
	}
	retry := t.s.Retry
	switch {
	case a.Outcome == event.Delivered:
		a.State = event.Done
	case t.apart():
		a.State, a.NextAt, a.Reason = event.Pending, t.ended, a.Reason+reasonApart
	case a.Outcome == event.Rejected:
		a.State = event.Dead
	case l.over(retry, &it.Pending, a.Number, t.ended):
		a.State, a.Reason = event.Dead, retry.tooLate(a.Reason)
	default:
		wait := max(retry.Delay(a.Number, r), min(max(t.res.RetryAfter, t.res.NotBefore), target.MaxRetryAfter))
		a.State, a.NextAt = event.Pending, t.ended.Add(wait)
		if deadline := l.d.deadline(&it.Pending, retry.MaxAge, t.ended); a.NextAt.After(deadline) {
			a.NextAt = deadline // where it dies, or is pulled forward before
		}
	}
	return a
}
