package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// Shape says what of an event leaves by a target: the config's fields and mask.
// Names are those of top-level fields.
type Shape struct {
	Fields []string // only these leave; none: all
	Mask   []string // these leave as event.MaskValue has them
}

// IsZero reports whether all of an event leaves.
func (s Shape) IsZero() bool { return len(s.Fields) == 0 && len(s.Mask) == 0 }

// show is how much of a field leaves.
func (s Shape) show(name string) event.Show {
	switch {
	case len(s.Fields) > 0 && !slices.Contains(s.Fields, name):
		return event.Gone
	case slices.Contains(s.Mask, name):
		return event.Masked
	default:
		return event.Whole
	}
}

// Shaped is t for events of which only a part may leave. Whatever t makes of an
// event, a message of its own or the config's texts, it makes of a copy that does
// not have the rest. An alarm is not changed: it has no field of anybody's.
// Shaped can do what t can do; without a shape it is t.
func Shaped(t Target, s Shape) Target {
	if s.IsZero() {
		return t
	}
	sh := &shaped{Target: t, shape: s}
	if d, ok := t.(Digester); ok {
		return &shapedDigester{sh, d}
	}
	return sh
}

// shaped is a Target behind a Shape.
type shaped struct {
	Target

	shape Shape
}

// shapedDigester is one that takes several events at once.
type shapedDigester struct {
	*shaped

	digester Digester
}

// errUnshapeable says that nothing of an event can leave, for what it has is not
// known.
var errUnshapeable = errors.New("fields and mask cannot be applied: the event's body is not one JSON object")

// Format prints the target as it prints itself: there are secrets inside.
func (s *shaped) Format(f fmt.State, verb rune) {
	if inner, ok := s.Target.(fmt.Formatter); ok {
		inner.Format(f, verb)
		return
	}
	_, _ = io.WriteString(f, s.Kind()+" target")
}

// Send makes one attempt with what may leave.
func (s *shaped) Send(ctx context.Context, m *Message) Result {
	m, err := s.shape.message(m)
	if err != nil {
		return Result{Outcome: event.Rejected, Reason: err.Error(), Tries: 1}
	}
	return s.Target.Send(ctx, m)
}

// SendDigest makes one attempt with what may leave of each event.
func (s *shapedDigester) SendDigest(ctx context.Context, ms []*Message) Result {
	some := make([]*Message, len(ms))
	for i, m := range ms {
		var err error
		if some[i], err = s.shape.message(m); err != nil {
			return Result{Outcome: event.Rejected, Reason: err.Error(), Tries: 1}
		}
	}
	return s.digester.SendDigest(ctx, some)
}

// errNoPreview says that the target shows nothing.
var errNoPreview = errors.New("a message of this kind cannot be shown")

// Preview is what Send would send.
func (s *shaped) Preview(m *Message) (Preview, error) {
	p, ok := s.Target.(Previewer)
	if !ok {
		return Preview{}, errNoPreview
	}
	m, err := s.shape.message(m)
	if err != nil {
		return Preview{}, err
	}
	return p.Preview(m)
}

// Probe is the target's own; a target that cannot be looked at has no findings.
func (s *shaped) Probe(ctx context.Context, each time.Duration) []Finding {
	if p, ok := s.Target.(Prober); ok {
		return p.Probe(ctx, each)
	}
	return nil
}

// message is m with what may leave of its event.
func (s Shape) message(m *Message) (*Message, error) {
	if m.Event.Kind == event.Alarm {
		return m, nil
	}
	ev, err := s.event(m.Event)
	if err != nil {
		return nil, err
	}
	some := *m
	some.Event, some.whole = ev, m.Event
	return &some, nil
}

// event is a copy of ev with what may leave. What intake took out of the body
// (subject, ticket, status, person) leaves when a field that leaves says it.
func (s Shape) event(ev *event.Event) (*event.Event, error) {
	body, err := event.ShapeBody(ev.Body, s.show)
	if err != nil {
		return nil, errUnshapeable
	}
	some := *ev
	some.Body, some.Fields = body, make(map[string]any, len(ev.Fields))
	for name, value := range ev.Fields {
		switch s.show(name) {
		case event.Whole:
			some.Fields[name] = value
		case event.Masked:
			some.Fields[name] = event.MaskValue(value)
		case event.Gone:
		}
	}
	for _, copied := range []*string{&some.Subject, &some.Ticket, &some.Status, &some.Person} {
		*copied = s.copied(ev, *copied)
	}
	return &some, nil
}

// copied is what may leave of a text that some field of ev holds.
func (s Shape) copied(ev *event.Event, text string) string {
	least := event.Gone
	for name, value := range ev.Fields {
		if value == text {
			least = min(least, s.show(name))
		}
	}
	switch least {
	case event.Whole:
		return text
	case event.Masked:
		return event.Mask(text)
	default:
		return ""
	}
}

// wholeInput is the event before anything was taken out of it, for what never
// leaves: an expression whose value is only compared, or hashed.
func (m *Message) wholeInput() *rules.Input {
	if m.whole == nil {
		return m.Input()
	}
	whole := *m
	whole.Event = m.whole
	return whole.Input()
}
