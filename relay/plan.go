package relay

import (
	"errors"
	"time"

	"invitation-relay/relay/config"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
	"invitation-relay/rules"
)

// plan is everything a config says that can be swapped while the relay runs. It
// is built whole before it is put in force, and never changed after.
type plan struct {
	cfg      *config.Config
	rules    *rules.Set
	counters []counters
	intake   *intake.Handler
	targets  map[string]target.Target
	address  map[string][]outbox.Address                      // a target's deliveries for one event
	order    map[string]func(ev *event.Event) (string, error) // a target's; nil: none
	sources  map[string]source
	ruleset  string // what is kept with each event these rules decide about
}

// source is what storing and decoding an event of one source needs.
type source struct {
	schema *intake.Schema
	dedupe time.Duration
	keep   time.Duration // of refused requests
	most   int
}

// input is the event as rules see it.
func input(ev *event.Event) *rules.Input {
	return &rules.Input{EventID: ev.ID.String(), Source: ev.Source, ReceivedAt: ev.ReceivedAt, Payload: ev.Fields}
}

// entry is the event on its way into the store, with the deliveries it causes
// and the verdicts worth keeping.
func (p *plan) entry(ev *event.Event, d rules.Decision) *outbox.Entry {
	e := &outbox.Entry{Event: ev, Ruleset: p.ruleset}
	for _, name := range d.Targets {
		e.To = append(e.To, p.address[name]...)
	}
	names := p.rules.Names()
	for i, v := range d.Verdicts {
		if v != rules.NoMatch && v != rules.NotEvaluated {
			e.Verdicts = append(e.Verdicts, outbox.Verdict{Rule: names[i], Verdict: v.String()})
		}
	}
	if window := p.sources[ev.Source].dedupe; window > 0 && ev.Kind == event.Received {
		e.DedupeSince = ev.ReceivedAt.Add(-window)
	}
	return e
}

// count notes what each rule said.
func (p *plan) count(d rules.Decision) {
	for i, v := range d.Verdicts {
		if c := p.counters[i][v]; c != nil {
			c.Inc()
		}
	}
}

// decode fills in the fields of an event that comes from the store. One that
// was taken under another config than today's, and does not fit today's, was
// promised delivery all the same: it has what could be read.
func (p *plan) decode(ev *event.Event) error {
	schema := p.sources[ev.Source].schema
	if ev.Kind == event.Alarm {
		schema = nil // whatever source has that name
	}
	fields, err := intake.Decode(ev.Body, schema)
	ev.Fields = fields.Members
	if errors.Is(err, intake.ErrInvalid) {
		return nil
	}
	return err
}

// keepRefused is how many refused requests of a source are kept.
func (p *plan) keepRefused(name string) int {
	if s, ok := p.sources[name]; ok {
		return s.most
	}
	return mostRefused
}

// mostRefused are kept of a source that is no longer in the config, for refusedFor.
const (
	mostRefused = 1000
	refusedFor  = 7 * 24 * time.Hour
)

// rowsKept is how long dead letters and rows without bodies are kept.
const rowsKept = 90 * 24 * time.Hour

func (p *plan) retention(now time.Time) outbox.Retention {
	return outbox.Retention{
		Bodies: now.Add(-p.cfg.Store.Retention),
		Rows:   now.Add(-max(rowsKept, p.cfg.Store.Retention)),
		RefusedAfter: func(name string) (time.Time, int) {
			if s, ok := p.sources[name]; ok {
				return now.Add(-s.keep), s.most
			}
			return now.Add(-refusedFor), mostRefused
		},
	}
}

// purgeEvery is how often to look for what the retention no longer covers: each
// hour, and where something is kept for less than that, so often that it is kept
// no more than twice as long. A minute is the least, and what a reload takes to
// be noticed at most.
func (p *plan) purgeEvery() time.Duration {
	every := min(time.Hour, p.cfg.Store.Retention)
	for _, s := range p.sources {
		if s.keep > 0 {
			every = min(every, s.keep)
		}
	}
	return max(time.Minute, every)
}
