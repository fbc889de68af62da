package sqlite

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// What a list cannot read it leaves out, and logs once: one damaged cell must not
// hide all else from who looks for what is wrong.

// errNotOurs says that a value stands there that we never write.
var errNotOurs = errors.New("a value is none that is ever written")

// errNoTrace says that a delivery is neither untried nor has it a row or an end.
var errNoTrace = errors.New("what has become of it stands nowhere")

// deliveries lists an event's deliveries by address, as far as they can be read.
// What the event does not go to is left out too, as Claim does.
func (l *loader) deliveries(ctx context.Context, r *row) ([]outbox.StoredDelivery, error) {
	base := outbox.StoredDelivery{Key: outbox.Key{Event: r.id()}, CreatedAt: instant(r.received)}
	own, err := l.ownRows(ctx, r, base)
	if err != nil {
		return nil, err
	}
	list := make([]outbox.StoredDelivery, 0, len(own)+1)
	pendingBits(r.targets, func(id int64) {
		if _, ok := own[id]; ok || l.s.names.of(kindAddress, id) == "" { // the latter of an event that is damaged
			return
		}
		d := base
		d.Key.Address = outbox.Address(l.s.names.of(kindAddress, id))
		if mask(r.waiting)&(1<<(id-1)) == 0 {
			a, ok := r.first(id)
			if !ok {
				l.damaged(r.id(), errNoTrace)
				return
			}
			d.State, d.Attempts, d.LastOutcome = event.Done, 1, event.Delivered
			d.LastStatus, d.FinishedAt = a.Status, a.At
		}
		list = append(list, d)
	})
	for _, d := range own {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b outbox.StoredDelivery) int { return cmp.Compare(a.Key.Address, b.Key.Address) })
	return list, nil
}

// ownRows reads those that have a row of their own, by address number.
func (l *loader) ownRows(ctx context.Context, r *row, base outbox.StoredDelivery) (map[int64]outbox.StoredDelivery, error) {
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	own := map[int64]outbox.StoredDelivery{}
	rows, err := l.rows.QueryContext(ctx, r.seq)
	if err != nil {
		return own, l.unreadable(r.id(), err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var id, state, attempts, next, finished, outcome, status int64
		d := base
		if err := rows.Scan(number{&id}, number{&state}, number{&attempts}, number{&next}, number{&finished}, number{&outcome},
			number{&status}, letters{&d.LastReason}); err != nil {
			return nil, err
		}
		d.Key.Address = outbox.Address(l.s.names.of(kindAddress, id))
		elsewhere := d.Key.Address == "" || !r.damaged && !r.goesTo(id, l.s.unlistedTo.Load())
		if elsewhere || state < 0 || state > int64(event.Discarded) || outcome < 0 || outcome > int64(event.Held) {
			l.damaged(r.id(), errNotOurs)
			continue
		}
		d.State, d.LastOutcome = event.State(state), event.Outcome(outcome)
		d.Attempts, d.LastStatus, d.NextAt, d.FinishedAt = int(attempts), int(status), instant(next), instant(finished)
		own[id] = d
	}
	return own, l.unreadable(r.id(), rows.Err())
}

// addresses are all that an event goes to, sorted, whatever can be read of its
// deliveries.
func (l *loader) addresses(r *row, list []outbox.StoredDelivery) (to []outbox.Address) {
	add := func(id int64) {
		if a := l.s.names.of(kindAddress, id); a != "" {
			to = append(to, outbox.Address(a))
		}
	}
	pendingBits(r.targets, add)
	for _, id := range r.beyond() {
		add(id)
	}
	for _, d := range list {
		to = append(to, d.Key.Address)
	}
	slices.Sort(to)
	return slices.Compact(to)
}

// damaged logs, once an event, that a delivery of it cannot be read.
func (l *loader) damaged(id event.ID, err error) {
	if _, reported := l.s.quarantine.LoadOrStore(-id.Seq(), true); !reported { // no event has such a seq
		l.s.log.Error("a delivery is damaged: what its row says is left out of lists, and not sent", "event_id", id, "err", err)
		if code(err) == 0 {
			l.s.strayed(id.Seq())
		}
	}
}

// unreadable is nil, and logged, where pages of deliveries or attempts are damaged.
func (l *loader) unreadable(id event.ID, err error) error {
	if code(err) != codeCorrupt {
		return err
	}
	l.damaged(id, err)
	return nil
}

// stored is an event as the interface has it.
func (l *loader) stored(ctx context.Context, r *row) (*outbox.StoredEvent, error) {
	list, err := l.deliveries(ctx, r)
	if err != nil {
		return nil, err
	}
	e := &outbox.StoredEvent{
		Event: r.event(l.s.names), Verdicts: decodeVerdicts(r.verdicts, l.s.names), Open: r.open(), To: l.addresses(r, list),
	}
	if e.Open == 0 {
		e.FinishedAt = instant(r.finished)
	}
	return e, nil
}
