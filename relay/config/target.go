package config

import (
	"time"

	"invitation-relay/relay/target"
)

// Rule sends the events it matches to targets.
type Rule struct {
	// Name is unique among the rules.
	Name string `yaml:"name"`
	// When is a boolean expression; `unmatched` is true when no earlier rule has matched.
	When string `yaml:"when"`
	// To are names of targets. It must be written; `to: []` sends nowhere, which with stop drops events on purpose.
	To []string `yaml:"to"`
	// Stop ends the search when the rule matches: later rules are not looked at. Default false.
	Stop bool `yaml:"stop"`
	// Enabled false switches the rule off. Default true.
	Enabled bool `yaml:"enabled"`
	// Shadow evaluates and records the rule, and sends nothing. Default false.
	Shadow bool `yaml:"shadow"`
}

// Target is one place events go to. Exactly one of HTTP, Slack, Email and Log is set.
type Target struct {
	// Name is the target's key in the config.
	Name string `yaml:"-"`

	// HTTP sends to an HTTP endpoint.
	HTTP *target.HTTPConfig `yaml:"http"`
	// Slack sends to a Slack channel.
	Slack *target.SlackConfig `yaml:"slack"`
	// Email sends mail.
	Email *target.EmailConfig `yaml:"email"`
	// Log writes to the relay's own log.
	Log *target.LogConfig `yaml:"log"`

	// Rate is how many attempts may begin in a time: "1/s", "30/m", "100/h", or none. Default 1/s for slack, 5/s for email, none for http and log.
	Rate Rate `yaml:"rate"`
	// Concurrency is how many attempts may run at the same time. Default 64 for http, 2 for email, 1 for slack and log.
	Concurrency int `yaml:"concurrency"`
	// Retry is what happens after an attempt that failed.
	Retry Retry `yaml:"retry"`
	// OrderedBy is an expression: deliveries with the same value go one after another, each when the earlier one has ended. Default none: in any order.
	OrderedBy string `yaml:"ordered_by"`
	// Digest puts several events into one message (slack, email).
	Digest Digest `yaml:"digest"`
	// Fields are the top-level fields that leave, in whatever is sent; texts do not see the others. Default all.
	Fields []string `yaml:"fields"`
	// Mask are fields that leave masked: of a text only the first character, as mask() does. Default none.
	Mask []string `yaml:"mask"`
}

// Kind is the word for the kind of target: "http", "slack", "email" or "log".
func (t *Target) Kind() string {
	switch {
	case t.HTTP != nil:
		return "http"
	case t.Slack != nil:
		return "slack"
	case t.Email != nil:
		return "email"
	case t.Log != nil:
		return "log"
	}
	return ""
}

// Retry is the schedule of attempts: exponential from Initial by 2 to Max, with
// full jitter, until MaxAge.
type Retry struct {
	// Initial is the longest wait after the first failure; below a second is allowed. Default 5s.
	Initial time.Duration `yaml:"initial"`
	// Max is the longest wait between two attempts. Default 1h.
	Max time.Duration `yaml:"max"`
	// MaxAge is how old a delivery may become before it is a dead letter; 0s: one attempt only. Default 72h.
	MaxAge time.Duration `yaml:"max_age"`
	// Quick is how many extra tries one attempt makes at once, for a connection that failed or 502 to 504. Default 2.
	Quick int `yaml:"quick"`
}

// Digest puts several events into one message.
type Digest struct {
	// Every is how long events are collected; 0s sends each at once. Default 0s.
	Every time.Duration `yaml:"every"`
	// Max is how many events a message holds at most, with Slack 50. Default 50.
	Max int `yaml:"max"`
}
