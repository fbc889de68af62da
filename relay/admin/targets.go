package admin

import (
	"context"
	"maps"
	"slices"
	"time"

	"invitation-relay/relay/outbox"
)

// TargetStatus is a target of the running config. How much it has to deliver
// is the store's to say.
type TargetStatus struct {
	Name       string
	Kind       string // slack, http, email, log
	Held       bool
	HeldSince  time.Time
	HeldReason string // redacted, for an operator
}

// RuleStatus is a rule of the running config.
type RuleStatus struct {
	Name    string   `json:"name"`
	When    string   `json:"when"`
	To      []string `json:"to"`
	Stop    bool     `json:"stop"`
	Enabled bool     `json:"enabled"`
	Shadow  bool     `json:"shadow"`
}

// listTargets lists every target: those of the config in its order, then those
// that are gone from it and still have deliveries.
func (a *api) listTargets(c *call) (any, error) {
	items, err := a.targets(c.ctx)
	return page[targetItem]{Items: items}, err
}

func (a *api) targets(ctx context.Context) ([]targetItem, error) {
	counts, err := a.Store.Counts(ctx)
	if err != nil {
		return nil, err
	}
	byTarget := map[string]outbox.Count{}
	for address, n := range counts {
		name := address.Target()
		sum := byTarget[name]
		sum.Pending += n.Pending
		sum.Delivered += n.Delivered
		sum.Dead += n.Dead
		if !n.Oldest.IsZero() && (sum.Oldest.IsZero() || n.Oldest.Before(sum.Oldest)) {
			sum.Oldest = n.Oldest
		}
		byTarget[name] = sum
	}
	configured := a.Targets()
	items := make([]targetItem, 0, len(configured))
	for _, t := range configured {
		items = append(items, a.targetItemOf(t, byTarget[t.Name]))
		delete(byTarget, t.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(byTarget)) {
		items = append(items, a.targetItemOf(TargetStatus{Name: name}, byTarget[name]))
	}
	return items, nil
}

func (a *api) targetItemOf(t TargetStatus, n outbox.Count) targetItem {
	it := targetItem{
		Name: t.Name, Kind: t.Kind, Held: t.Held, HeldSince: stamp(t.HeldSince), HeldReason: t.HeldReason,
		Pending: n.Pending, Delivered: n.Delivered, Dead: n.Dead,
	}
	if n.Pending > 0 && !n.Oldest.IsZero() {
		it.OldestPendingSeconds = max(0, int(a.Now().Sub(n.Oldest)/time.Second))
	}
	return it
}

// listRules lists the rules of the config, in its order.
func (a *api) listRules(*call) (any, error) {
	items := append([]RuleStatus{}, a.Rules()...)
	for i := range items {
		items[i].To = append([]string{}, items[i].To...) // [] and not null
	}
	return page[RuleStatus]{Items: items}, nil
}

// statusAnswer is the relay in one look.
type statusAnswer struct {
	Version       string   `json:"version"`
	StartedAt     stamp    `json:"started_at"`
	UptimeSeconds int      `json:"uptime_seconds"`
	Ready         bool     `json:"ready"`
	NotReady      string   `json:"not_ready"` // why, "" when ready
	Pending       int      `json:"pending"`
	Dead          int      `json:"dead"`
	Held          []string `json:"held"` // names of targets
}

func (a *api) status(c *call) (any, error) {
	items, err := a.targets(c.ctx)
	if err != nil {
		return nil, err
	}
	reason := a.notReady(c.ctx)
	s := statusAnswer{
		Version: a.Version, StartedAt: stamp(a.started), UptimeSeconds: int(a.Now().Sub(a.started) / time.Second),
		Ready: reason == "", NotReady: reason, Held: []string{},
	}
	for _, t := range items {
		s.Pending += t.Pending
		s.Dead += t.Dead
		if t.Held {
			s.Held = append(s.Held, t.Name)
		}
	}
	return s, nil
}
