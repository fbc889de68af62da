package trace

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	otel "go.opentelemetry.io/otel/trace"

	"invitation-relay/relay/event"
)

// ids are what the next root span is to be called; what is zero is random.
type ids struct {
	trace otel.TraceID
	span  otel.SpanID
}

type idsKey struct{}

// within is a context whose next span is the webhook of the event with this
// id, or of none when it is zero.
func within(id event.ID) context.Context {
	if id.IsZero() {
		return context.Background()
	}
	return context.WithValue(context.Background(), idsKey{}, ids{id.Trace(), id.Span()})
}

// generator names spans as the context says.
type generator struct{}

// NewIDs names a root.
func (generator) NewIDs(ctx context.Context) (otel.TraceID, otel.SpanID) {
	want, _ := ctx.Value(idsKey{}).(ids)
	if !want.trace.IsValid() {
		binary.BigEndian.PutUint64(want.trace[:8], rand.Uint64()|1) //nolint:gosec // a name, guards nothing; zero is not valid
		binary.BigEndian.PutUint64(want.trace[8:], rand.Uint64())   //nolint:gosec // as above
	}
	if !want.span.IsValid() {
		want.span = newSpan()
	}
	return want.trace, want.span
}

// NewSpanID names a child.
func (generator) NewSpanID(context.Context, otel.TraceID) otel.SpanID { return newSpan() }

func newSpan() (id otel.SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1) //nolint:gosec // as above
	return id
}
