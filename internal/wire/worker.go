package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/page"
	"vecmill/internal/progress"
	"vecmill/internal/telemetry"
	"vecmill/sinks"
	"vecmill/sinks/parquetsink"
	"vecmill/stream"
	"vecmill/stream/blobfetch"
	"vecmill/stream/manifestsource"
)

// Options are what a process adds to its configuration.
type Options struct {
	Version string         // of the binary
	File    string         // of the configuration, as a shell reads it, for the command that the page shows; "" if it is in none, and then the page has no command
	Program string         // the worker as a shell starts it, for the same; "" is worker
	Log     *slog.Logger   // nil means the default
	Level   *slog.LevelVar // of Log, to be changed while it runs; nil: it stays
	Measure bool           // what the machine is capable of, before anything else runs on it: some hundredths of a second
	// Source makes the source of a pipeline; nil means Kafka.
	Source func(p *config.Pipeline) (stream.Source, error)
	// Plan is what Source reads, if that is a plan: pipelines that it was not made for are refused.
	Plan *plan.Plan
	// PlanAt is where that lies, and Share what Source reads of it.
	PlanAt string
	Share  plan.Share
	// Files is told of every Parquet file; nil for nobody.
	Files parquetsink.Observer
	// Models are those of the configuration, by pipeline, if they are known already; nil: they are looked for.
	Models Models
	// Look is for who opens outputs only to look at them: nothing is made that others would wait for.
	Look bool
}

// Worker is a configuration made real: models loaded, stores checked, nothing consumed yet.
type Worker struct {
	log       *slog.Logger
	telemetry *telemetry.Telemetry
	inputs    []input // by pipeline
	lines     []*line
	shown     shown
	cache     string // of graphs, and of what was measured of them
	closed    bool
}

// line is one pipeline with everything it owns.
type line struct {
	name   string
	model  *loadedModel
	engine *embed.Engine
	sink   *sinks.Tee
	dead   sinks.DeadLetters // nil: none
	source stream.Source
	kept   *listCheckpoint // of source, if that is a list; nil: nothing is kept
	pipe   *stream.Pipeline
	past   *pastResults // nil: none are reused
	recent *page.Recent // nil: nothing is kept for the page
	timers *telemetry.Timers
	faults *faults

	balanced bool // how many decode follows the stages' times
}

// closing is how long sinks and dead letters may take to close after the pipelines have ended: what they had is durable by then, or forgotten. Telemetry has a time of its own behind it. docs/operations.md adds up what an end takes.
const closing = 5 * time.Second

// Open loads the models and checks what can be checked before anything is consumed. Close or Run must follow.
func Open(ctx context.Context, c *config.Config, o Options) (_ *Worker, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	w := &Worker{log: o.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close(ctx))
		}
	}()
	trimMemory(o.Log) // before models are loaded, which is where a small model's memory is largest
	if w.telemetry, err = telemetry.Start(ctx, telemetry.Config{
		Listen: c.Telemetry.Listen, ListenIfFree: o.Source != nil && c.Telemetry.Listen == config.DefaultListen, // a list is run beside a worker, with its file
		Hosts: c.Telemetry.Hosts, DebugListen: c.Telemetry.DebugListen, DebugIfFree: c.Telemetry.DebugListen == config.DefaultDebugListen,
		OTLPEndpoint: c.Telemetry.OTLPEndpoint, TraceRatio: c.Telemetry.TraceRatio, Version: o.Version,
		Log: o.Log, Level: o.Level,
	}); err != nil {
		return nil, err
	}
	w.shown.begin(&o, c)
	if o.Measure && !slices.ContainsFunc(c.Pipelines, func(p config.Pipeline) bool { return p.Model.OnGPU() }) { // it is the CPU that is measured
		if w.shown.peak, err = peak(ctx, c, os.DirFS("/")); err != nil {
			return nil, err
		}
	}
	w.telemetry.Page(w.shown.page()) // who asks for it sees what is set before
	for i := range c.Pipelines {
		if err := telemetry.Begin(w.telemetry.Meter(), c.Pipelines[i].Name, w.shown.started); err != nil {
			return nil, err
		}
	}
	limitMemory(c)
	if w.cache, err = cacheDir(c); err != nil {
		return nil, err
	}
	stores := &stores{cfg: c}
	fetcher, err := newFetcher(c, stores)
	if err != nil {
		return nil, err
	}
	if w.inputs, err = newInputs(c, o.Log); err != nil {
		return nil, err
	}
	for i := range w.inputs {
		w.inputs[i].decoder.plan = o.Plan != nil
	}
	if o.Plan != nil { // before sessions are opened
		if o.Models == nil {
			if o.Models, err = allModels(ctx, c, stores, o.Log, describeModel); err != nil {
				return nil, err
			}
		}
		if err := madeFor(o.Plan, allComputedBy(c, o.Models)...); err != nil {
			return nil, err
		}
	}
	for i := range c.Pipelines {
		l, err := w.openLine(ctx, c, &c.Pipelines[i], stores, fetcher, o)
		for j := 0; j < i && err == nil; j++ {
			err = mixedPush(vectorsOf(&c.Pipelines[i], l.model), vectorsOf(&c.Pipelines[j], w.lines[j].model))
		}
		if err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", c.Pipelines[i].Name, err)
		}
		if err := telemetry.Observe(w.telemetry.Meter(), l.name, func() telemetry.Reading {
			run := w.shown.run()
			return telemetry.Reading{Stream: l.pipe.Stats(), Embed: l.engine.Stats(), Outputs: l.sink.Stats(), Step: l.model.stepSeconds(), Peak: w.shown.peak, Cost: costMetrics(run.Cost), Slowest: slowest(&run, i), Workers: w.shown.workers(i)}
		}); err != nil {
			return nil, err
		}
	}
	w.shown.open(c, w.lines)
	trimMemory(o.Log)
	return w, nil
}

// peak is how many floating-point operations a second the processors are capable of, as far as the container may use them: it is measured in some hundredths of a second, in which a quota leaves all of them.
func peak(ctx context.Context, c *config.Config, machine fs.FS) (flops float64, err error) {
	flops, err = ortsession.Peak(ctx, ortsession.Options{Threads: runtime.GOMAXPROCS(0), Library: c.Runtime.Library})
	return flops * quotaShare(machine), err
}

func (w *Worker) openLine(ctx context.Context, c *config.Config, p *config.Pipeline, s *stores, fetcher *blobfetch.Fetcher, o Options) (*line, error) {
	l, in := &line{name: p.Name, faults: newFaults(o.Log, p.Name)}, &w.inputs[len(w.lines)]
	w.lines = append(w.lines, l) // Close finds it, however far this gets
	err := in.check(ctx, &o)
	if err != nil {
		return nil, err
	}
	if o.Models != nil {
		l.model = o.Models[len(w.lines)-1]
		err = l.model.open(ctx, c, p, o.Log)
	} else {
		l.model, err = loadModel(ctx, c, p, s, o.Log)
	}
	if err != nil {
		return nil, err
	}
	l.model.recall(c, p)
	l.model.warnOfBytes(p, o.Log)
	warnOfHeads(o.Log, p.Name, len(l.model.heads), l.model.options)
	if d, ok := l.model.pre.(decoder); ok {
		o.Log.Info("decoders", "pipeline", p.Name, "decoders", d.Decoders())
	}
	if l.model.why != "" {
		o.Log.Info("precision chosen", "pipeline", p.Name, "precision", precisionName(l.model.precision), "why", l.model.why)
	}
	o.Log.Info("model loaded", "pipeline", p.Name, "class", l.model.spec.Class, "digest", short(l.model.digest), "preprocess", short(l.model.pre.Digest()),
		"provider", p.Model.Provider, "precision", precisionName(l.model.precision), "sessions", len(l.model.sessions), "callers", l.model.division.Callers, "sessions_by", l.model.divided, "batch", l.model.batch(p))
	if l.timers, err = telemetry.NewTimers(w.telemetry.Meter(), p.Name); err != nil {
		return nil, err
	}
	var past embed.Past
	if p.ReuseOutputs && len(kindsOf(p, l.model)) > 0 {
		if l.past, err = openPast(ctx, p, l.model, s, o.Log); err != nil {
			return nil, err
		}
		past = l.past.give
	}
	l.balanced = p.Preprocessors == 0
	if l.engine, err = newEngine(p, l.model, w.telemetry.Tracer(), l.timers.Session.Took, past); err != nil {
		return nil, err
	}
	source := o.Source
	if source == nil {
		source = func(p *config.Pipeline) (stream.Source, error) { return newKafkaSource(c, p, o.Log, l.faults.reads) }
	}
	if l.source, err = source(p); err != nil {
		return nil, err
	}
	if list, ok := l.source.(*manifestsource.Source); ok {
		if l.kept, err = fitList(ctx, p, l.model, list, s, o); err != nil {
			return nil, err
		}
	}
	if l.sink, err = newSink(ctx, p, l.model, s, o, l.faults, l.kept); err != nil {
		return nil, err
	}
	if l.dead, err = newDeadLetters(ctx, c, p, s, l.faults.tries("dead_letters")); err != nil {
		return nil, err
	}
	var witness stream.Witness
	if c.Telemetry.Recent {
		l.recent = &page.Recent{}
		witness = l.recent
	}
	l.pipe, err = stream.New(stream.Config{
		Name: p.Name, Modality: l.model.spec.Modality, Elsewhere: w.elsewhere(c, p, &o), Decoder: in.decoder, Where: in.where(),
		Carry: stream.Carry{Headers: p.Input.Headers, Prefix: p.Input.HeaderPrefix}, Precedence: p.Priority,
		MaxInFlight: p.MaxInFlight, Fetchers: p.Fetchers, Budget: int64(p.MemoryBudget), MaxObject: int64(c.Fetch.MaxObjectBytes), CommitInterval: p.CommitInterval.D(),
		StartAt: stream.StartAt(p.StartAt), Breaker: stream.BreakerConfig{Window: *p.Breaker.Window, MaxFailures: *p.Breaker.MaxFailures},
		Witness: witness, Tracer: w.telemetry.Tracer(), Took: l.timers.Record.Took, Log: o.Log,
	}, l.source, fetcher.Telling(l.faults.fetches), l.engine, l.sink, l.dead)
	return l, err
}

// heapSlack is what the Go heap may hold beside budgets and output buffers: encoded files, fetchers' first bytes, the runtime itself.
const heapSlack = 256 << 20

// limitMemory tells the collector what the configuration promises, unless the operator has set GOMEMLIMIT. The models' weights and
// ONNX Runtime's arenas are outside of Go's heap.
func limitMemory(c *config.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapLimit(c))
	}
}

func heapLimit(c *config.Config) int64 {
	limit := int64(heapSlack)
	for i := range c.Pipelines {
		limit += int64(c.Pipelines[i].MemoryBudget) / 4 * 5 // a quarter more for the records themselves
		limit += int64(c.Pipelines[i].ReuseResults) + pastBytes(&c.Pipelines[i])
		for j := range c.Pipelines[i].Outputs {
			limit += int64(c.Pipelines[i].Outputs[j].Buffered())
		}
	}
	return limit
}

// short is enough of a digest for a log.
func short(digest string) string { return digest[:min(len(digest), 12)] }

// elsewhere says whether another pipeline that reads one of p's topics takes a reference, or may take it where the run's plan is for pipelines that are not here. It is asked while pipelines run, when all lines are known.
func (w *Worker) elsewhere(c *config.Config, p *config.Pipeline, o *Options) func(stream.Candidate) bool {
	absent, _ := Absent(c, o.Plan)
	topics := map[string]bool{}
	for _, t := range p.Topics {
		topics[t] = true
	}
	return func(at stream.Candidate) bool {
		r := at.Ref
		for i := range c.Pipelines {
			other := &c.Pipelines[i]
			if other.Name == p.Name || r.Route != "" && r.Route != other.Name {
				continue
			}
			if r.Modality != "" && r.Modality != w.lines[i].model.spec.Modality {
				continue
			}
			if slices.ContainsFunc(other.Topics, func(t string) bool { return topics[t] }) && w.inputs[i].takes(at) {
				return true
			}
		}
		return len(absent) > 0 && (r.Route == "" || slices.Contains(absent, r.Route))
	}
}

// Run runs every pipeline until ctx ends or one fails; then all of them drain. It closes the worker and returns every fault, also of
// pipelines that failed while they drained.
func (w *Worker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w.telemetry.Ready(w.waitsFor)
	w.shown.working()
	context.AfterFunc(ctx, func() {
		w.telemetry.Ready(nil)
		w.shown.phase.Store("draining")
	})
	engines, stopEngines := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngines()
	var running, computing sync.WaitGroup
	faults := make([]error, len(w.lines))
	for i, l := range w.lines {
		computing.Go(func() { l.engine.Run(engines) })
		running.Go(func() {
			if faults[i] = l.pipe.Run(ctx); faults[i] != nil {
				l.faults.stopped(faults[i])
				w.log.Warn("a pipeline has failed; the others drain and stop", "pipeline", l.name)
				stop()
			}
		})
	}
	running.Wait()
	w.telemetry.Ready(nil)
	stopEngines()
	computing.Wait()
	w.logTotals()
	for _, l := range w.lines {
		if list, ok := l.source.(*manifestsource.Source); ok {
			l.kept.told(list)
		}
	}
	w.keepCosts(faults)
	return errors.Join(errors.Join(faults...), w.Close(ctx))
}

// waitsFor says what a worker that runs is not ready for yet, "" when it is: each of its pipelines has got partitions, or has been told that there are none left for it.
// A roll-out that waits for it stops at a worker that its brokers refuse. Ready it stays when an assignment is lost: nothing is sent to workers that could go elsewhere, and a whole
// group that is not ready because the brokers are away would only hold up those who drain its nodes.
func (w *Worker) waitsFor() string {
	for _, l := range w.lines {
		if !l.pipe.Joined() {
			return "pipeline " + l.name + " has not joined its consumer group yet"
		}
	}
	return ""
}

// logTotals says what each pipeline did, where its time went, and what all of it took of the machine.
func (w *Worker) logTotals() {
	run := w.shown.run()
	for i, s := range w.Stats() {
		w.log.Info("totals", "pipeline", s.Pipeline, "records", s.Stream.Records, "rows", s.Stream.Rows, "skipped", s.Stream.Skipped, "dead", s.Stream.Dead,
			"reused", s.Embed.Reused, "padding_ratio", fmt.Sprintf("%.3f", s.Embed.PaddingRatio()), "fetch_busy", round(s.Stream.Fetch-s.Stream.ReserveWait), "memory_wait", round(s.Stream.ReserveWait),
			"preprocess_busy", round(s.Embed.Preprocess), "infer_busy", round(s.Embed.Infer), "gflop", math.Round(s.Embed.FLOPs/1e6)/1e3, "abandoned", s.Stream.Abandoned, "peak_bytes", s.Stream.PeakHeld,
			"bottleneck", slowest(&run, i))
	}
	w.log.Info("cost", costAttributes(run.Cost)...)
}

// slowest is the bottleneck of a pipeline; "" if it has done nothing, or is not open yet.
func slowest(run *progress.Report, i int) string {
	if i >= len(run.Pipelines) {
		return ""
	}
	return run.Pipelines[i].Slowest
}

func costMetrics(c *progress.Cost) telemetry.Cost {
	return telemetry.Cost{DeviceSeconds: c.DeviceSeconds, PerMillion: c.PerMillion, DevicePerMillion: c.DevicePerMillion, PricePerMillion: c.PricePerMillion, Used: c.Used}
}

// costAttributes are what is known of a run's cost.
func costAttributes(c *progress.Cost) []any {
	all := []any{"cpu_seconds", c.CPUSeconds, "device_seconds", c.DeviceSeconds}
	for _, a := range []struct {
		name  string
		value *float64
	}{
		{"cpu_hours_per_million_rows", c.PerMillion}, {"device_hours_per_million_rows", c.DevicePerMillion}, {"price_per_million_rows", c.PricePerMillion}, {"flops_utilisation", c.Used},
	} {
		if a.value != nil {
			all = append(all, a.name, *a.value)
		}
	}
	return all
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// Close releases everything, in the order of I6. It may be called twice.
func (w *Worker) Close(ctx context.Context) error {
	if w.closed {
		return nil
	}
	w.closed = true
	ctx = context.WithoutCancel(ctx)
	errs := w.closeOutputs(ctx)
	for _, l := range w.lines {
		if l.model != nil {
			errs = append(errs, l.model.close())
		}
		if l.past != nil {
			l.past.close()
		}
	}
	if w.telemetry != nil {
		errs = append(errs, w.telemetry.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// closeOutputs closes the sinks and dead letters of all pipelines at once, so that one that does not end takes none of the others' time.
func (w *Worker) closeOutputs(ctx context.Context) []error {
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	errs := make([]error, len(w.lines))
	var ending sync.WaitGroup
	for i, l := range w.lines {
		ending.Go(func() {
			var err error
			if l.sink != nil {
				err = l.sink.Close(ctx)
			}
			if l.dead != nil {
				err = errors.Join(err, l.dead.Close(ctx))
			}
			errs[i] = err
		})
	}
	ending.Wait()
	return errs
}

// Stats are the totals of one pipeline.
type Stats struct {
	Pipeline string
	Stream   stream.Stats
	Embed    embed.Stats
}

// Stats gives the totals of every pipeline.
func (w *Worker) Stats() []Stats {
	var all []Stats
	for _, l := range w.lines {
		all = append(all, Stats{l.name, l.pipe.Stats(), l.engine.Stats()})
	}
	return all
}

// MetricsAddr is where /metrics is served, "" if nowhere.
func (w *Worker) MetricsAddr() string { return w.telemetry.Addr() }
