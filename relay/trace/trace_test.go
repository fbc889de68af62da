package trace_test

import (
	"log/slog"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/trace"
)

func TestWithoutAnEndpointThereIsNoTracerAndItsMethodsDoNothing(t *testing.T) {
	for _, v := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		t.Setenv(v, "")
	}
	tracer, err := trace.New(t.Context(), "test", slog.New(slog.DiscardHandler))
	if tracer != nil || err != nil {
		t.Fatalf("%v, %v: want none, which connects to nobody", tracer, err)
	}
	ev := &event.Event{ID: new(event.IDs).New(time.Now())}
	allocs := testing.AllocsPerRun(100, func() {
		tracer.Webhook(&trace.Webhook{})
		a := tracer.Attempt(ev, time.Time{})
		if a.Traced() || a.Traceparent() != "" {
			t.Error("an attempt is traced by nobody")
		}
		a.End(&trace.Ending{})
	})
	if allocs != 0 || tracer.Close(t.Context()) != nil {
		t.Errorf("%v allocations", allocs)
	}
}
