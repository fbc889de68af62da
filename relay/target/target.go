// Package target sends one event to one place: a Slack channel, an HTTP
// endpoint, a mailbox, the log. A kind of target is one file: its config
// struct, its message, and its reading of the answer as an outcome.
//
// It leaves to dispatch when to try again and what a hold means. It keeps two
// promises for everybody: a Result contains no secret, no URL, no mail address
// and no value of the event, so it may be logged and stored; and what a
// stranger wrote into an event is escaped for where it lands.
package target

import (
	"context"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// Target sends to one place. Send is safe for concurrent use and returns
// within the target's own time-outs, or soon after ctx ends.
type Target interface {
	// Kind is the word for it in the config: "slack", "http", "email", "log".
	Kind() string
	// Recipients are the short hashes of its recipients, each of which gets a
	// delivery of its own; nil for a target that takes one delivery an event.
	Recipients() []string
	// Send makes one attempt.
	Send(ctx context.Context, m *Message) Result
	// Close lets go of idle connections, after the last Send has returned.
	Close()
}

// Named is a target that can say who its recipients are, masked: by the hashes
// that Recipients returns, for an operator to read.
type Named interface {
	RecipientNames() map[string]string
}

// Digester is a target that can put several events into one message. Its
// Result holds for all of them. The messages are of one recipient, in the order
// of their events, and at least two; none is an alarm or a test.
type Digester interface {
	SendDigest(ctx context.Context, ms []*Message) Result
}

// Threads remembers what a target's threads hang on: the first message of each,
// as the other side names it. It is bound to one target, and safe for
// concurrent use. Keys are hashes, never values of an event.
type Threads interface {
	// Thread returns what SaveThread was given for the key, "" when nothing.
	Thread(ctx context.Context, key string) (ref string, err error)
	// SaveThread remembers ref, unless the key has one already.
	SaveThread(ctx context.Context, key, ref string) error
}

// Message is one delivery as a target sees it.
type Message struct {
	DeliveryID string // stable over all attempts: Message-ID, Idempotency-Key
	Recipient  string // one of Recipients, "" when there are none
	Attempt    int    // 1 for the first
	Event      *event.Event
	Now        time.Time
	// Traceparent is the attempt's span, where somebody traces; "" is a new one
	// in the event's trace.
	Traceparent string

	whole *event.Event // nil, or the event before fields and mask: see wholeInput
}

// Input is the event as expressions in texts see it.
func (m *Message) Input() *rules.Input {
	return &rules.Input{
		EventID: m.Event.ID.String(), Source: m.Event.Source,
		ReceivedAt: m.Event.ReceivedAt, Payload: m.Event.Fields,
	}
}

// Result is how an attempt ended.
type Result struct {
	Outcome    event.Outcome
	Status     int           // HTTP status or SMTP code, 0 when there was none
	Reason     string        // for an operator: what happened and what helps; "" for success
	RetryAfter time.Duration // the whole target is asked to wait this long; 0 when not asked
	NotBefore  time.Duration // this delivery alone waits at least so long for its next attempt, at most MaxRetryAfter; 0: as the schedule has it
	Tries      int           // tries made inside the attempt, at least 1
}

// Limits of what a target may ask of us.
const (
	// MaxRetryAfter caps a Retry-After and a NotBefore.
	MaxRetryAfter = 24 * time.Hour
	// maxAnswer is how much of an answer is read, for its reason and to reuse the connection.
	maxAnswer = 4 << 10
)

// Report receives one mistake in a target's settings: path is relative to the
// settings ("headers.X-Team", "to[1]"), line and col are positions inside the
// scalar there (1-based, 0 for the scalar itself), hint may be empty.
type Report func(path string, line, col int, msg, hint string)
