package relay

import (
	"strconv"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// notice counts and says what the rules made of an event that is now stored:
// once an event, and not again for its repeats.
// in is what they saw.
func (r *Relay) notice(p *plan, ev *event.Event, in *rules.Input, d *rules.Decision) {
	p.count(*d)
	for _, failed := range d.Errors {
		r.alarms.RuleError(failed.Rule, ev.ID)
		if held, ok := r.quiet.pass("rule "+failed.Rule, r.opts.Now()); ok {
			r.log.Warn("rule could not be evaluated", "component", "rules", "event_id", ev.ID, "rule", failed.Rule,
				"err", failed.Err, "not_logged", held)
		}
	}
	r.checkPromises(p, ev, in, d)
}

// checkPromises raises the alarm when an event that must reach a target reaches
// none. check has proven that it cannot happen with values as one expects them;
// it still does when a rule fails, or when a value comes that nobody thought of.
// It costs nothing for events that are delivered somewhere.
func (r *Relay) checkPromises(p *plan, ev *event.Event, in *rules.Input, d *rules.Decision) {
	if len(d.Targets) > 0 || p.cfg.Must.Len() == 0 {
		return
	}
	verdicts, errs := p.cfg.Must.Evaluate(in)
	log := r.log.With("component", "rules", "event_id", ev.ID)
	for i, v := range verdicts {
		switch v {
		case rules.Match:
			r.metrics.mustRouteBroken.Inc()
			r.alarms.MustRoute(i, ev.ID)
			if held, ok := r.quiet.pass("must_route "+strconv.Itoa(i), r.opts.Now()); ok {
				log.Error("an event that must reach a target reaches none", "must_route", i, "not_logged", held)
			}
		case rules.Error:
			if held, ok := r.quiet.pass("must_route error "+strconv.Itoa(i), r.opts.Now()); ok {
				log.Warn("must_route could not be evaluated for an event that reaches no target", "must_route", i, "err", errs[i], "not_logged", held)
			}
		default:
		}
	}
}
