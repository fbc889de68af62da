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
	ByHand     bool   // only a release by hand ends it
	NextProbe  time.Time
	Waiting    time.Time // until then it has asked to be left alone
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
		Name: t.Name, Kind: t.Kind, Held: t.Held, ByHand: t.ByHand, HeldSince: stamp(t.HeldSince), HeldReason: t.HeldReason,
		NextProbeAt: stamp(t.NextProbe), WaitingUntil: stamp(t.Waiting),
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
