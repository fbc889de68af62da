package sqlite

import (
	"context"
	"math/bits"
	"strings"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// delivery is a row of deliveries; the zero value is one never tried.
type delivery struct {
	state            event.State
	attempts         int64
	nextAt, finished int64
	outcome, status  int64
	reason           string
}

// end records the end of an attempt, or a change of state without one.
func (t *tx) end(ctx context.Context, a *outbox.Attempt) error {
	id := t.s.names.find(kindAddress, string(a.Key.Address))
	if id == 0 {
		return nil // no delivery has this address
	}
	seq, rnd := seqAndRest(a.Key.Event)
	t.dated(nanos(a.At))
	if a.Outcome == event.Delivered && a.State == event.Done && a.Number == 1 && id <= maxBit {
		t.ends = end(t.ends[:0], id, seq, a)
		v := t.w.endFirst.args
		v[0].Value, v[1].Value, v[2].Value, v[3].Value, v[4].Value = int64(1)<<(id-1), nanos(a.At), t.ends, seq, rnd
		n, err := t.w.endFirst.changed(ctx)
		if n > 0 {
			t.tally(id, -1, 1, 0)
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return t.endSlowly(ctx, a, id, seq, rnd)
}

// endSlowly is for everything but a first try that succeeds.
func (t *tx) endSlowly(ctx context.Context, a *outbox.Attempt, id, seq, rnd int64) error {
	q := t.w.readEvent
	q.args[0].Value = seq
	found, err := q.row(ctx)
	if err != nil || !found || q.int(0) != rnd {
		return err
	}
	r := row{seq: seq, rnd: rnd, waiting: q.int(1), retrying: q.int(2), targets: q.int(3), ends: q.blob(4)}
	d, hasRow, err := t.delivery(ctx, &r, id)
	if err != nil || d == nil || !allowed(d.state, a) {
		return err
	}
	if fresh, err := t.insertAttempt(ctx, a, id, seq); err != nil || !fresh {
		return err
	}

	was := d.state
	d.state, d.nextAt, d.finished = a.State, 0, nanos(a.At)
	if a.State == event.Pending {
		d.nextAt, d.finished = max(1, nanos(a.NextAt)), 0
	}
	if a.Outcome != 0 {
		d.attempts, d.outcome, d.status = max(d.attempts, int64(a.Number)), int64(a.Outcome), int64(a.Status)
	}
	d.reason = reason(d.reason, a)
	if err := t.putDelivery(ctx, seq, id, d); err != nil {
		return err
	}
	t.tally(id, one(a.State, event.Pending)-one(was, event.Pending), one(a.State, event.Done)-one(was, event.Done),
		one(a.State, event.Dead)-one(was, event.Dead))

	if was != event.Pending && a.State == event.Pending {
		t.revived = append(t.revived, place{seq, id})
	}

	if id <= maxBit {
		r.waiting &^= 1 << (id - 1)
	}
	if hasRow {
		r.retrying -= int64(one(was, event.Pending))
	}
	r.retrying += int64(one(a.State, event.Pending))
	finished := nanos(a.At)
	if r.open() > 0 {
		finished = notFinished
	}
	v := t.w.setEvent.args
	v[0].Value, v[1].Value, v[2].Value, v[3].Value = r.waiting, r.retrying, finished, seq
	return t.w.setEvent.run(ctx)
}

// reason is what a delivery says of its end. A time that is up does not hide
// why the last attempt failed, which is what an operator looks for.
func reason(was string, a *outbox.Attempt) string {
	switch {
	case a.Outcome != 0:
		return a.Reason
	case a.Reason == "" || strings.HasSuffix(was, a.Reason):
		return was
	case a.State == event.Dead && !strings.HasPrefix(a.Reason, was):
		return was + "; " + a.Reason
	}
	return a.Reason
}

// allowed reports whether what happened may happen to a delivery in a state:
// an attempt ends a pending one; by hand, the arrows of the drawing in outbox.
func allowed(was event.State, a *outbox.Attempt) bool {
	if was == event.Pending {
		return true
	}
	if a.Outcome != 0 {
		return false
	}
	return a.State == event.Pending || was == event.Dead && a.State == event.Discarded
}

func one(s, t event.State) int {
	if s == t {
		return 1
	}
	return 0
}

// delivery is the state of one delivery of an event, nil when there is no such
// delivery, and whether it has a row.
func (t *tx) delivery(ctx context.Context, r *row, id int64) (d *delivery, hasRow bool, err error) {
	q := t.w.readDelivery
	q.args[0].Value, q.args[1].Value = r.seq, id
	found, err := q.row(ctx)
	switch {
	case err != nil:
		return nil, false, err
	case found:
		d = &delivery{
			state: event.State(q.int(0)), attempts: q.int(1), outcome: q.int(2), status: q.int(3), reason: q.text(4), //nolint:gosec // as it was written
		}
		if q.int(5) != 0 {
			err = t.s.mendRows(ctx, t.w.conn)
		}
		return d, true, err
	case id > maxBit || r.targets&(1<<(id-1)) == 0:
		return nil, false, nil
	case r.waiting&(1<<(id-1)) != 0:
		return &delivery{}, false, nil
	}
	first, ok := r.first(id)
	if !ok { // its bit has flipped, and an index had it sent
		return &delivery{}, false, nil
	}
	return &delivery{state: event.Done, attempts: 1, outcome: int64(event.Delivered), status: int64(first.Status)}, false, nil
}

func (t *tx) putDelivery(ctx context.Context, seq, id int64, d *delivery) error {
	v := t.w.putDelivery.args
	v[0].Value, v[1].Value, v[2].Value, v[3].Value, v[4].Value = seq, id, int64(d.state), d.attempts, d.nextAt
	v[5].Value, v[6].Value, v[7].Value, v[8].Value = d.finished, d.outcome, d.status, d.reason
	return t.w.putDelivery.run(ctx)
}

// insertAttempt reports whether the attempt is new.
func (t *tx) insertAttempt(ctx context.Context, a *outbox.Attempt, id, seq int64) (bool, error) {
	v := t.w.insertAttempt.args
	v[0].Value, v[1].Value, v[2].Value, v[3].Value = seq, id, nanos(a.At), int64(a.Number)
	v[4].Value, v[5].Value, v[6].Value, v[7].Value = int64(a.Duration), int64(a.Outcome), int64(a.Status), int64(a.Tries)
	v[8].Value, v[9].Value, v[10].Value = int64(a.State), nanos(a.NextAt), a.Reason
	n, err := t.w.insertAttempt.changed(ctx)
	return n > 0, err
}

// pendingBits counts the waiting deliveries of a mask by address number.
func pendingBits(waiting int64, f func(id int64)) {
	for m := mask(waiting); m != 0; m &= m - 1 {
		f(int64(bits.TrailingZeros64(m) + 1))
	}
}
