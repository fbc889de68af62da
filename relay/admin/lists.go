package admin

import (
	"slices"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

var (
	eventStates    = []string{statePending, stateFinished}
	deliveryStates = []string{event.Pending.String(), event.Done.String(), event.Dead.String(), event.Discarded.String()}
)

// listEvents lists events, newest first, without bodies; with refused=true what
// intake refused and kept instead.
func (a *api) listEvents(c *call) (any, error) {
	refused, err := boolOf(c.query, "refused")
	if err != nil {
		return nil, err
	}
	f, err := filterOf(c.query, a.Now(), eventStates, eventCursor)
	if err != nil {
		return nil, err
	}
	if !refused {
		items, more, err := a.Store.Events(c.ctx, f)
		if err != nil {
			return nil, err
		}
		return newPage(items, more, eventItemOf, (*outbox.StoredEvent).Cursor), nil
	}
	if err := onlyRefusedParams(c); err != nil {
		return nil, err
	}
	items, more, err := a.Store.Refused(c.ctx, f)
	if err != nil {
		return nil, err
	}
	return newPage(items, more, refusedItemOf, func(r *event.Refused) string { return r.ID.String() }), nil
}

// onlyRefusedParams refuses filters by what nobody has read.
func onlyRefusedParams(c *call, also ...string) error {
	for name := range c.query {
		if !slices.Contains(refusedParams, name) && !slices.Contains(also, name) {
			return bad(name + " does not go with refused=true: what was refused has not been read")
		}
	}
	return nil
}

// listDeliveries lists deliveries, newest first.
func (a *api) listDeliveries(c *call) (any, error) {
	f, err := filterOf(c.query, a.Now(), deliveryStates, deliveryCursor)
	if err != nil {
		return nil, err
	}
	items, more, err := a.Store.Deliveries(c.ctx, f)
	if err != nil {
		return nil, err
	}
	return newPage(items, more, deliveryItemOf, (*outbox.StoredDelivery).Cursor), nil
}
