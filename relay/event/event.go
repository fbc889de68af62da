// Package event holds what came in: one webhook, authenticated, decrypted and
// understood, and the errors that every part must be able to tell apart. It
// knows nothing of HTTP, rules, storage or targets; all of them know it.
package event

import (
	"errors"
	"time"
)

// Event is one webhook after intake. It is immutable once made: parts share
// it between goroutines without locks.
type Event struct {
	ID         ID
	Source     string    // name of the source in the config
	ReceivedAt time.Time // UTC, when the request's head had been read
	Body       []byte    // JSON exactly as received, or as decrypted; kept and forwarded byte for byte

	Subject string // what the event is about: the invitation's id, or a ticket
	Ticket  string // the identity-verification ticket, "" when there is none
	Status  string // ACCEPTED, REJECTED, …: transaction_status or flow_status; "" when there is none
	Person  string // cifcod, personal data: only for searching and erasing; never logged

	// Fields is the decoded body, every top-level member by its exact name:
	// string, int (documented integers), float64, bool, nil, map[string]any or
	// []any. Rules and messages read it; nobody changes it.
	Fields map[string]any

	Dedupe [32]byte // what makes a repeat a repeat, within one source
	Kind   Kind     // why it is here
}

// Kind tells an event a sender caused from one an operator caused.
type Kind uint8

// The kinds of an event.
const (
	Received Kind = iota // sent to us: the ordinary case
	Replayed             // put through again by an operator
	Test                 // made by `targets send-test`
	Alarm                // made by the relay itself
)

// String is the kind's word in API and logs.
func (k Kind) String() string {
	return [...]string{"received", "replayed", "test", "alarm"}[k&3]
}

// Refused is what an authenticated sender sent and intake could not take: kept
// raw, so that a mistake in our config (a wrong key) loses nothing.
type Refused struct {
	ID          ID
	Source      string
	ReceivedAt  time.Time
	Status      int    // what the sender was answered: 400 or 422
	Reason      string // one of intake's fixed sentences, no input in it
	ContentType string
	IV          string // the x-pvt-cipher-iv header, "" when there was none
	Body        []byte // as received, undecrypted
}

var (
	// ErrBadID says that a text is not an event id.
	ErrBadID = errors.New("not an event id")
	// ErrNotFound says that there is no such event, delivery or target.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable says that the event could not be stored and nothing
	// remains of it: the sender is asked to send again (503).
	ErrUnavailable = errors.New("cannot store now")
)
