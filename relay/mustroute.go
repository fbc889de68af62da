package relay

import (
	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// checkPromises raises the alarm when an event that must reach a target reaches
// none. check has proven that it cannot happen with values as one expects them;
// it still does when a rule fails, or when a value comes that nobody thought of.
// It costs nothing for events that are delivered somewhere.
func (r *Relay) checkPromises(p *plan, ev *event.Event, d *rules.Decision) {
	if len(d.Targets) > 0 || p.cfg.Must.Len() == 0 {
		return
	}
	verdicts, errs := p.cfg.Must.Evaluate(input(ev))
	log := r.log.With("component", "rules", "event_id", ev.ID)
	for i, v := range verdicts {
		switch v {
		case rules.Match:
			r.metrics.mustRouteBroken.Inc()
			log.Error("an event that must reach a target reaches none", "must_route", i)
		case rules.Error:
			log.Warn("must_route could not be evaluated for an event that reaches no target", "must_route", i, "err", errs[i])
		default:
		}
	}
}
