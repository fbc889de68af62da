package relay

import (
	"context"
	"fmt"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// sendTest stores a test event for one target: the sample of the source's
// preset, delivered like any other event. No rule looks at it, so that nothing
// is counted for one and no promise of must_route is broken by it, and it makes
// nobody's webhook a duplicate. The error is event.ErrNotFound for a target or a
// source that the config does not have.
func (r *Relay) sendTest(ctx context.Context, name, source string) (event.ID, []outbox.Key, error) {
	p := r.plan.Load()
	s := p.cfg.Sources[source]
	if s == nil {
		return event.ID{}, nil, fmt.Errorf("source: %w", event.ErrNotFound)
	}
	body, err := sample(s.Preset, s.Fields)
	if err != nil {
		return event.ID{}, nil, err
	}
	now := r.opts.Now().UTC()
	ev, err := p.made(source, body, event.Test, r.ids.New(now), now)
	if err != nil {
		return event.ID{}, nil, fmt.Errorf("read the sample of preset %s: %w", s.Preset, err)
	}
	entry, err := p.addressed(ev, []string{name})
	if err != nil {
		return event.ID{}, nil, err
	}
	if err := r.outbox.Put(ctx, entry); err != nil {
		return event.ID{}, nil, fmt.Errorf("store event %s: %w", ev.ID, err)
	}
	var keys []outbox.Key
	for _, a := range entry.To {
		keys = append(keys, outbox.Key{Event: ev.ID, Address: a})
	}
	return ev.ID, keys, nil
}
