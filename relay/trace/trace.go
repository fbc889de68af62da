// Package trace reports webhooks and attempts to an OpenTelemetry collector:
//
//	webhook                 one for each request a source answers
//	└ decide and store      rules and the commit
//	└ attempt               one for each attempt at a delivery, days later too
//
// A span has names of the config, ids of ours, numbers and fixed words: never a
// URL, an address, a header, a reason, or anything of an event.
//
// Trace and parent are made of the event's id (event.ID.Trace), so a restart
// breaks no trace and nothing is stored. What a sender says of its own trace is
// not looked at: a stranger chooses no trace of ours.
//
// A nil *Tracer is one that is off, and costs a comparison.
package trace

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"

	"invitation-relay/relay/event"
)

// Tracer makes spans and sends them in the background. It is safe for
// concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   otel.Tracer
}

// Close sends what waits, until ctx ends. More than once is allowed.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Webhook is a request a source has answered.
type Webhook struct {
	Source string
	Result string
	Status int
	// ID is what the request's event was named, zero when it came to none; Stored
	// is the event it is kept as, which a duplicate shares with the first one.
	ID, Stored    event.ID
	Begun, Ended  time.Time
	Accept, Until time.Time // deciding and storing; zero when it did not come to it
}

// Webhook reports one.
func (t *Tracer) Webhook(w *Webhook) {
	if t == nil {
		return
	}
	attrs := []attribute.KeyValue{
		attribute.String("relay.source", w.Source), attribute.String("relay.result", w.Result),
		attribute.Int("http.response.status_code", w.Status),
	}
	if !w.Stored.IsZero() {
		attrs = append(attrs, attribute.String("relay.event_id", w.Stored.String()))
	}
	ctx, span := t.tracer.Start(within(w.ID), "webhook", otel.WithSpanKind(otel.SpanKindServer), otel.WithTimestamp(w.Begun), otel.WithAttributes(attrs...))
	if !w.Accept.IsZero() {
		_, child := t.tracer.Start(ctx, "decide and store", otel.WithTimestamp(w.Accept))
		if w.Stored.IsZero() {
			child.SetStatus(codes.Error, "")
		}
		child.End(otel.WithTimestamp(w.Until))
	}
	if w.Status >= 500 {
		span.SetStatus(codes.Error, "")
	}
	span.End(otel.WithTimestamp(w.Ended))
}

// Attempt is one that is under way. The zero Attempt is not traced.
type Attempt struct{ span otel.Span }

// Attempt begins one for an event, in its webhook's trace.
func (t *Tracer) Attempt(ev *event.Event, begun time.Time) Attempt {
	if t == nil {
		return Attempt{}
	}
	ctx := within(ev.ID)
	if ev.Kind == event.Received {
		// What the sampler says of the webhook now is what it said then. This span
		// is never ended, so nobody reports it.
		ctx, _ = t.tracer.Start(ctx, "webhook", otel.WithSpanKind(otel.SpanKindServer))
	} else {
		ctx = context.WithValue(ctx, idsKey{}, ids{trace: ev.ID.Trace()}) // no webhook: the span is a root
	}
	_, span := t.tracer.Start(ctx, "attempt", otel.WithSpanKind(otel.SpanKindClient), otel.WithTimestamp(begun))
	return Attempt{span}
}

// Traceparent is the header the attempt's request carries, "" when it is not traced.
func (a Attempt) Traceparent() string {
	if a.span == nil {
		return ""
	}
	c := a.span.SpanContext()
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
}

// Traced reports whether somebody waits for the attempt's end.
func (a Attempt) Traced() bool { return a.span != nil }

// Ending is how an attempt ended.
type Ending struct {
	Target, Kind string
	Event        event.ID
	Delivery     string
	Number       int
	Status       int // 0 when there was none
	Outcome      event.Outcome
	At           time.Time
}

// End reports the attempt.
func (a Attempt) End(e *Ending) {
	if a.span == nil {
		return
	}
	a.span.SetAttributes(
		attribute.String("relay.target", e.Target), attribute.String("relay.target.kind", e.Kind),
		attribute.String("relay.event_id", e.Event.String()), attribute.String("relay.delivery_id", e.Delivery),
		attribute.Int("relay.attempt", e.Number), attribute.String("relay.outcome", e.Outcome.String()),
	)
	switch {
	case e.Status == 0:
	case e.Kind == "email":
		a.span.SetAttributes(attribute.Int("smtp.response.status_code", e.Status))
	default:
		a.span.SetAttributes(attribute.Int("http.response.status_code", e.Status))
	}
	if e.Outcome != event.Delivered {
		a.span.SetStatus(codes.Error, "")
	}
	a.span.End(otel.WithTimestamp(e.At))
}
