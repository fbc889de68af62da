package target

import (
	"context"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// Slack sends events to one Slack channel.
type Slack struct{ name string }

// SetDefaults fills what the config leaves out.
func (c *SlackConfig) SetDefaults() {}

// Check reports every mistake in the settings.
func (c *SlackConfig) Check(_ *rules.Env, _ Report) {}

// NewSlack builds the target; the config must have passed Check.
func NewSlack(name string, _ SlackConfig, _ Deps) (*Slack, error) { return &Slack{name: name}, nil }

// Kind is "slack".
func (*Slack) Kind() string { return "slack" }

// Recipients is nil: one delivery an event.
func (*Slack) Recipients() []string { return nil }

// Send makes one attempt.
func (*Slack) Send(context.Context, *Message) Result {
	return Result{Outcome: event.Retry, Reason: "not yet built", Tries: 1}
}

// Close lets go of idle connections.
func (*Slack) Close() {}
