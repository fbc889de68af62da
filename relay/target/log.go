package target

import (
	"context"

	"invitation-relay/rules"
)

// SetDefaults fills in what the config left out.
func (c *LogConfig) SetDefaults() {}

// Check reports every mistake in the settings.
func (c *LogConfig) Check(_ *rules.Env, _ Report) {}

// Log writes one line an event.
type Log struct{}

// NewLog builds a log target.
func NewLog(_ string, _ LogConfig, _ Deps) (*Log, error) { return &Log{}, nil }

// Kind is "log".
func (l *Log) Kind() string { return "log" }

// Recipients is nil.
func (l *Log) Recipients() []string { return nil }

// Send makes one attempt.
func (l *Log) Send(_ context.Context, _ *Message) Result { return Result{} }

// Close does nothing.
func (l *Log) Close() {}
