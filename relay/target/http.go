package target

import (
	"context"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// HTTP sends events to one HTTP endpoint.
type HTTP struct{ name string }

// SetDefaults fills what the config leaves out.
func (c *HTTPConfig) SetDefaults() {}

// Check reports every mistake in the settings.
func (c *HTTPConfig) Check(_ *rules.Env, _ Report) {}

// NewHTTP builds the target; the config must have passed Check.
func NewHTTP(name string, _ HTTPConfig, _ Deps) (*HTTP, error) { return &HTTP{name: name}, nil }

// Kind is "http".
func (*HTTP) Kind() string { return "http" }

// Recipients is nil: one delivery an event.
func (*HTTP) Recipients() []string { return nil }

// Send makes one attempt.
func (*HTTP) Send(context.Context, *Message) Result {
	return Result{Outcome: event.Retry, Reason: "not yet built", Tries: 1}
}

// Close lets go of idle connections.
func (*HTTP) Close() {}
