package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/config"
	"invitation-relay/relay/secret"
)

// Reload reads the config again and puts it in force, all of it or, when
// anything is wrong with it, nothing. Events keep the targets they were stored
// with; a delivery to a target that is gone waits until the target returns.
func (r *Relay) Reload(context.Context) error {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	p, err := r.prepare()
	if err != nil {
		r.refuse(err)
		r.log.Error("config refused, the old one stays in force", "err", err)
		return err
	}
	r.enforce(p)
	if r.opts.Applied != nil {
		r.opts.Applied(p.cfg)
	}
	r.log.Info("config reloaded")
	return nil
}

// prepare does everything of a reload that can fail.
func (r *Relay) prepare() (*plan, error) {
	if r.draining.Load() {
		return nil, errDraining
	}
	cfg, err := r.opts.Load()
	if err != nil {
		return nil, err
	}
	if err := sameSockets(r.plan.Load().cfg, cfg); err != nil {
		return nil, err
	}
	return r.assemble(cfg)
}

// enforce swaps the plan. Nothing in it can fail. Dispatch gets the targets
// first, so that no event is stored for a target it does not know.
func (r *Relay) enforce(p *plan) {
	r.dispatch.SetLanes(p.lanes())
	r.plan.Store(p)
	now := r.opts.Now()
	r.metrics.reloadOK.Set(1)
	r.metrics.reloadAt.Set(float64(now.Unix()))
	r.reloaded.Store(&admin.ReloadStatus{OK: true, At: now})
	r.alarms.Look()
}

// refuse notes that a config was refused. That a relay which is stopping
// takes none is nobody's mistake.
func (r *Relay) refuse(err error) {
	if errors.Is(err, errDraining) {
		return
	}
	r.metrics.reloadOK.Set(0)
	r.reloaded.Store(&admin.ReloadStatus{At: r.reloaded.Load().At})
	r.alarms.Look()
}

func sameSecret(a, b secret.String) bool { return a.Equal(b.Reveal()) }

// sameSockets refuses what only a restart can change, rather than seem to have changed it.
func sameSockets(old, next *config.Config) error {
	var errs []error
	for _, c := range []struct {
		key     string
		changed bool
	}{
		{"server.listen", old.Server.Listen != next.Server.Listen},
		{"server.shutdown_timeout", old.Server.ShutdownTimeout != next.Server.ShutdownTimeout},
		{"server.tls", old.Server.TLS != next.Server.TLS},
		{"admin.listen", old.Admin.Listen != next.Admin.Listen},
		{"log.format", old.Log.Format != next.Log.Format},
		{"store.url", old.StorePath() != next.StorePath()},
		{"store.encryption_keys", !slices.EqualFunc(old.Store.EncryptionKeys, next.Store.EncryptionKeys, sameSecret)},
	} {
		if c.changed {
			errs = append(errs, fmt.Errorf("%s changes only with a restart", c.key))
		}
	}
	return errors.Join(errs...)
}
