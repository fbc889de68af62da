// Package admin is the operator's side door: health, metrics, reload, and an
// API over what the store holds. It stands beside the flow of events and never
// in it: an event is accepted and delivered the same with this package absent.
//
// It promises that no answer, log line or metric of it holds a name, a customer
// id, a body or a secret; that nothing changes without an operator's POST, which
// leaves an audit line; and that a page in a browser cannot make one. It leaves
// to others what the words mean: a Reader lists, funcs in Config do.
//
// Every endpoint is one row of api.endpoints and one func; method, identity,
// query, status and counting are the same for all of them, in serve.go.
package admin

import (
	"context"
	"crypto/rand"
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
	Counts(ctx context.Context) (map[outbox.Address]outbox.Count, error)
}

// Config is what the API is made of. Store and Registry must be set. The funcs
// are called for each request, so that a reload needs no new handler; they must
// be safe for concurrent use.
type Config struct {
	Store Reader
	// Registry is what /metrics shows; the API's own counter is registered there.
	Registry *prometheus.Registry
	// Targets and Rules are the running config's, in its order. Nil: none.
	Targets func() []TargetStatus
	Rules   func() []RuleStatus
	// Ready says why the relay should get no webhooks now, or nil. Anybody who can
	// connect reads the text, except that of an event.ErrUnavailable. Nil: always ready.
	Ready func(ctx context.Context) error
	// Reload swaps the config. An *InvalidError lists what is wrong with it, and
	// then nothing has changed. Nil: there is no such endpoint.
	Reload func(ctx context.Context) error
	// Replay puts what was refused through intake again, as received now. An
	// *InvalidError says why it is refused again; event.ErrNotFound that there is
	// no such id. Nil: there is no such endpoint.
	Replay func(ctx context.Context, id event.ID) (newID event.ID, duplicate bool, err error)
	// Users may sign in, by HTTP Basic. Nil or none: everybody who can connect is
	// an operator, for a listener on loopback and no other.
	Users func() []User
	// Hosts are the names under which a browser may reach the API, beside those of
	// loopback. With users and no Hosts every name will do.
	Hosts []string

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

// endpoint is one thing the API does.
type endpoint struct {
	method string   // GET, which answers HEAD too, or POST, which changes something
	path   string   // an http.ServeMux pattern
	public bool     // needs no signing in: for probes
	action string   // of a POST: its word in the audit log
	params []string // query parameters it takes; any other is an error

	do  func(*call) (any, error) // what it answers, as JSON: this,
	raw http.Handler             // or this
}

// endpoints is the whole API. What changes something is a POST with an action;
// the other POSTs of operating (retry, discard, hold, release, send-test) are
// rows beside replay.
func (a *api) endpoints() []endpoint {
	list := []endpoint{
		{method: "GET", path: "/livez", public: true, do: a.livez},
		{method: "GET", path: "/readyz", public: true, do: a.readyz},
		{method: "GET", path: "/metrics", raw: a.exposition()},

		{method: "GET", path: "/api/v1/events", params: eventParams, do: a.listEvents},
		{method: "GET", path: "/api/v1/deliveries", params: deliveryParams, do: a.listDeliveries},
		{method: "GET", path: "/api/v1/targets", do: a.listTargets},
		{method: "GET", path: "/api/v1/rules", do: a.listRules},
		{method: "GET", path: "/api/v1/status", do: a.status},
	}
	if a.Reload != nil {
		list = append(list, endpoint{method: "POST", path: "/-/reload", action: "reload", do: a.reload})
	}
	if a.Replay != nil {
		list = append(list, endpoint{method: "POST", path: "/api/v1/events/{id}/replay", action: "replay", do: a.replay})
	}
	return list
}
