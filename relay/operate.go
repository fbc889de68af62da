package relay

import (
	"context"
	"errors"
	"strings"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/config"
	"invitation-relay/relay/event"
)

// adminConfig is what the admin API may see and do.
func (r *Relay) adminConfig() admin.Config {
	return admin.Config{
		Store: r.store, Registry: r.reg, Log: r.log, Version: r.opts.Version, Now: r.opts.Now,
		Targets: r.targetStatus,
		Rules:   r.ruleStatus,
		Sources: r.sourceNames,
		Detail:  r.detail,
		Users:   r.users,
		Ready:   r.ready,

		Alarms:   r.alarms.Active,
		Reloaded: func() admin.ReloadStatus { return *r.reloaded.Load() },
		Retry:    r.retry,
		Discard:  r.discard,
		Replay:   r.replay,
		Hold:     r.dispatch.Hold,
		Release:  r.dispatch.Release,
		SendTest: r.sendTest,
		Explain:  r.explain,
		Forget:   r.forget,
		Reload: func(ctx context.Context) error {
			return invalid(r.Reload(ctx))
		},
	}
}

var errDraining = errors.New("stopping")

// ready says why webhooks should go elsewhere now.
func (r *Relay) ready(ctx context.Context) error {
	if r.draining.Load() {
		return errDraining
	}
	return r.store.Check(ctx)
}

func (r *Relay) targetStatus() []admin.TargetStatus {
	var out []admin.TargetStatus
	for _, s := range r.dispatch.Status() {
		out = append(out, admin.TargetStatus{
			Name: s.Name, Kind: s.Kind, Held: s.Held, HeldSince: s.HeldSince, HeldReason: s.HeldReason,
			ByHand: s.ByHand, NextProbe: s.NextProbe, Waiting: s.Waiting,
		})
	}
	return out
}

func (r *Relay) ruleStatus() []admin.RuleStatus {
	var out []admin.RuleStatus
	for _, c := range r.plan.Load().cfg.Rules {
		out = append(out, admin.RuleStatus{Name: c.Name, When: c.When, To: c.To, Stop: c.Stop, Enabled: c.Enabled, Shadow: c.Shadow})
	}
	return out
}

func (r *Relay) users() []admin.User {
	var out []admin.User
	for _, u := range r.plan.Load().cfg.Admin.Users {
		role := admin.Viewer
		if u.Role == config.RoleOperator {
			role = admin.Operator
		}
		out = append(out, admin.User{Name: u.Name, PasswordHash: u.PasswordHash.Reveal(), Role: role})
	}
	return out
}

func (r *Relay) sourceNames() []string {
	var names []string
	for _, s := range r.plan.Load().cfg.SourcesInOrder() {
		names = append(names, s.Name)
	}
	return names
}

// invalid marks an error as the operator's to mend, with a line for each mistake.
func invalid(err error) error {
	if err == nil || errors.Is(err, event.ErrUnavailable) || errors.Is(err, event.ErrNotFound) {
		return err
	}
	return &admin.InvalidError{Problems: strings.Split(err.Error(), "\n")}
}
