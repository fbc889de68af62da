package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/dispatch"
	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// What an operator decides about a delivery, as its history has it.
const (
	retriedByHand   = "retried by hand"
	discardedByHand = "discarded by hand"
)

// Why not.
var (
	errNoBody       = &admin.InvalidError{Problems: []string{"the event's body has been erased, the retention is over: there is nothing left to send"}}
	errNotDiscarded = &admin.InvalidError{Problems: []string{"only what is pending or dead can be discarded"}}
)

// retry makes deliveries due at once, whatever became of them: for one attempt,
// however old they are.
func (r *Relay) retry(ctx context.Context, was []outbox.StoredDelivery) []error {
	bodies := map[event.ID]error{}
	return r.override(ctx, was, event.Pending, retriedByHand, func(d *outbox.StoredDelivery) error {
		if d.State == event.Pending || d.State == event.Dead {
			return nil // the body of such an event is kept
		}
		err, known := bodies[d.Key.Event]
		if !known {
			err = r.hasBody(ctx, d.Key.Event)
			bodies[d.Key.Event] = err
		}
		return err
	})
}

func (r *Relay) hasBody(ctx context.Context, id event.ID) error {
	e, err := r.store.Event(ctx, id)
	if err == nil && e.Body == nil {
		return errNoBody
	}
	return err
}

// discard gives deliveries up. One that is given up already stays so.
func (r *Relay) discard(ctx context.Context, was []outbox.StoredDelivery) []error {
	return r.override(ctx, was, event.Discarded, discardedByHand, func(d *outbox.StoredDelivery) error {
		if d.State == event.Pending || d.State == event.Dead {
			return nil
		}
		return errNotDiscarded
	})
}

// overridesAtOnce is how many deliveries are read again at the same time.
const overridesAtOnce = 16

// override hands all decisions to dispatch before it waits for the first of
// them, many at a time, so that they share commits.
func (r *Relay) override(ctx context.Context, was []outbox.StoredDelivery, to event.State, reason string, allowed func(*outbox.StoredDelivery) error) []error {
	type answer struct {
		i   int
		err error
	}
	answers := make(chan answer, len(was)) // an answer that comes too late must not block who gives it
	errs := make([]error, len(was))
	waiting := map[int]bool{}
	slots := make(chan struct{}, overridesAtOnce)
	var handing sync.WaitGroup
	defer handing.Wait()
	for i := range was {
		if errs[i] = allowed(&was[i]); errs[i] == nil {
			waiting[i] = true
			slots <- struct{}{}
			handing.Go(func() {
				defer func() { <-slots }()
				r.dispatch.Override(was[i], to, reason, func(err error) { answers <- answer{i, err} })
			})
		}
	}
	for len(waiting) > 0 {
		select {
		case a := <-answers:
			delete(waiting, a.i)
			errs[a.i] = a.err
			if errors.Is(a.err, dispatch.ErrBusy) {
				errs[a.i] = admin.ErrBusy
			}
		case <-ctx.Done():
			for i := range waiting {
				errs[i] = fmt.Errorf("record what was decided by hand: %w", context.Cause(ctx))
			}
			return errs
		}
	}
	return errs
}
