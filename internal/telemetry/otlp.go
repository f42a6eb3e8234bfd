package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Paths of the signals below a collector's base URL: OTLP's specification, "Endpoint URLs for OTLP/HTTP".
const (
	tracesPath  = "v1/traces"
	metricsPath = "v1/metrics"
)

// export adds a collector for traces and metrics.
func (t *Telemetry) export(ctx context.Context, cfg Config, res *resource.Resource, options []sdkmetric.Option) ([]sdkmetric.Option, error) {
	fault := func(err error) ([]sdkmetric.Option, error) {
		return nil, fmt.Errorf("telemetry.otlp_endpoint: %w", err)
	}
	// The exporters post to the very URL that they are given.
	tracesURL, err := url.JoinPath(cfg.OTLPEndpoint, tracesPath)
	if err != nil {
		return fault(err)
	}
	metricsURL, err := url.JoinPath(cfg.OTLPEndpoint, metricsPath)
	if err != nil {
		return fault(err)
	}
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(tracesURL))
	if err != nil {
		return fault(err)
	}
	points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(metricsURL))
	if err != nil {
		return fault(err)
	}
	otel.SetErrorHandler(&exportFaults{log: cfg.Log, endpoint: cfg.OTLPEndpoint}) // the SDK has this one place for what goes wrong behind its back
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(spans), sdktrace.WithRawSpanLimits(limits()),
		sdktrace.WithSampler(linked{sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.TraceRatio))}))
	return append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points))), nil
}

// limits are the SDK's, of which the environment may say otherwise, but for links: a batch has one for each of its records, which batch.max_items bounds.
func limits() sdktrace.SpanLimits {
	l := sdktrace.NewSpanLimits()
	if os.Getenv("OTEL_SPAN_LINK_COUNT_LIMIT") == "" {
		l.LinkCountLimit = -1
	}
	return l
}

// exportFaults logs what a collector does not take. It is an otel.ErrorHandler.
type exportFaults struct {
	log      *slog.Logger
	endpoint string
	mu       struct {
		sync.Mutex
		told   time.Time
		untold int // since then
	}
}

// faultEvery is how seldom faults are logged: traces alone fail every five seconds while a collector is away.
const faultEvery = time.Minute

// Handle implements otel.ErrorHandler.
func (f *exportFaults) Handle(err error) {
	f.mu.Lock()
	now, untold := time.Now(), f.mu.untold
	again := now.Sub(f.mu.told) < faultEvery
	if again {
		f.mu.untold++
	} else {
		f.mu.told, f.mu.untold = now, 0
	}
	f.mu.Unlock()
	if !again {
		f.log.Warn("traces or metrics did not get out", "otlp_endpoint", f.endpoint, "err", err, "not_logged", untold)
	}
}

// linked keeps, besides what its sampler keeps, spans that are linked to one that is kept: batches, which belong to no record alone.
type linked struct{ sdktrace.Sampler }

// ShouldSample implements sdktrace.Sampler.
func (s linked) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	for _, l := range p.Links {
		if l.SpanContext.IsSampled() {
			return sdktrace.AlwaysSample().ShouldSample(p)
		}
	}
	return s.Sampler.ShouldSample(p)
}
