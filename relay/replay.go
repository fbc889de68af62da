package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
	"invitation-relay/rules"
)

// replayAtOnce is how many events are replayed at the same time: they share a
// commit, and their bodies are in memory together.
const replayAtOnce = 64

var errNotReplayed = &admin.InvalidError{Problems: []string{"a test or an alarm is not replayed: the relay has made it itself"}}

// replay puts events through again, in the order given.
func (r *Relay) replay(ctx context.Context, ids []event.ID, refused bool, to []string) []admin.Replayed {
	out := make([]admin.Replayed, len(ids))
	p := r.plan.Load()
	for from := 0; from < len(ids); from += replayAtOnce {
		var puts []func() admin.Replayed
		for _, id := range ids[from:min(from+replayAtOnce, len(ids))] {
			puts = append(puts, r.again(ctx, p, id, refused, to)) // ids are given here, one after another
		}
		var wg sync.WaitGroup
		for i, put := range puts { // all read before the first is stored: they share commits
			wg.Go(func() { out[from+i] = put() })
		}
		wg.Wait()
	}
	return out
}

// again prepares one event, and returns what stores it.
func (r *Relay) again(ctx context.Context, p *plan, id event.ID, refused bool, to []string) func() admin.Replayed {
	if refused {
		return func() admin.Replayed { return r.takeAgain(ctx, p, id) }
	}
	entry, noticed, err := r.copied(ctx, p, id, to)
	if err != nil {
		return func() admin.Replayed { return admin.Replayed{Err: err} }
	}
	return func() admin.Replayed {
		if err := r.outbox.Put(ctx, entry); err != nil {
			return admin.Replayed{Err: fmt.Errorf("store event %s: %w", entry.Event.ID, err)}
		}
		noticed()
		return admin.Replayed{ID: entry.StoredID}
	}
}

// takeAgain puts what was refused through intake again, with the keys of today.
func (r *Relay) takeAgain(ctx context.Context, p *plan, id event.ID) admin.Replayed {
	refused, _, err := r.store.Refused(ctx, outbox.Filter{ID: id.String(), Limit: 1})
	if err == nil && len(refused) == 0 {
		err = event.ErrNotFound
	}
	if err != nil {
		return admin.Replayed{Err: err}
	}
	receipt, err := p.intake.Replay(ctx, &refused[0])
	return admin.Replayed{ID: receipt.ID, Duplicate: receipt.Duplicate, Err: invalid(err)}
}

// copied makes a new event of a stored one: received now, under an id of its
// own. It goes to the targets named, or where the rules of today send it. They
// see when the original was received, and its id, so that the same rules decide
// the same. An event that does not fit today's config is what could be read of it.
func (r *Relay) copied(ctx context.Context, p *plan, id event.ID, to []string) (entry *outbox.Entry, noticed func(), err error) {
	original, err := r.store.Event(ctx, id)
	switch {
	case err != nil:
		return nil, nil, err
	case original.Body == nil:
		return nil, nil, errNoBody
	case original.Kind == event.Test || original.Kind == event.Alarm:
		return nil, nil, errNotReplayed
	}
	now := r.opts.Now().UTC()
	ev, err := p.made(original.Source, original.Body, event.Replayed, r.ids.New(now), now)
	if err != nil {
		return nil, nil, &admin.InvalidError{Problems: []string{"the stored body cannot be read: " + err.Error()}}
	}
	if len(to) > 0 {
		entry, err := p.addressed(ev, to)
		return entry, func() {}, err
	}
	in := input(ev)
	in.EventID, in.ReceivedAt = id.String(), original.ReceivedAt
	decision := p.rules.Decide(in)
	return p.entry(ev, decision), func() { r.notice(p, ev, in, &decision) }, nil
}

// made is an event that came by no request.
func (p *plan) made(source string, body []byte, kind event.Kind, id event.ID, now time.Time) (*event.Event, error) {
	s := p.sources[source].schema
	if s == nil { // the source is gone from the config
		s = schema("json", nil)
	}
	f, err := intake.Decode(body, s)
	if err != nil && !errors.Is(err, intake.ErrInvalid) {
		return nil, err
	}
	return &event.Event{
		ID: id, Source: source, ReceivedAt: now, Body: body, Kind: kind,
		Subject: f.Subject, Ticket: f.Ticket, Status: f.Status, Person: f.Person, Fields: f.Members,
	}, nil
}

// addressed is the event on its way to targets that no rule has chosen.
func (p *plan) addressed(ev *event.Event, to []string) (*outbox.Entry, error) {
	for _, name := range to {
		if p.address[name] == nil {
			return nil, fmt.Errorf("target: %w", event.ErrNotFound)
		}
	}
	entry := p.entry(ev, rules.Decision{Targets: to})
	entry.Ruleset = ""
	return entry, nil
}
