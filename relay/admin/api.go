// Package admin is the operator's side door: health, metrics, reload, and an
// API over what the store holds and what can be done about it. It stands beside the flow of events and never
// in it: an event is accepted and delivered the same with this package absent.
//
// It promises that no answer, log line or metric of it holds a name, a customer
// id, a body or a secret, but for the two answers that an operator asks for to
// see them (body=full, explain); that nothing changes without an operator's POST, which
// leaves an audit line; and that a page in a browser cannot make one. It leaves
// to others what the words mean: a Reader lists, funcs in Config do.
//
// Every endpoint is one row of api.endpoints and one func; method, identity,
// query, status and counting are the same for all of them, in serve.go.
package admin

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Reader is what of an outbox.Store the API shows.
type Reader interface {
	Events(ctx context.Context, f outbox.Filter) (items []outbox.StoredEvent, more bool, err error)
	Deliveries(ctx context.Context, f outbox.Filter) (items []outbox.StoredDelivery, more bool, err error)
	Refused(ctx context.Context, f outbox.Filter) (items []event.Refused, more bool, err error)
	Event(ctx context.Context, id event.ID) (*outbox.StoredEvent, error)
	Delivery(ctx context.Context, k outbox.Key) (*outbox.StoredDelivery, error)
	Attempts(ctx context.Context, k outbox.Key) ([]outbox.Attempt, error)
	Counts(ctx context.Context) (map[outbox.Address]outbox.Count, error)
}

// Config is what the API is made of. Store and Registry must be set. The
// funcs are called for each request, so that a reload needs no new handler; they
// must be safe for concurrent use. Without one of those that change something
// there is no such endpoint.
type Config struct {
	Store Reader
	// Registry is what /metrics shows; the API's own counter is registered there.
	Registry *prometheus.Registry
	// Targets, Rules and Sources are the running config's, in its order. Nil: none.
	Targets func() []TargetStatus
	Rules   func() []RuleStatus
	Sources func() []string
	// Detail is what may be shown of a stored event, and why it was decided so.
	// Nil: nothing is.
	Detail func(e *outbox.StoredEvent, show Show) Detail
	// Alarms are those that are on. Nil: none.
	Alarms func(ctx context.Context) ([]outbox.Alarm, error)
	// Reloaded is how the last reload went. Nil: it is not told.
	Reloaded func() ReloadStatus
	// Ready says why the relay should get no webhooks now, or nil. Anybody who can
	// connect reads the text, except that of an event.ErrUnavailable. Nil: always ready.
	Ready func(ctx context.Context) error

	// Reload swaps the config. An *InvalidError lists what is wrong with it, and
	// then nothing has changed.
	Reload func(ctx context.Context) error
	// Retry makes deliveries due at once, Discard gives them up. Each delivery, as
	// it was read, gets an error or nil: ErrBusy while an attempt is under way, an
	// *InvalidError when it cannot be.
	Retry   func(ctx context.Context, was []outbox.StoredDelivery) []error
	Discard func(ctx context.Context, was []outbox.StoredDelivery) []error
	// Replay puts events through again, those that were refused or those that are
	// stored; to names targets, none: the rules decide. They are done in the order
	// given. An *InvalidError says why one cannot be; event.ErrNotFound that there
	// is no such id.
	Replay func(ctx context.Context, ids []event.ID, refused bool, to []string) []Replayed
	// Hold stops a target until Release. An error that is not event.ErrNotFound
	// says that the store has not taken it yet, though it is in force.
	Hold    func(target, reason string) error
	Release func(target string) error
	// SendTest stores a test event of the source for one target.
	SendTest func(ctx context.Context, target, source string) (event.ID, []outbox.Key, error)
	// Explain says what would become of a body that the source sent, as JSON. It
	// reads no more of it than the source may send.
	Explain func(ctx context.Context, source string, body io.Reader) (any, error)

	// Forget erases one person, by the customer id, wherever it is kept.
	Forget func(ctx context.Context, person string) (outbox.Forgotten, error)

	// Users may sign in, by HTTP Basic. Nil or none: everybody who can connect is
	// an operator, for a listener on loopback and no other, under loopback's names.
	Users func() []User

	Log     *slog.Logger     // nil is silent
	Version string           // for /api/v1/status
	Now     func() time.Time // the clock; nil is time.Now
}

// New makes the handler of the admin listener. It is safe for concurrent use.
func New(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Users == nil {
		cfg.Users = func() []User { return nil }
	}
	if cfg.Targets == nil {
		cfg.Targets = func() []TargetStatus { return nil }
	}
	if cfg.Rules == nil {
		cfg.Rules = func() []RuleStatus { return nil }
	}
	if cfg.Sources == nil {
		cfg.Sources = func() []string { return nil }
	}
	if cfg.Detail == nil {
		cfg.Detail = func(*outbox.StoredEvent, Show) Detail { return Detail{} }
	}
	if cfg.Alarms == nil {
		cfg.Alarms = func(context.Context) ([]outbox.Alarm, error) { return nil, nil }
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	log := cfg.Log.With("component", "admin")
	a := &api{
		Config:  cfg,
		log:     log,
		audit:   cfg.Log.With("component", "audit"),
		started: cfg.Now(),
		metrics: newMetrics(cfg.Registry),
		door: &door{
			users: cfg.Users, now: cfg.Now, log: log,
			compare: bcrypt.CompareHashAndPassword, slot: make(chan struct{}, 1),
		},
	}
	_, _ = rand.Read(a.door.key[:]) // never fails (crypto/rand)
	return a.routes()
}

type api struct {
	Config
	log, audit *slog.Logger
	started    time.Time
	metrics    *metrics
	door       *door
	browsers   http.CrossOriginProtection
}
