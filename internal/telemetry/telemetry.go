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
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
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
	OTLPEndpoint string  // base URL of a collector, see export; "" for none
	TraceRatio   float64 // share of traces that are kept
	Version      string  // of the binary

	Log   *slog.Logger   // nil means the default
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
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
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
			cfg.Log.Error("metrics server stopped", "err", err)
		}
	}()
	return t, nil
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
	m.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})) // exemplars are in that format alone
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

// lastExport is how long a collector may take for what is left of the traces, and as long again for the metrics.
const lastExport = 5 * time.Second

// Shutdown sends what is left and stops serving. It is the last thing that a process does (I6). A collector that does not take what is left is no fault of
// the work that was done: it is logged.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	last := func(shutdown func(context.Context) error) {
		ctx, cancel := context.WithTimeout(ctx, lastExport)
		defer cancel()
		if err := shutdown(ctx); err != nil {
			otel.Handle(err)
		}
	}
	if t.traces != nil {
		last(t.traces.Shutdown)
	}
	last(t.metrics.Shutdown)
	if t.server != nil {
		return t.server.Shutdown(ctx)
	}
	return nil
}
