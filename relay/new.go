package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/alarm"
	"invitation-relay/relay/config"
	"invitation-relay/relay/dispatch"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
	"invitation-relay/relay/trace"
)

// New opens the store and listens, so that the addresses are known and a port
// that is taken is an error now. Nothing is answered before Run; a Relay that
// is not run is closed.
func New(ctx context.Context, cfg *config.Config, opts Options) (*Relay, error) {
	r := &Relay{opts: opts, log: opts.Log, reg: prometheus.NewRegistry()}
	if r.opts.Now == nil {
		r.opts.Now = time.Now
	}
	r.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.metrics = newMetrics(r.reg, opts.Version)
	r.intake = intake.NewMetrics(r.reg)

	var err error
	if r.tracer, err = trace.New(ctx, opts.Version, r.log.With("component", "trace")); err != nil {
		return nil, err
	}
	if err := r.open(ctx, cfg); err != nil {
		r.dropSpans()
		return nil, err
	}
	p, err := r.assemble(cfg)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.listen(ctx, cfg); err != nil {
		p.close()
		return nil, errors.Join(err, r.Close())
	}
	r.enforce(p)
	return r, nil
}

// open opens the store and builds what works on it.
func (r *Relay) open(ctx context.Context, cfg *config.Config) error {
	keys, err := cfg.Store.RawKeys()
	if err != nil {
		return fmt.Errorf("store.encryption_keys: %w", err)
	}
	store, err := sqlite.Open(ctx, sqlite.Config{
		Path: cfg.StorePath(), Keys: keys, Dedupe: longestWindow(cfg), Log: r.log.With("component", "store"), Now: r.opts.Now,
	})
	if err != nil {
		return err
	}
	r.store = store
	r.ids.Floor(store.LastSeq())
	r.outbox = outbox.NewWriter(outbox.WriterConfig{
		Store: store, Log: r.log.With("component", "outbox"), Metrics: r.reg,
		Committed:   func(entries []*outbox.Entry) { r.dispatch.Offer(entries) },
		Full:        r.full,
		KeepRefused: func(source string) int { return r.plan.Load().keepRefused(source) },
	})
	r.alarms = alarm.New(r.alarmConfig())
	r.dispatch = dispatch.New(dispatch.Config{
		Store: store, Recorder: r.outbox, Log: r.log.With("component", "dispatch"), Metrics: r.reg, Now: r.opts.Now,
		Decode:   func(ev *event.Event) error { return r.plan.Load().decode(ev) },
		Grace:    max(time.Second, cfg.Server.ShutdownTimeout*3/4),
		Observer: r.alarms,
		Tracer:   r.tracer,
	})
	store.WhenMended(r.dispatch.Found) // before Load counts, so that none is missed
	if err := r.dispatch.Load(ctx); err != nil {
		return errors.Join(fmt.Errorf("read what waits: %w", err), r.Close())
	}
	return nil
}

// full says that too many deliveries wait to take more.
func (r *Relay) full() bool { return r.dispatch.Pending() >= r.plan.Load().cfg.Store.MaxPending }

func longestWindow(cfg *config.Config) time.Duration {
	var longest time.Duration
	for _, s := range cfg.SourcesInOrder() {
		longest = max(longest, s.Dedupe.Window)
	}
	return longest
}

// listen opens both sockets, or none.
func (r *Relay) listen(ctx context.Context, cfg *config.Config) error {
	certs, err := serverTLS(cfg.Server.TLS)
	if err != nil {
		return fmt.Errorf("server.tls: %w", err)
	}
	webhooks, operators := places(descriptors())
	server := intake.NewServer(cfg.Server.Listen, r, certs, r.log.With("component", "intake"))
	if r.webhook, err = listen(ctx, "webhooks", server, webhooks); err != nil {
		return err
	}
	api := admin.NewServer(admin.New(r.adminConfig()))
	api.Addr = cfg.Admin.Listen
	if r.admin, err = listen(ctx, "admin", api, operators); err != nil {
		return errors.Join(err, r.webhook.Close())
	}
	return nil
}

// Close closes the store and the sockets. Run does it at its end.
func (r *Relay) Close() error {
	for _, l := range []*listener{r.webhook, r.admin} {
		if l != nil {
			_ = l.Close() // closed already when the server was shut down
		}
	}
	r.dropSpans()
	return r.store.Close()
}

// dropSpans ends the tracer without waiting for a collector. After flush there
// is nothing left to drop.
func (r *Relay) dropSpans() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.tracer.Close(ctx)
}
