package relay

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/alarm"
	"invitation-relay/relay/config"
	"invitation-relay/relay/dispatch"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/trace"
)

// Relay is one running relay.
type Relay struct {
	opts Options
	log  *slog.Logger
	reg  *prometheus.Registry
	ids  event.IDs

	store    outbox.Store
	outbox   *outbox.Writer
	dispatch *dispatch.Dispatcher
	intake   *intake.Metrics
	room     intake.Room
	alarms   *alarm.Keeper
	tracer   *trace.Tracer // nil without an endpoint

	plan      atomic.Pointer[plan] // what a reload swaps
	reloading sync.Mutex           // one reload at a time
	webhook   *listener
	admin     *listener
	draining  atomic.Bool
	reloaded  atomic.Pointer[admin.ReloadStatus]
	quiet     brake // of log lines that events cause
	metrics   metrics
}

// Options is what a relay needs besides its config.
type Options struct {
	// Load reads the config again for a reload; its errors name file and line.
	Load func() (*config.Config, error)
	// Applied is told the config of each reload that took effect, for what is
	// outside the relay (the log's level). Nil: nobody.
	Applied func(*config.Config)
	Log     *slog.Logger
	Version string
	Now     func() time.Time // nil: time.Now
}

// accept is the whole pipeline up to the disk: what matches is stored with its
// deliveries in one transaction, and only then does intake say yes.
func (r *Relay) accept(ctx context.Context, ev *event.Event) (intake.Receipt, error) {
	p := r.plan.Load()
	in := input(ev)
	decision := p.rules.Decide(in) // a rule that fails is a verdict, not an error
	entry := p.entry(ev, decision)
	if err := r.outbox.Put(ctx, entry); err != nil {
		return intake.Receipt{}, fmt.Errorf("store event %s: %w", ev.ID, err)
	}
	if !entry.Duplicate {
		r.notice(p, ev, in, &decision)
	}
	return intake.Receipt{ID: entry.StoredID, Duplicate: entry.Duplicate}, nil
}

// ServeHTTP hands a webhook to the intake of the config in force.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.plan.Load().intake.ServeHTTP(w, req)
}

// Addr is the address webhooks are received on.
func (r *Relay) Addr() net.Addr { return r.webhook.Addr() }

// AdminAddr is the address of health, metrics and API.
func (r *Relay) AdminAddr() net.Addr { return r.admin.Addr() }

// Registry has the metrics of all parts, as /metrics shows them.
func (r *Relay) Registry() *prometheus.Registry { return r.reg }
