package trace

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// service is what the relay is called unless OTEL_SERVICE_NAME says otherwise.
const service = "invitation-relay"

var errExporter = errors.New("OTEL_EXPORTER_OTLP_*: the exporter of traces cannot be built from these variables")

// New makes a Tracer as the OTEL_* variables say, or none (nil) when they name
// no endpoint: nothing is built then, and nobody is connected to.
func New(ctx context.Context, version string, log *slog.Logger) (*Tracer, error) {
	if !wanted() {
		return nil, nil // a nil Tracer is one that is off
	}
	if p := protocol(); p != "" && p != "http/protobuf" {
		log.Warn("traces go out as http/protobuf; OTEL_EXPORTER_OTLP_PROTOCOL asks for another")
	}
	// The SDK's own log goes to stderr and quotes variables it cannot read, the
	// ones with headers among them.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(&handler{log: log, now: time.Now})
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, errExporter // its text may quote a variable
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithIDGenerator(generator{}), sdk.WithResource(who(ctx, version, log)))
	return &Tracer{provider: provider, tracer: provider.Tracer(service)}, nil
}

func wanted() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

func protocol() string {
	if p := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"); p != "" {
		return p
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
}

// who is the resource: no host and no process, which would show its arguments.
func who(ctx context.Context, version string, log *slog.Logger) *resource.Resource {
	r, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithFromEnv(), // has the last word
	)
	if err != nil {
		log.Warn("OTEL_RESOURCE_ATTRIBUTES cannot be read whole")
	}
	return r
}

// handler logs what goes wrong with sending spans: a line a minute, and never
// the error's own text where that has the endpoint or the collector's answer.
type handler struct {
	log  *slog.Logger
	now  func() time.Time
	mu   sync.Mutex
	last time.Time
	held int
}

// Handle is otel.ErrorHandler.
func (h *handler) Handle(err error) {
	h.mu.Lock()
	now := h.now()
	if !h.last.IsZero() && now.Sub(h.last) < time.Minute {
		h.held++
		h.mu.Unlock()
		return
	}
	held := h.held
	h.last, h.held = now, 0
	h.mu.Unlock()
	why := "the collector did not take them, or a variable OTEL_* cannot be read"
	if u, ok := errors.AsType[*url.Error](err); ok {
		why = "no connection to the collector"
		if u.Timeout() {
			why = "the collector did not answer in time"
		}
	}
	h.log.Warn("traces not sent", "err", why, "not_logged", held)
}
