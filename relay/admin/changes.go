package admin

import (
	"errors"
	"log/slog"
	"net/http"

	"invitation-relay/relay/event"
)

// What an operator can change. Each is a POST with an action in api.endpoints,
// and adds to the audit line what it was done to.

// reload swaps the config, all or nothing, and says what is wrong with it.
func (a *api) reload(c *call) (any, error) {
	err := a.Reload(c.ctx)
	var invalid *InvalidError
	if err != nil && !errors.As(err, &invalid) {
		// Whoever may reload may know why it failed: a listener that cannot be opened…
		a.log.WarnContext(c.ctx, "reload failed", "err", err)
		return nil, &problem{Status: http.StatusInternalServerError, Detail: "the config is right, but could not be put to use", Problems: []string{err.Error()}}
	}
	if err != nil {
		return nil, err
	}
	return struct {
		Reloaded bool `json:"reloaded"`
	}{true}, nil
}

// replay puts one refused request through intake again: after a wrong key was
// put right nothing is lost. It answers with the new event's id.
func (a *api) replay(c *call) (any, error) {
	id, err := event.ParseID(c.req.PathValue("id"))
	if err != nil {
		return nil, err
	}
	c.attrs = append(c.attrs, slog.String("event_id", id.String()))
	newID, duplicate, err := a.Replay(c.ctx, id)
	if err != nil {
		return nil, err
	}
	c.attrs = append(c.attrs, slog.String("new_event_id", newID.String()))
	return struct {
		ID        string `json:"id"`
		Duplicate bool   `json:"duplicate"`
	}{newID.String(), duplicate}, nil
}
