package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"invitation-relay/relay/event"
)

// What an operator does with a target, and with a payload.

// byHand is the reason of a hold nobody gave one for.
const byHand = "held by hand"

// hold stops a target until it is released. The reason is the operator's own,
// shown as held_reason; it does not get into the log.
func (a *api) hold(c *call) (any, error) {
	name, err := a.targetInPath(c)
	if err != nil {
		return nil, err
	}
	reason := c.query.Get("reason")
	if reason == "" {
		reason = byHand
	}
	return a.afterwards(c.ctx, name, a.Hold(name, reason))
}

// release ends a hold, whoever began it, also that of a target which is gone
// from the config.
func (a *api) release(c *call) (any, error) {
	name, err := a.targetInPath(c)
	if err != nil {
		return nil, err
	}
	return a.afterwards(c.ctx, name, a.Release(name))
}

// afterwards answers with the target as it is now.
func (a *api) afterwards(ctx context.Context, name string, err error) (any, error) {
	switch {
	case errors.Is(err, event.ErrNotFound):
		return nil, a.noTarget(name)
	case err != nil:
		a.log.WarnContext(ctx, "change of a target not recorded yet", "err", err)
		return nil, &problem{
			Status: http.StatusServiceUnavailable, retryAfter: 5 * time.Second,
			Detail: "it is in force, but the store has not taken it yet: the relay keeps trying, a restart before would lose it",
		}
	}
	items, err := a.targets(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(items, func(t targetItem) bool { return t.Name == name })
	if i < 0 {
		return nil, a.noTarget(name)
	}
	return items[i], nil
}

// sendTest stores a test event for one target: it is delivered like any other.
func (a *api) sendTest(c *call) (any, error) {
	name, err := a.targetInPath(c)
	if err != nil {
		return nil, err
	}
	source, err := a.sourceOf(c)
	if err != nil {
		return nil, err
	}
	id, keys, err := a.SendTest(c.ctx, name, source)
	if errors.Is(err, event.ErrNotFound) {
		return nil, a.noTarget(name)
	}
	if err != nil {
		return nil, err
	}
	deliveries := make([]string, len(keys))
	for i, k := range keys {
		deliveries[i] = k.String()
	}
	c.note(slog.String("source", source), slog.String("event_id", id.String()))
	return struct {
		ID         string   `json:"id"`
		Deliveries []string `json:"deliveries"`
	}{id.String(), deliveries}, nil
}

// explain says what would become of a payload. It changes nothing, but shows
// what is in the payload and in the messages, so it is for operators.
func (a *api) explain(c *call) (any, error) {
	source, err := a.sourceOf(c)
	if err != nil {
		return nil, err
	}
	c.note(slog.String("source", source))
	return a.Explain(c.ctx, source, c.req.Body)
}

// targetInPath is the name in the path, of a target that the config has or that
// still has something waiting. Of the latter only a hold can be released; hold and
// send-test refuse it when they come to it. Before the name is known it is not for
// the log.
func (a *api) targetInPath(c *call) (string, error) {
	name := c.req.PathValue("name")
	if !slices.ContainsFunc(a.Targets(), func(t TargetStatus) bool { return t.Name == name }) {
		return "", a.noTarget(name)
	}
	c.note(slog.String("target", name))
	return name, nil
}

// knownTarget says whether the config has a target of this name.
func (a *api) knownTarget(name string) error {
	if !slices.ContainsFunc(a.Targets(), func(t TargetStatus) bool { return t.Name == name && t.Kind != "" }) {
		return a.noTarget(name)
	}
	return nil
}

// noTarget is the answer to the name of a target that cannot be meant. One that is
// gone from the config is never the one that was.
func (a *api) noTarget(name string) error {
	var names []string
	for _, t := range a.Targets() {
		switch {
		case t.Kind != "":
			names = append(names, t.Name)
		case t.Name == name:
			return &problem{
				Status: http.StatusNotFound,
				Detail: "there is no such target in the config any more: what waits for it is sent when it returns, or can be discarded",
			}
		}
	}
	return unknownName("target", name, names)
}

// sourceOf reads the parameter source; without it the config's first is meant.
func (a *api) sourceOf(c *call) (string, error) {
	names, name := a.Sources(), c.query.Get("source")
	switch {
	case name == "" && len(names) > 0:
		return names[0], nil
	case slices.Contains(names, name):
		return name, nil
	}
	return "", unknownName("source", name, names)
}

// unknownName is the answer to a name that is none: which one was meant, and
// never what was written.
func unknownName(what, name string, names []string) error {
	p := &problem{Status: http.StatusNotFound, Detail: "there is no such " + what}
	if near := nearest(name, names); near != "" {
		p.Detail += fmt.Sprintf(": did you mean %q?", near)
	}
	return p
}
