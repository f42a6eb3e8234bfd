package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config says where metrics and traces go.
type Config struct {
	Listen       string  // address of the HTTP server; "" for none
	OTLPEndpoint string  // URL of a collector; "" for none
	TraceRatio   float64 // share of traces that are kept
	Version      string  // of the binary

	Level *slog.LevelVar // of the log, for PUT /log/level on a loopback address; nil: it cannot be changed
}

// Telemetry owns the exporters and the HTTP server.
type Telemetry struct {
	metrics  *sdkmetric.MeterProvider
	traces   *sdktrace.TracerProvider // nil: no traces
	server   *http.Server             // nil: none
	page     atomic.Pointer[http.Handler]
	listener net.Listener
	ready    atomic.Bool
}

// Start sets the exporters up and begins to serve. Shutdown must follow.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	res := resource.NewSchemaless(attribute.String("service.name", "vecmill"), attribute.String("service.version", cfg.Version))
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})) // two kinds, once each
	prom, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("setting up metrics: %w", err)
	}
	t := &Telemetry{}
	options := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(prom)}
	if cfg.OTLPEndpoint != "" {
		if options, err = t.export(ctx, cfg, res, options); err != nil {
			return nil, err
		}
	}
	t.metrics = sdkmetric.NewMeterProvider(options...)
	if cfg.Listen == "" {
		return t, nil
	}
	if t.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("telemetry.listen: %w; choose another address or leave it empty", err)
	}
	t.server = &http.Server{Handler: t.mux(registry, cfg.Level), ReadHeaderTimeout: 5 * time.Second}
	go func() { // ends with Shutdown
		if err := t.server.Serve(t.listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("metrics server stopped", "err", err)
		}
	}()
	return t, nil
}

// export adds a collector for traces and metrics.
func (t *Telemetry) export(ctx context.Context, cfg Config, res *resource.Resource, options []sdkmetric.Option) ([]sdkmetric.Option, error) {
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(cfg.OTLPEndpoint))
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp_endpoint: %w", err)
	}
	points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(cfg.OTLPEndpoint))
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp_endpoint: %w", err)
	}
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(spans),
		sdktrace.WithSampler(linked{sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.TraceRatio))}))
	return append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points))), nil
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

func (t *Telemetry) mux(registry *prometheus.Registry, level *slog.LevelVar) *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if page := t.page.Load(); page != nil {
			(*page).ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
	if ours, ok := t.listener.Addr().(*net.TCPAddr); ok && ours.IP.IsLoopback() { // profiles tell much, and taking one costs
		m.HandleFunc("GET /debug/pprof/", pprof.Index)
		m.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		m.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		m.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		if level != nil {
			m.HandleFunc("GET /log/level", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, level.Level()) })
			m.HandleFunc("PUT /log/level", func(w http.ResponseWriter, r *http.Request) { setLevel(level, w, r) })
		}
	}
	m.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	m.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	m.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !t.ready.Load() {
			http.Error(w, "starting or stopping", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return m
}

// setLevel changes the level of the log to the one in the request's body. Browsers ask before they send a PUT to another site, and are told nothing.
func setLevel(level *slog.LevelVar, w http.ResponseWriter, r *http.Request) {
	said, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
	if err == nil {
		err = level.UnmarshalText(bytes.TrimSpace(said))
	}
	if err != nil {
		http.Error(w, "give debug, info, warn or error as the body", http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, level.Level())
}

// Page serves what no other path does: the live page.
func (t *Telemetry) Page(h http.Handler) { t.page.Store(&h) }

// Addr is the address that the server listens on, "" without one.
func (t *Telemetry) Addr() string {
	if t.listener == nil {
		return ""
	}
	return t.listener.Addr().String()
}

// Ready turns /readyz on or off.
func (t *Telemetry) Ready(ok bool) { t.ready.Store(ok) }

// Tracer makes spans; without a collector it makes none.
func (t *Telemetry) Tracer() trace.Tracer {
	if t.traces == nil {
		return noop.NewTracerProvider().Tracer("vecmill")
	}
	return t.traces.Tracer("vecmill")
}

// Meter makes instruments.
func (t *Telemetry) Meter() metric.Meter { return t.metrics.Meter("vecmill") }

// Shutdown sends what is left and stops serving. It is the last thing that a process does (I6).
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	if t.traces != nil {
		errs = append(errs, t.traces.Shutdown(ctx))
	}
	errs = append(errs, t.metrics.Shutdown(ctx))
	if t.server != nil {
		errs = append(errs, t.server.Shutdown(ctx))
	}
	return errors.Join(errs...)
}
