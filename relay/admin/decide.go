package admin

import (
	"context"
	"errors"
	"log/slog"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// What an operator decides about deliveries: one, or all that a filter finds,
// a page a call.

// decision is Config.Retry or Config.Discard.
type decision func(ctx context.Context, was []outbox.StoredDelivery) []error

func (a *api) retry(c *call) (any, error)   { return a.decideOne(c, a.Retry) }
func (a *api) discard(c *call) (any, error) { return a.decideOne(c, a.Discard) }

// decideOne answers with the delivery as it is after the decision.
func (a *api) decideOne(c *call, decide decision) (any, error) {
	k, err := deliveryKey(c)
	if err != nil {
		return nil, err
	}
	c.note(slog.String("event_id", k.Event.String()))
	was, err := a.Store.Delivery(c.ctx, k)
	if err != nil {
		return nil, err
	}
	c.note(slog.String("delivery_id", k.String())) // it is there: not only what somebody wrote
	if err := decide(c.ctx, []outbox.StoredDelivery{*was})[0]; err != nil {
		return nil, err
	}
	now, err := a.Store.Delivery(c.ctx, k)
	if err != nil {
		return nil, err
	}
	return deliveryItemOf(now), nil
}

// manyChanged is the answer of a bulk call about deliveries.
type manyChanged struct {
	Matched int    `json:"matched"`
	Changed int    `json:"changed"`
	Busy    int    `json:"busy"` // an attempt is under way: try those again later
	Next    string `json:"next"`
}

func (a *api) retryMany(c *call) (any, error) {
	return a.decideMany(c, a.Retry, event.Dead.String(), deliveryStates...)
}

func (a *api) discardMany(c *call) (any, error) {
	return a.decideMany(c, a.Discard, "", event.Pending.String(), event.Dead.String())
}

// decideMany decides about one page of what the filter finds. One that cannot be
// changed is matched and neither changed nor busy. When the store does not take
// all of them the answer is an error; the call can be repeated, since what was
// changed is not found by the same filter again.
func (a *api) decideMany(c *call, decide decision, state string, states ...string) (any, error) {
	f, dry, err := a.many(c, states, deliveryCursor)
	if err != nil {
		return nil, err
	}
	if f.State == "" {
		f.State = state
	}
	if f.State == "" {
		return nil, bad("state is needed: " + oneOf(states))
	}
	items, more, err := a.Store.Deliveries(c.ctx, f)
	if err != nil {
		return nil, err
	}
	out := manyChanged{Matched: len(items)}
	if more && len(items) > 0 {
		out.Next = items[len(items)-1].Cursor()
	}
	if dry {
		c.note(slog.Bool("dry_run", true), slog.Int("matched", out.Matched))
		return out, nil
	}
	var ids []string
	var failed error
	for i, err := range decide(c.ctx, items) {
		var invalid *InvalidError
		switch {
		case err == nil:
			ids = append(ids, items[i].Key.String())
		case errors.Is(err, ErrBusy):
			out.Busy++
		case errors.As(err, &invalid):
		default:
			failed = err
		}
	}
	out.Changed = len(ids)
	c.note(slog.Int("matched", out.Matched), slog.Int("changed", out.Changed), slog.Int("busy", out.Busy), slog.Any("delivery_ids", ids))
	return out, failed
}
