package relay

import (
	"context"
	"math"
	"slices"
	"time"

	"invitation-relay/relay/alarm"
	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// alarmConfig is what alarms may ask and do. They look beside the flow of
// events: neither accepting nor delivering waits for them.
func (r *Relay) alarmConfig() alarm.Config {
	return alarm.Config{
		Store: r.store, Put: r.outbox.Put, NewID: r.ids.New, Now: r.opts.Now,
		Log: r.log.With("component", "alarms"), Metrics: r.reg,
		Settings:  func() alarm.Settings { return r.plan.Load().alarmSettings() },
		Targets:   r.alarmTargets,
		Waiting:   r.waiting,
		Senders:   r.senders,
		Refused:   func() bool { return !r.reloaded.Load().OK },
		LastHeard: r.lastHeard,
	}
}

func (p *plan) alarmSettings() alarm.Settings {
	a := p.cfg.Alarms
	s := alarm.Settings{BacklogAge: a.BacklogAge, Silence: a.Silence, ConfigPath: p.cfg.Path}
	for i, name := range a.To {
		if slices.Contains(a.To[:i], name) {
			continue
		}
		s.To = append(s.To, alarm.Recipient{Target: name, Addresses: p.address[name]})
	}
	return s
}

func (r *Relay) alarmTargets() []alarm.Target {
	var all []alarm.Target
	for _, s := range r.dispatch.Status() {
		all = append(all, alarm.Target{
			Name: s.Name, Held: s.Held, ByHand: s.ByHand, HeldSince: s.HeldSince, HeldReason: s.HeldReason, Oldest: s.Oldest, Dead: s.Dead,
		})
	}
	return all
}

func (r *Relay) senders() []alarm.Sender {
	var all []alarm.Sender
	for _, s := range r.intake.Senders() {
		all = append(all, alarm.Sender(s))
	}
	return all
}

// mostAlarms are deliveries of alarms that are looked through for one that is
// none. So many alarms do not wait: each is told twice at most in ten minutes.
const mostAlarms = 500

// waiting finds a delivery of a target that waits and is no alarm's, received
// before a time. Nearly always the first one is none.
func (r *Relay) waiting(ctx context.Context, target string, before time.Time) (outbox.Pending, bool, error) {
	counts, err := r.store.Counts(ctx) // also has what a target that is gone left behind
	if err != nil {
		return outbox.Pending{}, false, err
	}
	now := r.opts.Now()
	q := outbox.Query{DueBy: now.AddDate(100, 0, 0), BeforeSeq: event.SeqAt(before)}
	for a, n := range counts {
		if a.Target() == target && n.Pending > 0 {
			q.Addresses = append(q.Addresses, a)
		}
	}
	if len(q.Addresses) == 0 {
		return outbox.Pending{}, false, nil
	}
	for _, q.Limit = range [...]int{1, mostAlarms, mostAlarms} {
		due, _, err := r.store.Claim(ctx, q)
		if err != nil {
			return outbox.Pending{}, false, err
		}
		for _, d := range due {
			if d.Event.Kind != event.Alarm && (d.CreatedAt.Before(before) || d.CreatedAt.After(now.Add(idsAhead))) {
				return d, true, nil
			}
		}
		if len(due) == q.Limit {
			continue
		}
		if r.store.LastSeq() < event.SeqAt(now.Add(idsAhead)) || q.BeforeSeq == inOrder {
			break
		}
		q.BeforeSeq = inOrder // ids run ahead of the clock, which was set back: they say nothing
	}
	return outbox.Pending{}, false, nil
}

const (
	idsAhead = time.Hour         // of the clock is more than they may be by themselves
	inOrder  = math.MaxInt64 - 1 // a BeforeSeq that all are before
)

// lastHeard is when the newest webhook came that the store has.
func (r *Relay) lastHeard(ctx context.Context) (time.Time, error) {
	newest, _, err := r.store.Events(ctx, outbox.Filter{Limit: mostAlarms})
	if err != nil {
		return time.Time{}, err
	}
	for i := range newest {
		if newest[i].Kind == event.Received {
			return newest[i].ReceivedAt, nil
		}
	}
	return time.Time{}, nil
}
