package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vecmill/internal/config"
	"vecmill/internal/retry"
	"vecmill/internal/wire"
	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/s3store"
)

// Options say where the demo leaves its files.
type Options struct {
	Out     string // directory for the Parquet files
	Stay    bool   // serve the live page, and go on until ctx ends
	Version string
}

// deadline is how long the demo may take before it gives up and says so; to stay is not counted.
const deadline = 50 * time.Second

// Run runs the demo and prints to w. It leaves the Parquet files in Options.Out, whose earlier files it replaces.
func Run(ctx context.Context, w io.Writer, o Options) error {
	staying := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, fmt.Errorf("the demo did not finish within %s", deadline))
	defer cancel()
	dir, err := os.MkdirTemp("", "vecmill-demo-")
	if err != nil {
		return fmt.Errorf("making a working directory: %w", err)
	}
	defer os.RemoveAll(dir)
	samples, err := Samples()
	if err != nil {
		return err
	}
	if err := WriteModels(filepath.Join(dir, "models")); err != nil {
		return err
	}
	fmt.Fprintf(w, "Vecmill demo: an in-process Kafka broker, an in-process S3 store, three small Data2Vec models, no Python.\n\n")
	servers, err := startServers(ctx, dir)
	if err != nil {
		return err
	}
	defer servers.close()
	if err := servers.upload(ctx, samples); err != nil {
		return err
	}
	if err := servers.publish(ctx, samples); err != nil {
		return err
	}
	if err := prepareOut(o.Out); err != nil {
		return err
	}
	cfg, err := newConfig(servers, dir, o.Out, o.Stay)
	if err != nil {
		return err
	}
	worker, err := start(staying, ctx, cfg, o.Version)
	if err != nil {
		return err
	}
	defer func() { _ = worker.stop() }() // whoever gets as far as the end asks for its error
	if o.Stay {
		fmt.Fprintf(w, "The live page: http://%s/\n\n", worker.MetricsAddr())
	}
	run, err := worker.finish(ctx, len(samples), !o.Stay)
	if err != nil {
		return err
	}
	if err := show(ctx, w, servers, samples, run, o.Out); err != nil {
		return err
	}
	if !o.Stay {
		_, err := fmt.Fprintln(w, "\nbin/worker demo --stay shows it live: it goes on, and serves the page of a worker at work.")
		return printed(err)
	}
	fmt.Fprintf(w, "\nThe live page stays at http://%s/ until Ctrl-C. For %d minutes the samples go round again.\n", worker.MetricsAddr(), int((rounds * roundEvery).Minutes()))
	return worker.stay(staying, func() error { return servers.publish(staying, samples) })
}

// What is sent while the demo stays, so that the page has something to show. Each round leaves a few small files.
const (
	rounds     = 60
	roundEvery = 5 * time.Second
)

const commitEvery = 200 * time.Millisecond

// prepareOut makes the output directory, and removes what an earlier demo left: each demo has a new broker, whose offsets begin at 0.
func prepareOut(out string) error {
	for _, name := range pipelineNames() {
		if err := os.RemoveAll(filepath.Join(out, name)); err != nil {
			return fmt.Errorf("clearing the output of the last demo: %w", err)
		}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("making the output directory: %w", err)
	}
	return nil
}

func pipelineNames() []string { return []string{"speech", "sentences", "pictures"} }

// newConfig is the configuration of the demo's worker: what a user would write, in Go.
func newConfig(s *servers, dir, out string, page bool) (*config.Config, error) {
	out, err := filepath.Abs(out)
	if err != nil {
		return nil, fmt.Errorf("finding the output directory: %w", err)
	}
	listen := ""
	if page {
		listen = "127.0.0.1:0"
	}
	text := fmt.Sprintf(configTemplate, listen, s.broker.ListenAddrs()[0], s.s3.URL, s.caFile)
	for _, p := range []struct{ name, model, task string }{
		{"speech", "audio-ctc", "transcript"}, {"sentences", "text-intent", "classification"}, {"pictures", "vision-digits", "classification"},
	} {
		text += fmt.Sprintf(pipelineTemplate, p.name, topic, filepath.Join(dir, "models", p.model), p.task, commitEvery, outputs, out, outputs)
	}
	noEnv := func(string) (string, bool) { return "", false } // the demo is the same everywhere
	cfg, err := config.Parse([]byte(text), noEnv)
	if err != nil {
		return nil, fmt.Errorf("the demo's configuration: %w", err)
	}
	return cfg, nil
}

const configTemplate = `
log: {level: warn}
telemetry: {listen: "%s", recent: true}
kafka: {brokers: ["%s"]}
s3: {endpoint: "%s", ca_file: %q, access_key: demo, secret_key: demo-secret, path_style: true}
pipelines:
`

const pipelineTemplate = `
- name: %s
  topics: [%s]
  model: {path: %q}
  heads:
  - {task: %s}
  - {task: embedding, pooling: mean}
  commit_interval: %s
  outputs:
  - parquet: {url: "s3://%s", roll_age: 500ms}
  - parquet: {url: "file://%s", roll_age: 500ms}
  dead_letters: {url: "s3://%s/dead-letters"}
`

// result is what the run says of itself.
type result struct {
	took    time.Duration // from the first poll to the last commit
	loading time.Duration // models compiled and sessions opened
	stats   []wire.Stats
}

// running is a worker at work.
type running struct {
	*wire.Worker
	loading time.Duration
	began   time.Time
	cancel  context.CancelFunc
	ended   chan error // its end, once
	over    error      // under once
	once    sync.Once
}

// start opens a worker, within ctx, and runs it until life ends.
func start(life, ctx context.Context, cfg *config.Config, version string) (*running, error) {
	began := time.Now()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w, err := wire.Open(ctx, cfg, wire.Options{Version: version, Log: log})
	if err != nil {
		return nil, err
	}
	r := &running{Worker: w, loading: time.Since(began), began: time.Now(), ended: make(chan error, 1)}
	life, r.cancel = context.WithCancel(life)
	go func() { r.ended <- w.Run(life) }() // ends with life
	return r, nil
}

// stop ends the worker as SIGTERM would: it drains, flushes and commits. It may be called twice.
func (r *running) stop() error {
	r.cancel()
	r.once.Do(func() { r.over = <-r.ended })
	return r.over
}

// finish waits until every record has been computed, skipped or buried by every pipeline; and then stops the worker, or waits until all of that is
// committed.
func (r *running) finish(ctx context.Context, samples int, stop bool) (*result, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !finished(r.Stats(), int64(samples)+1, !stop) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case err := <-r.ended:
			r.once.Do(func() { r.over = err })
			return nil, errOr(err, context.Cause(ctx))
		}
	}
	if stop {
		if err := r.stop(); err != nil {
			return nil, err
		}
	} else {
		retry.Sleep(ctx, 2*commitEvery) // what is durable is committed by then
	}
	return &result{took: time.Since(r.began), loading: r.loading, stats: r.Stats()}, context.Cause(ctx)
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// stay runs until ctx ends or the worker fails, and calls again for each round.
func (r *running) stay(ctx context.Context, again func() error) error {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-tick.C:
			if n++; n > rounds {
				continue
			}
			if err := again(); err != nil && ctx.Err() == nil {
				return err
			}
		case <-ctx.Done():
			return r.stop()
		case err := <-r.ended:
			r.once.Do(func() { r.over = err })
			return err
		}
	}
}

// finished says whether every pipeline has settled every record, and made it durable if that is asked for.
func finished(all []wire.Stats, records int64, durable bool) bool {
	for _, s := range all {
		if durable && s.Stream.Lag > 0 {
			return false
		}
		done := s.Stream.Computed + s.Stream.Skipped
		for _, n := range s.Stream.Dead {
			done += n
		}
		if done < records {
			return false
		}
	}
	return true
}

// readRows reads every row that the demo wrote to the lake, and counts the files.
func readRows(ctx context.Context, s *servers) (rows []schemas.Row, files int, err error) {
	var store objectstore.Store = s3store.New(s.client, outputs, s3store.Options{})
	for _, p := range pipelineNames() {
		for part := range partitions {
			chain, err := parquetsink.Chain(ctx, store, "", schemas.SourceID{Pipeline: p, Topic: topic, Partition: part}, 0)
			if err != nil {
				return nil, 0, fmt.Errorf("reading the output: %w", err)
			}
			for _, f := range chain {
				got, err := parquetsink.ReadRows(ctx, store, f.Name)
				if err != nil {
					return nil, 0, fmt.Errorf("reading the output: %w", err)
				}
				rows, files = append(rows, got...), files+1
			}
		}
	}
	return rows, files, nil
}
