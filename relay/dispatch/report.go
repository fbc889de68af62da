package dispatch

import (
	"log/slog"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// report logs an attempt: a failure that repeats once only, so that a target
// that fails for days does not flood. A probe in vain is a line of its own, at most
// one a minute once a hold lasts, so that nobody need wonder whether it came. A
// delivery given up because its event cannot be read was no probe: that line is
// giveUp's.
func (l *lane) report(t *attempt, a *outbox.Attempt, seen sight) {
	log, ctx := l.d.log, l.d.sendCtx
	level := slog.LevelDebug
	if t.interrupted || seen.newReason {
		level = slog.LevelWarn
	}
	switch {
	case a.State == event.Dead:
		log.ErrorContext(ctx, "delivery is dead", l.attrs(t, a)...)
	case !log.Enabled(ctx, level): // spares what the attributes cost
	case a.State == event.Done:
		log.DebugContext(ctx, "delivered", l.attrs(t, a)...)
	default:
		log.Log(ctx, level, "attempt failed", l.attrs(t, a)...)
	}
	if t.panicked != nil {
		log.ErrorContext(ctx, "panic while sending", "delivery_id", a.Key.String(), "target", l.name, "err", t.panicked)
	}
	if seen.held {
		log.ErrorContext(ctx, "target on hold", "target", l.name, "err", t.res.Reason)
	}
	if seen.nextProbe > 0 {
		log.InfoContext(ctx, "target still on hold", "delivery_id", a.Key.String(), "target", l.name, "err", t.res.Reason,
			"held_for", seen.heldFor.Round(time.Second).String(), "next_probe_in", seen.nextProbe.Round(time.Second).String())
	}
	if seen.released {
		log.InfoContext(ctx, "target released", "target", l.name, "held_for", seen.heldFor.Round(time.Second).String())
	}
}

func (l *lane) attrs(t *attempt, a *outbox.Attempt) []any {
	attrs := []any{
		"delivery_id", a.Key.String(), "event_id", a.Key.Event.String(), "target", l.name,
		"attempt", a.Number, "outcome", a.Outcome.String(), "status", a.Status,
	}
	if t.more != nil {
		attrs = append(attrs, "count", 1+len(t.more))
	}
	if a.Reason != "" {
		attrs = append(attrs, "err", a.Reason)
	}
	return attrs
}
