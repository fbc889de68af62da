package target

import (
	"context"

	"invitation-relay/rules"
)

// SetDefaults fills in what the config left out.
func (c *EmailConfig) SetDefaults() {}

// Check reports every mistake in the settings.
func (c *EmailConfig) Check(_ *rules.Env, _ Report) {}

// Email sends one mail an event and recipient.
type Email struct{}

// NewEmail builds an email target.
func NewEmail(_ string, _ EmailConfig, _ Deps) (*Email, error) { return &Email{}, nil }

// Kind is "email".
func (e *Email) Kind() string { return "email" }

// Recipients are the short hashes of the addresses.
func (e *Email) Recipients() []string { return nil }

// Send makes one attempt.
func (e *Email) Send(_ context.Context, _ *Message) Result { return Result{} }

// Close lets go of idle connections.
func (e *Email) Close() {}
