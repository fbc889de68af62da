package relay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"invitation-relay/relay/config"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
	"invitation-relay/rules"
)

// DryRun decides, and makes messages, as a relay with the same config does; it
// stores nothing, sends nothing, logs nothing and asks no clock. It is safe for
// concurrent use. What it returns holds values of the event: it is for the
// person who asked.
type DryRun struct {
	cfg     *config.Config
	intake  *intake.Handler
	schemas map[string]*intake.Schema
	targets map[string]target.Target
}

// Webhook is a webhook as its sender made it, but for path, method and credentials.
type Webhook = intake.Sent

// Preview is a message as it would leave, without the config's secrets.
type Preview = target.Preview

// NewDryRun builds what a relay would. version is for the messages' User-Agent.
func NewDryRun(cfg *config.Config, version string) (*DryRun, error) {
	d := &DryRun{cfg: cfg, schemas: map[string]*intake.Schema{}, targets: map[string]target.Target{}}
	ic := intake.Config{Accept: take}
	for _, s := range cfg.SourcesInOrder() {
		built, err := newSource(cfg.Env, s)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
		ic.Sources = append(ic.Sources, built)
		d.schemas[s.Name] = built.Schema
	}
	var err error
	if d.intake, err = intake.New(ic); err != nil {
		return nil, fmt.Errorf("intake: %w", err)
	}
	for _, t := range cfg.TargetsInOrder() {
		built, err := newTarget(t, target.Deps{Env: cfg.Env, Version: version})
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		d.targets[t.Name] = built
	}
	return d, nil
}

// Close lets go of what the targets hold.
func (d *DryRun) Close() {
	for _, t := range d.targets {
		t.Close()
	}
}

// takenKey is where Run finds the event that intake made.
type takenKey struct{}

// take stands for storing: the event goes back to who asked.
func take(ctx context.Context, ev *event.Event) (intake.Receipt, error) {
	into, ok := ctx.Value(takenKey{}).(*event.Event)
	if !ok {
		return intake.Receipt{}, event.ErrUnavailable
	}
	*into = *ev
	into.ID = dryID(ev)
	return intake.Receipt{ID: into.ID}, nil
}

// dryID is the id of an event that is none: the same for the same body and time,
// so that what is shown of it is the same each time.
func dryID(ev *event.Event) (id event.ID) {
	sum := sha256.Sum256(ev.Body)
	copy(id[6:], sum[:])
	binary.BigEndian.PutUint16(id[:], uint16(ev.ReceivedAt.UnixMilli()>>32)) //nolint:gosec // the bits of a UUIDv7
	binary.BigEndian.PutUint32(id[2:], uint32(ev.ReceivedAt.UnixMilli()))    //nolint:gosec // as above
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Outcome is what became of one webhook.
type Outcome struct {
	Status   int          // what the sender would be answered: 202, or 400, 413, 415, 422
	Reason   string       // why it was refused, as the log has it; "" when it was taken
	Event    *event.Event // nil when it was refused
	Decision rules.Decision

	run *DryRun
}

// Run takes one webhook in and decides. The error is event.ErrNotFound for a
// source that is not in the config.
func (d *DryRun) Run(ctx context.Context, w Webhook) (*Outcome, error) {
	ev := new(event.Event)
	answer, err := d.intake.Open(context.WithValue(ctx, takenKey{}, ev), w)
	if err != nil {
		return nil, err
	}
	o := &Outcome{Status: answer.Status, Reason: answer.Reason, run: d}
	if answer.Taken() {
		o.Event, o.Decision = ev, d.cfg.Set.Decide(input(ev))
	}
	return o, nil
}

// Explain is what each rule said and why, in the order of the rules; nothing
// when the webhook was refused.
func (o *Outcome) Explain() []rules.Explanation {
	if o.Event == nil {
		return nil
	}
	return o.run.cfg.Set.Explain(input(o.Event))
}

// Broken are the entries of must_route that the event breaks: true for it,
// although it reaches no target.
func (o *Outcome) Broken() []string {
	cfg := o.run.cfg
	if o.Event == nil || len(o.Decision.Targets) > 0 || cfg.Must.Len() == 0 {
		return nil
	}
	var broken []string
	verdicts, _ := cfg.Must.Evaluate(input(o.Event)) // one that cannot be evaluated is not known to be broken
	for i, v := range verdicts {
		if v == rules.Match {
			broken = append(broken, cfg.MustRoute[i])
		}
	}
	return broken
}

// Message is one delivery as it would leave.
type Message struct {
	Target    string
	Kind      string
	Recipient string // the address of a target that has several, else ""
	Preview
	Err error // why it cannot be made; Preview is empty then
}

// Messages are the deliveries the event causes, in the order of the targets.
func (o *Outcome) Messages() []Message {
	var all []Message
	for _, name := range o.Decision.Targets {
		t := o.run.targets[name]
		for i, address := range addresses(name, t) {
			m := Message{Target: name, Kind: t.Kind()}
			if email := o.run.cfg.Targets[name].Email; email != nil {
				m.Recipient = email.To[i]
			}
			m.Preview, m.Err = preview(t, &target.Message{
				DeliveryID: outbox.Key{Event: o.Event.ID, Address: address}.String(),
				Recipient:  address.Recipient(), Attempt: 1,
				Event: o.Event, Now: o.Event.ReceivedAt,
			})
			all = append(all, m)
		}
	}
	return all
}

var errNoPreview = errors.New("a message of this kind cannot be shown")

func preview(t target.Target, m *target.Message) (Preview, error) {
	p, ok := t.(target.Previewer)
	if !ok {
		return Preview{}, errNoPreview
	}
	return p.Preview(m)
}
