package telemetry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
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
	Listen       string   // address of the HTTP server; "" for none
	ListenIfFree bool     // where something else has Listen, go on without a server
	Hosts        []string // names that requests may ask for besides localhost and addresses; with none, any where they do not come to a loopback address
	DebugListen  string   // loopback address of profiles and the log's level where Listen is no such address; "" for none
	DebugIfFree  bool     // where something else has DebugListen, go on without it
	OTLPEndpoint string   // base URL of a collector, see export; "" for none
	TraceRatio   float64  // share of traces that are kept
	Version      string   // of the binary

	Log   *slog.Logger   // nil means the default
	Level *slog.LevelVar // of the log, for PUT /log/level on a loopback address; nil: it cannot be changed
}

// Telemetry owns the exporters and the HTTP servers.
type Telemetry struct {
	metrics  *sdkmetric.MeterProvider
	traces   *sdktrace.TracerProvider // nil: no traces
	servers  []*http.Server
	page     atomic.Pointer[http.Handler]
	listener net.Listener // nil: none
	debug    net.Listener // of profiles and the log's level; nil: none, or they are at listener
	ready    atomic.Pointer[func() string]
}

// Start sets the exporters up and begins to serve. Shutdown must follow.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	res, err := identity(cfg.Version)
	if err != nil {
		return nil, fmt.Errorf("setting up telemetry: %w", err)
	}
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
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if cfg.ListenIfFree && errors.Is(err, syscall.EADDRINUSE) {
		cfg.Log.Warn("there is no page and no /metrics: their address is taken, as by a worker; set telemetry.listen to another, or leave it empty", "err", err)
		return t, nil
	}
	if err != nil {
		return nil, fmt.Errorf("telemetry.listen: %w; choose another address or leave it empty", err)
	}
	t.listener = l
	if err := t.serve(ctx, cfg, registry); err != nil {
		return nil, errors.Join(err, t.listener.Close())
	}
	return t, nil
}

// identity is what a collector tells this process by. The environment (OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME) has the last word. Without an instance of its own
// the points of several workers would be of one series, each taking the place of another's.
func identity(version string) (*resource.Resource, error) {
	return resource.Merge(resource.NewSchemaless(
		attribute.String("service.name", "vecmill"), attribute.String("service.version", version), attribute.String("service.instance.id", rand.Text()),
	), resource.Environment())
}

// serve begins to serve at the listener, and beside it what is for loopback addresses alone where it is no such address.
func (t *Telemetry) serve(ctx context.Context, cfg Config, registry *prometheus.Registry) error {
	m := t.mux(registry)
	switch {
	case loopback(t.listener):
		debug(m, cfg.Level)
	case cfg.DebugListen != "":
		var err error
		t.debug, err = listenLoopback(ctx, cfg.DebugListen)
		if cfg.DebugIfFree && errors.Is(err, syscall.EADDRINUSE) {
			cfg.Log.Warn("profiles and the log's level are nowhere: their address is taken; set telemetry.debug_listen to another, or leave it empty", "err", err)
			break
		} else if err != nil {
			return fmt.Errorf("telemetry.debug_listen: %w; choose another address or leave it empty", err)
		}
		own := http.NewServeMux()
		debug(own, cfg.Level)
		t.answer(t.debug, own, cfg)
	}
	t.answer(t.listener, m, cfg)
	return nil
}

// answer serves until Shutdown.
func (t *Telemetry) answer(l net.Listener, h http.Handler, cfg Config) {
	server := &http.Server{Handler: ownHosts(cfg.Hosts, h), ReadHeaderTimeout: 5 * time.Second}
	t.servers = append(t.servers, server)
	go func() { // ends with Shutdown
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log.Error("metrics server stopped", "address", l.Addr().String(), "err", err)
		}
	}()
}

func (t *Telemetry) mux(registry *prometheus.Registry) *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if page := t.page.Load(); page != nil {
			(*page).ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
	m.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})) // exemplars are in that format alone
	m.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	m.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		waits := "starting or stopping"
		if f := t.ready.Load(); f != nil {
			waits = (*f)()
		}
		if waits != "" {
			http.Error(w, waits, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return m
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

// DebugAddr is where profiles and the log's level are if they are not at Addr, "" if nowhere else.
func (t *Telemetry) DebugAddr() string {
	if t.debug == nil {
		return ""
	}
	return t.debug.Addr().String()
}

// Ready has /readyz ask what is waited for: it is well where that is "". nil is for a process that starts or stops. f is called from any goroutine, and must be quick.
func (t *Telemetry) Ready(f func() string) {
	if f == nil {
		t.ready.Store(nil)
		return
	}
	t.ready.Store(&f)
}

// Tracer makes spans; without a collector it makes none.
func (t *Telemetry) Tracer() trace.Tracer {
	if t.traces == nil {
		return noop.NewTracerProvider().Tracer("vecmill")
	}
	return t.traces.Tracer("vecmill")
}

// Meter makes instruments.
func (t *Telemetry) Meter() metric.Meter { return t.metrics.Meter("vecmill") }

// How long an end may take, which does all of it at once: a collector for what is left of the traces, and for the metrics, and the answers that are under way.
const (
	lastExport = 5 * time.Second
	lastAnswer = time.Second
)

// Shutdown sends what is left and stops serving, within lastExport. It is the last thing that a process does (I6). A collector that does not take what is left is no fault of
// the work that was done: it is logged.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var ending sync.WaitGroup
	last := func(shutdown func(context.Context) error) {
		ending.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, lastExport)
			defer cancel()
			if err := shutdown(ctx); err != nil {
				otel.Handle(err)
			}
		})
	}
	if t.traces != nil {
		last(t.traces.Shutdown)
	}
	last(t.metrics.Shutdown)
	errs := make([]error, len(t.servers))
	for i, server := range t.servers {
		ending.Go(func() { errs[i] = end(ctx, server) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// end stops a server. Who is still being answered behind lastAnswer, with a profile of minutes perhaps, is cut off.
func end(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, lastAnswer)
	defer cancel()
	if err := server.Shutdown(ctx); ctx.Err() == nil {
		return err
	}
	return server.Close()
}
