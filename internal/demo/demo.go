package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"vecmill/internal/config"
	"vecmill/internal/wire"
	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/s3store"
)

// Options say where the demo leaves its files.
type Options struct {
	Out     string // directory for the Parquet files
	Version string
}

// deadline is how long the demo may take before it gives up and says so.
const deadline = 50 * time.Second

// Run runs the demo and prints to w. It leaves the Parquet files in Options.Out, whose earlier files it replaces.
func Run(ctx context.Context, w io.Writer, o Options) error {
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
	cfg, err := newConfig(servers, dir, o.Out)
	if err != nil {
		return err
	}
	run, err := work(ctx, cfg, o.Version, len(samples))
	if err != nil {
		return err
	}
	return show(ctx, w, servers, samples, run, o.Out)
}

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
func newConfig(s *servers, dir, out string) (*config.Config, error) {
	out, err := filepath.Abs(out)
	if err != nil {
		return nil, fmt.Errorf("finding the output directory: %w", err)
	}
	text := fmt.Sprintf(configTemplate, s.broker.ListenAddrs()[0], s.s3.URL, s.caFile)
	for _, p := range []struct{ name, model, task string }{
		{"speech", "audio-ctc", "transcript"}, {"sentences", "text-intent", "classification"}, {"pictures", "vision-digits", "classification"},
	} {
		text += fmt.Sprintf(pipelineTemplate, p.name, topic, filepath.Join(dir, "models", p.model), p.task, outputs, out, outputs)
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
telemetry: {listen: ""}
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
  commit_interval: 200ms
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

// work runs the worker until every record has been computed, skipped or buried by every pipeline, then stops it as SIGTERM would.
func work(ctx context.Context, cfg *config.Config, version string, samples int) (*result, error) {
	began := time.Now()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w, err := wire.Open(ctx, cfg, wire.Options{Version: version, Log: log})
	if err != nil {
		return nil, err
	}
	r := &result{loading: time.Since(began)}
	began = time.Now()
	wctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(wctx) }() // ends with wctx
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !finished(w.Stats(), int64(samples)+1) {
		select {
		case <-tick.C:
		case err := <-ended:
			return nil, errOr(err, context.Cause(ctx))
		}
	}
	stop() // drains, flushes and commits
	if err := <-ended; err != nil {
		return nil, err
	}
	r.took, r.stats = time.Since(began), w.Stats()
	return r, context.Cause(ctx)
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// finished says whether every pipeline has settled every record.
func finished(all []wire.Stats, records int64) bool {
	for _, s := range all {
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
