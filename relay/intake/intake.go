// Package intake is the door: it takes a webhook from the network, makes sure
// who sent it, decrypts and decodes it, and answers only when it has been told
// that the event is stored.
//
//	path, method ─> size ─> credentials ─> decrypt ─> decode ─> Accept ─> answer
//	     404 405     413     401 403 429       400     400 422     503      202 200
//
// Nothing a stranger sends is parsed before the credentials held. On a source
// with keys every failure after that is one and the same 400, reached by the same
// steps, so that the answer is no oracle. What a known sender sent and was
// refused is handed to Refuse, and can be put through again with Replay.
//
// Intake leaves to others what an event is for (rules) and where it is kept
// (outbox): it hands on through two funcs and imports neither.
package intake

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/trace"
)

// DefaultMaxBody is the limit of a source that sets none.
const DefaultMaxBody = 256 << 10

// Config is what a Handler is made of. Everything but Sources and Accept may be
// left zero.
type Config struct {
	Sources []*Source
	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// IDs makes event ids; nil is a new one.
	IDs *event.IDs
	// Log gets at most a few lines a minute for each source and result, without input. Nil is silent.
	Log *slog.Logger
	// Metrics outlives the handler, so that counters survive a reload. Nil counts for nobody.
	Metrics *Metrics
	// Accept stores the event and what it causes. Only after it returned nil is
	// the sender told yes; after any error it is asked to send again (503). Its
	// context outlives the connection: a sender that hangs up while we commit has
	// still sent something.
	Accept func(ctx context.Context, ev *event.Event) (Receipt, error)
	// Refuse keeps what a known sender sent and could not be taken. Nil keeps nothing. An error does not change the answer.
	Refuse func(ctx context.Context, r *event.Refused) error
	// Room bounds what is in hand at once; beyond it known senders get 503. It
	// outlives the handler. Nil is a room of its own.
	Room *Room
	// Draining makes known senders get 503 while it is true; nil is never.
	Draining func() bool
	// Tracer is told of every request a source answers; nil: nobody is.
	Tracer *trace.Tracer
}

// Receipt says under which id an event is stored.
type Receipt struct {
	ID        event.ID
	Duplicate bool // stored before: ID is the first one's

	seen *seen // nil unless somebody traces
}

// Source is one sender: a path, what it must show, and how it writes. Names and
// paths are unique within a Config. Nobody changes it after New.
type Source struct {
	Name string // label in metrics and log
	Path string // exact, from "/"
	Auth Auth
	// Keys are AES-256 keys of 32 bytes; all are tried, always. None: the source is plain.
	Keys [][]byte
	// PlaintextUntil lets requests without an IV in until then, although there are Keys; zero never.
	PlaintextUntil time.Time
	// MaxBody in bytes, as received; 0 is DefaultMaxBody.
	MaxBody int64
	// Schema says what a body must look like. Nil takes any object.
	Schema *Schema
	// KeepRefused hands to Config.Refuse what a known sender sent and was refused
	// as malformed or invalid. A source that asks for nothing knows nobody.
	KeepRefused bool
	// DedupeKey says what makes a repeat a repeat. Nil, an error or "": the SHA-256 of the decrypted body.
	DedupeKey func(ev *event.Event) (string, error)
}

// Auth is what a sender must show: all that is set must hold, several entries of
// one kind are alternatives. The zero value lets everybody in; that this is meant
// (Anonymous) or harmless (loopback) is for the assembler to check.
type Auth struct {
	Basic     []Basic
	Headers   []Header
	Signature []secret.String // Standard Webhooks secrets, "whsec_" and base64
	AllowFrom []netip.Prefix
	Anonymous bool
}

// Basic is a user name and password (RFC 7617).
type Basic struct {
	Username string
	Password secret.String
}

// Header is a request header with a fixed value.
type Header struct {
	Name  string
	Value secret.String
}
