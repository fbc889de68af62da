package admin

import (
	"errors"
	"log/slog"
	"slices"
	"strings"

	"invitation-relay/relay/event"
)

// Replayed is what became of one event that was put through again.
type Replayed struct {
	ID        event.ID // the new one's
	Duplicate bool     // stored before, under this id: only of what was refused
	Err       error
}

// replay puts one event through again: one that was refused goes through intake
// once more, so that after a wrong key was put right nothing is lost; one that is
// stored becomes a new event. It answers with the new event's id.
func (a *api) replay(c *call) (any, error) {
	id, err := event.ParseID(c.req.PathValue("id"))
	if err != nil {
		return nil, err
	}
	c.note(slog.String("event_id", id.String()))
	to, err := a.namedTargets(c)
	if err != nil {
		return nil, err
	}
	_, err = a.Store.Event(c.ctx, id)
	refused := errors.Is(err, event.ErrNotFound)
	switch {
	case err != nil && !refused:
		return nil, err
	case refused && len(to) > 0:
		if _, err := a.showRefused(c.ctx, id); err != nil {
			return nil, err
		}
		return nil, bad(refusedTargets)
	}
	r := a.Replay(c.ctx, []event.ID{id}, refused, to)[0]
	if r.Err != nil {
		return nil, r.Err
	}
	c.note(slog.String("new_event_id", r.ID.String()))
	return struct {
		ID        string `json:"id"`
		Duplicate bool   `json:"duplicate"`
	}{r.ID.String(), r.Duplicate}, nil
}

const refusedTargets = "targets does not go with what was refused: no rule has seen it, and they decide where it goes"

// manyReplayed is the answer of a bulk replay.
type manyReplayed struct {
	Matched    int    `json:"matched"`
	Changed    int    `json:"changed"`
	Duplicates int    `json:"duplicates,omitempty"` // of what was refused: stored before, and left as it is
	Failed     int    `json:"failed"`               // their bodies are erased, they are refused again, or the store did not take them
	Next       string `json:"next"`
}

// replayMany puts one page of what the filter finds through again, in the order
// in which it came in. Of stored events only those are meant that a sender sent:
// not what was replayed before, which would come twice, nor tests and alarms.
// The call is not to be repeated blindly, unlike the others: each time makes new
// events. So a page that the store took in part is counted, and no error.
func (a *api) replayMany(c *call) (any, error) {
	refused, err := boolOf(c.query, "refused")
	if err != nil {
		return nil, err
	}
	f, dry, err := a.many(c, eventStates, eventCursor)
	if err != nil {
		return nil, err
	}
	to, err := a.namedTargets(c)
	if err != nil {
		return nil, err
	}
	var ids []event.ID
	out := manyReplayed{}
	if refused {
		if len(to) > 0 {
			return nil, bad(refusedTargets)
		}
		if err := onlyRefusedParams(c, "dry_run", "targets"); err != nil {
			return nil, err
		}
		items, more, err := a.Store.Refused(c.ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range items {
			ids = append(ids, items[i].ID)
		}
		if more && len(items) > 0 {
			out.Next = items[len(items)-1].ID.String()
		}
	} else {
		items, more, err := a.Store.Events(c.ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range items {
			if items[i].Kind == event.Received {
				ids = append(ids, items[i].ID)
			}
		}
		if more && len(items) > 0 {
			out.Next = items[len(items)-1].Cursor()
		}
	}
	out.Matched = len(ids)
	if dry {
		c.note(slog.Bool("dry_run", true), slog.Int("matched", out.Matched))
		return out, nil
	}
	slices.Reverse(ids) // the store lists newest first
	return a.replayAll(c, ids, refused, to, out)
}

// replayAll replays a page and counts.
func (a *api) replayAll(c *call, ids []event.ID, refused bool, to []string, out manyReplayed) (any, error) {
	var from, made []string
	var failed error
	for i, r := range a.Replay(c.ctx, ids, refused, to) {
		if r.Duplicate {
			out.Duplicates++
			continue
		}
		if r.Err == nil {
			from, made = append(from, ids[i].String()), append(made, r.ID.String())
			continue
		}
		out.Failed++
		var invalid *InvalidError
		if !errors.As(r.Err, &invalid) && !errors.Is(r.Err, event.ErrNotFound) {
			failed = r.Err
		}
	}
	out.Changed = len(made)
	c.note(slog.Int("matched", out.Matched), slog.Int("changed", out.Changed), slog.Int("failed", out.Failed),
		slog.Any("event_ids", from), slog.Any("new_event_ids", made))
	if out.Duplicates > 0 {
		c.note(slog.Int("duplicates", out.Duplicates))
	}
	if failed != nil && out.Changed+out.Duplicates == 0 {
		return nil, failed
	}
	if failed != nil {
		a.log.WarnContext(c.ctx, "not all events could be replayed", "err", failed)
	}
	return out, nil
}

// namedTargets reads the parameter targets: names of the running config.
func (a *api) namedTargets(c *call) ([]string, error) {
	text := c.query.Get("targets")
	if text == "" {
		return nil, nil
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if err := a.knownTarget(name); err != nil {
			return nil, err
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
