package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"invitation-relay/relay"
	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

const (
	maxChanges  = 200 // kinds of change that are told apart
	maxExamples = 3   // of each
)

// comparison is what two configs make of the same events. Its memory does not
// grow with their number.
type comparison struct {
	before, after *dry
	progress      *progress

	compared   int // events that one of the two takes, at least
	elsewhere  int // of those, they reach other targets, or only one takes them
	otherRules int // of those, the same targets by other rules
	refused    int // by both
	erased     int // without a body: nothing can be said of them
	damaged    int
	changes    map[string]*change
	unlisted   int // events of changes beyond maxChanges
}

// change is what becomes of some events under one config and under the other.
type change struct {
	before, after fate
	events        int
	examples      []string // event ids, or files
}

// fate is what becomes of an event.
type fate struct {
	refused string   // why it is not taken, "" when it is
	targets []string // sorted
	rules   []string // that match, in their order
	errors  []string // rules that cannot be evaluated
}

// key is the same for the same fates.
func (f *fate) key() string {
	return strings.Join([]string{f.refused, strings.Join(f.targets, ","), strings.Join(f.rules, ","), strings.Join(f.errors, ",")}, "\x00")
}

// fateOf is what a dry run says.
func (d *dry) fateOf(source string, o *relay.Outcome, err error) (fate, error) {
	switch {
	case errors.Is(err, event.ErrNotFound):
		return fate{refused: fmt.Sprintf("no source %s in %s", source, d.cfg.Path)}, nil
	case err != nil:
		return fate{}, err
	case o.Event == nil:
		return fate{refused: fmt.Sprintf("%d, %s", o.Status, o.Reason)}, nil
	}
	f := fate{targets: slices.Sorted(slices.Values(o.Decision.Targets))}
	for i, v := range o.Decision.Verdicts {
		switch v {
		case rules.Match:
			f.rules = append(f.rules, d.cfg.Rules[i].Name)
		case rules.Error:
			f.errors = append(f.errors, d.cfg.Rules[i].Name)
		case rules.NoMatch, rules.Shadowed, rules.NotEvaluated:
		}
	}
	return f, nil
}

// event compares one event of the store.
func (c *comparison) event(ev *event.Event) error {
	var fates [2]fate
	for i, d := range []*dry{c.before, c.after} {
		o, err := d.Stored(ev)
		if fates[i], err = d.fateOf(ev.Source, o, err); err != nil {
			return fmt.Errorf("compare event %s: %w", ev.ID, err)
		}
	}
	c.add(fates[0], fates[1], ev.ID.String())
	c.progress.tick(c.compared+c.refused+c.erased, ev.ReceivedAt.Format(time.DateTime))
	return nil
}

// payload compares one file, sent by the source of this name.
func (c *comparison) payload(ctx context.Context, file string, p payload, source string, at time.Time) error {
	var fates [2]fate
	for i, d := range []*dry{c.before, c.after} {
		var o *relay.Outcome
		err := event.ErrNotFound
		if s := d.cfg.Sources[source]; s != nil {
			var hook relay.Webhook
			if hook, _, err = p.sent(s, false, at); err == nil {
				o, err = d.Run(ctx, hook)
			}
		}
		if fates[i], err = d.fateOf(source, o, err); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	c.add(fates[0], fates[1], file)
	c.progress.tick(c.compared+c.refused, "")
	return nil
}

// add counts one event.
func (c *comparison) add(before, after fate, example string) {
	if before.refused != "" && after.refused != "" {
		c.refused++
		return
	}
	c.compared++
	if (before.refused == "") == (after.refused == "") && slices.Equal(before.targets, after.targets) {
		if before.key() != after.key() {
			c.otherRules++
		}
		return
	}
	c.elsewhere++
	key := before.key() + "\x01" + after.key()
	ch := c.changes[key]
	if ch == nil {
		if len(c.changes) >= maxChanges {
			c.unlisted++
			return
		}
		ch = &change{before: before, after: after}
		c.changes[key] = ch
	}
	ch.events++
	if len(ch.examples) < maxExamples {
		ch.examples = append(ch.examples, example)
	}
}
