package dispatch

import (
	"context"
	"fmt"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// holdTimeout bounds the recording of a hold that somebody waits for.
const holdTimeout = 5 * time.Second

// Hold stops a target until Release: it is not probed. The hold is in force at
// once; an error other than event.ErrNotFound (no such target in the config)
// says that it is not recorded yet, which is tried again.
func (d *Dispatcher) Hold(name, reason string) error {
	l := (*d.lanes.Load())[name]
	if l == nil {
		return fmt.Errorf("hold target %s: %w", name, event.ErrNotFound)
	}
	l.mu.Lock()
	if l.spec == nil {
		l.mu.Unlock()
		return fmt.Errorf("hold target %s: %w", name, event.ErrNotFound)
	}
	h := outbox.Hold{Since: l.d.now(), Reason: reason, ByHand: true}
	if l.held() {
		h.Since = l.hold.Since
	}
	l.beginHold(h, d.cfg.Probe)
	l.mu.Unlock()
	d.log.Info("target held by hand", "target", name)
	l.tellHold()
	return l.saveByHand("hold")
}

// Release ends a hold, whoever began it, and a wait the target asked for. All
// that waits becomes due at once, at the lane's rate. Errors are as Hold's.
func (d *Dispatcher) Release(name string) error {
	l := (*d.lanes.Load())[name]
	if l == nil {
		return fmt.Errorf("release target %s: %w", name, event.ErrNotFound)
	}
	l.mu.Lock()
	if l.spec == nil && !l.held() {
		l.mu.Unlock()
		return fmt.Errorf("release target %s: %w", name, event.ErrNotFound)
	}
	l.endWait()
	l.endHold(l.d.now())
	l.mu.Unlock()
	d.log.Info("target released by hand", "target", name)
	l.tellHold()
	return l.saveByHand("release")
}

func (l *lane) saveByHand(what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), holdTimeout)
	defer cancel()
	if err := l.saveHold(ctx); err != nil {
		return fmt.Errorf("%s target %s: %w", what, l.name, err)
	}
	return nil
}

// Override records what an operator decided about a delivery, which the caller
// has read: event.Discarded gives it up, event.Pending makes it due at once,
// even past its max_age, for one attempt. done must not block. It is called
// after the commit, or with ErrBusy when an attempt of it is under way or has
// ended it since it was read, or with why the store did not take it; then nothing
// has changed.
//
// It goes through the Dispatcher because only that knows what is in flight.
func (d *Dispatcher) Override(was outbox.StoredDelivery, to event.State, reason string, done func(error)) {
	if to != event.Pending && to != event.Discarded {
		done(fmt.Errorf("change delivery to %s: not an operator's decision", to))
		return
	}
	l := d.lane(was.Key.Address.Target())
	if err := l.reserve(was, to); err != nil {
		done(err)
		return
	}
	defer d.wg.Done()
	now := d.again(&was)
	a := outbox.Attempt{Key: was.Key, Number: now.Attempts, At: d.now(), Reason: reason, Tries: 1, State: to}
	if to == event.Pending {
		a.NextAt = a.At
	}
	e := &ending{l: l, a: a, created: was.CreatedAt.UnixNano(), was: now.State, then: done}
	if now.State != was.State && now.State != event.Pending && now.State != event.Dead {
		d.wg.Add(1)
		e.committed(ErrBusy)
		return
	}
	d.record(e)
}

// again reads a delivery once more, now that it is reserved and nothing happens
// to it: what was delivered meanwhile must not be sent again because somebody saw
// it wait. What cannot be read is what it was.
func (d *Dispatcher) again(was *outbox.StoredDelivery) *outbox.StoredDelivery {
	ctx, cancel := context.WithTimeout(context.Background(), holdTimeout)
	defer cancel()
	now, err := d.cfg.Store.Delivery(ctx, was.Key)
	if err != nil {
		return was
	}
	return now
}

// reserve takes a delivery into memory, so that it cannot be tried while an
// operator's decision is being recorded. It counts one in wg.
func (l *lane) reserve(was outbox.StoredDelivery, to event.State) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.live {
		return errStopped
	}
	if _, ok := l.keys[was.Key]; ok {
		it, queued := l.dequeue(was.Key)
		if !queued {
			return ErrBusy
		}
		l.bytes -= it.size
	} else {
		l.take(&outbox.Pending{Key: was.Key, Attempts: was.Attempts, CreatedAt: was.CreatedAt})
	}
	if to == event.Pending {
		l.setApart(was.Key)
	} else {
		delete(l.alone, was.Key)
	}
	l.ending++
	l.d.wg.Add(1)
	return nil
}

// setApart has a delivery get one attempt by itself, whatever its age.
func (l *lane) setApart(k outbox.Key) {
	if l.alone == nil {
		l.alone = map[outbox.Key]struct{}{}
	}
	l.alone[k] = struct{}{}
}
