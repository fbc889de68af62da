package alarm

import (
	"context"
	"fmt"
	"time"
)

// measure is all that is wrong at now. What cannot be found out is as it was.
func (k *Keeper) measure(ctx context.Context, now time.Time, set Settings) (wrong []Trouble) {
	dead := map[string]int{}
	for _, t := range k.cfg.Targets() {
		dead[t.Name] = t.Dead
		if t.Held && !t.ByHand {
			wrong = append(wrong, k.held(ctx, now, t)...)
		}
		if set.BacklogAge > 0 && !t.Oldest.IsZero() && now.Sub(t.Oldest) > set.BacklogAge {
			wrong = append(wrong, k.backlog(ctx, now, t.Name, set.BacklogAge)...)
		}
	}
	wrong = append(wrong, k.reported(now, dead)...)
	if k.cfg.Refused() {
		wrong = append(wrong, Trouble{
			ID: ID{Kind: ReloadFailed}, Since: now, Reason: "the config last read was refused; the one before it stays in force",
		})
	}
	return append(wrong, k.senders(now, set.Silence)...)
}

// held is the alarm of a target on hold. To begin, something other than alarms
// must wait for it.
func (k *Keeper) held(ctx context.Context, now time.Time, t Target) []Trouble {
	tr := Trouble{ID: ID{TargetHeld, t.Name}, Since: t.HeldSince, Reason: t.HeldReason}
	if k.board.isOn(tr.ID) {
		return []Trouble{tr}
	}
	d, found, err := k.cfg.Waiting(ctx, t.Name, now.Add(24*time.Hour))
	if err != nil || !found {
		return nil
	}
	tr.Event, tr.Delivery = d.Key.Event, d.Key.String()
	return []Trouble{tr}
}

func (k *Keeper) backlog(ctx context.Context, now time.Time, target string, age time.Duration) []Trouble {
	tr := Trouble{ID: ID{Backlog, target}, Since: now, Reason: fmt.Sprintf("deliveries have waited longer than %s", short(age))}
	d, found, err := k.cfg.Waiting(ctx, target, now.Add(-age))
	switch {
	case err != nil && k.board.isOn(tr.ID):
		return []Trouble{tr}
	case err != nil || !found:
		return nil
	}
	tr.Since, tr.Event, tr.Delivery = d.CreatedAt.Add(age), d.Key.Event, d.Key.String()
	return []Trouble{tr}
}

// reported is what reports tell of and is not over. It takes in the new ones.
func (k *Keeper) reported(now time.Time, dead map[string]int) (wrong []Trouble) {
	by, lost := k.reports.take()
	if lost > 0 {
		k.log.Warn("too many alarms at once: some were dropped", "count", lost)
	}
	for id, r := range by {
		if old := k.latched[id]; old != nil {
			old.last, old.times = r.last, old.times+r.times
		} else {
			k.latched[id] = r
		}
	}
	for id, r := range k.latched {
		left, known := dead[id.Subject] // nobody knows of a target that is gone
		gone := id.Kind == DeadLetter && by[id] == nil && known && left == 0
		if gone || over(now, r.last, quiet) {
			delete(k.latched, id)
			k.times[id] = r.times
			continue
		}
		wrong = append(wrong, r.Trouble)
	}
	return wrong
}

// senders is what is wrong with what comes in.
func (k *Keeper) senders(now time.Time, silence time.Duration) (wrong []Trouble) {
	all := 0.0
	for _, s := range k.cfg.Senders() {
		all += s.Heard
		w := k.windows[s.Name]
		if w == nil {
			w = &window{}
			k.windows[s.Name] = w
		}
		id := ID{DecryptionFailures, s.Name}
		// After a restart it takes a while until it can be told that it is over.
		if w.add(time.Now(), s) || k.board.isOn(id) && time.Since(k.started) < windowLength {
			wrong = append(wrong, Trouble{ID: id, Since: now, Reason: "most webhooks of the last 10m could not be decrypted; they are kept, and can be put through again"})
		}
	}
	if all > k.heardSum {
		k.heardSum, k.heardAt = all, time.Now()
	}
	if silent := time.Since(k.heardAt); silence > 0 && silent >= silence {
		wrong = append(wrong, Trouble{
			ID: ID{Kind: Silence}, Since: now.Add(silence - silent), Reason: fmt.Sprintf("no webhook has come for %s", short(silence)),
		})
	}
	return wrong
}
