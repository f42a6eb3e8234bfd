package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/wire"
	"vecmill/stream"
)

// Backfill is the command backfill. It returns the exit code.
func Backfill(version string, args []string, stdout, stderr io.Writer) int {
	return run("backfill", "Runs the worker's pipelines over bounded lists of references, and proves what is in the output.", version, []command{
		{"plan", "--config FILE --source S3-PREFIX|FILE --out DIR", "write down what there is to compute, without what is computed already, and say what it will take", runPlan},
		{"run", "--config FILE --manifest FILE|--plan DIR", "compute every reference of a manifest (JSON lines) or of a plan, exactly once", runBackfill},
		{"audit", "--config FILE [--kafka=false] [--letters=false]", "check that every offset in the output has exactly one fate; exit code 1 if not", runAudit},
		{"version", "", "print the version", printVersion},
	}, args, stdout, stderr)
}

func runBackfill(ctx context.Context, e *env, args []string) error {
	f := e.flags("run")
	path := f.String("config", "", "configuration file")
	manifest := f.String("manifest", "", "file of references, one JSON object a line")
	planned := f.String("plan", "", "directory or s3://bucket/prefix of a plan, in place of a manifest")
	name := f.String("name", "", "name of the manifest in the output; default: the file's name, or the plan's")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if (*manifest == "") == (*planned == "") {
		return usageError{errors.New("--manifest FILE is missing, or --plan DIR; give one of them")}
	}
	c, log, err := e.load(*path)
	if err != nil {
		return err
	}
	var source func(*config.Pipeline) (stream.Source, error)
	var about *plan.Plan
	goOn := fmt.Sprintf("backfill run --config %s --plan %s", *path, *planned)
	if *planned != "" {
		if *name != "" {
			return usageError{errors.New("a plan has its name already; leave --name out")}
		}
		list, err := wire.OpenPlan(ctx, c, *planned)
		if err != nil {
			return err
		}
		about = list.Plan()
		*name, source = about.Name, wire.PlanSource(list)
	} else {
		if *name == "" {
			*name = strings.TrimSuffix(filepath.Base(*manifest), filepath.Ext(*manifest))
		}
		source = wire.ManifestSource(*manifest, *name)
		goOn = fmt.Sprintf("backfill run --config %s --manifest %s --name %s", *path, *manifest, *name)
	}
	for i := range c.Pipelines {
		c.Pipelines[i].Topics = []string{"manifest:" + *name}
	}
	began := time.Now()
	w, err := wire.Open(ctx, c, wire.Options{Version: e.version, Log: log, Source: source})
	if err != nil {
		return err
	}
	if err := w.Run(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted; what is durable is kept, go on with: %s", goOn)
	}
	for _, s := range w.Stats() {
		fmt.Fprintf(e.stdout, "%s: %d references, %d rows, %d skipped, %d dead letters\n", s.Pipeline, s.Stream.Records, s.Stream.Rows, s.Stream.Skipped, sum(s))
	}
	printKept(e.stdout, about, w.Stats(), time.Since(began))
	return nil
}

func sum(s wire.Stats) (n int64) {
	for _, k := range s.Stream.Dead {
		n += k
	}
	return n
}

func runAudit(ctx context.Context, e *env, args []string) error {
	f := e.flags("audit")
	path := f.String("config", "", "configuration file")
	kafka := f.Bool("kafka", true, "compare with the topics' beginnings and ends and with the groups' commits, where the configuration names brokers")
	letters := f.Bool("letters", true, "look for the letter of every dead offset")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	c, log, err := e.load(*path)
	if err != nil {
		return err
	}
	return auditAll(ctx, e, c, wire.AuditOptions{Kafka: *kafka, Letters: *letters, Log: log})
}

// auditAll prints one JSON object per source and output, and fails if any has an offence.
func auditAll(ctx context.Context, e *env, c *config.Config, o wire.AuditOptions) error {
	results, err := wire.Audit(ctx, c, o)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(e.stdout)
	bad, files := 0, 0
	for _, r := range results {
		files += r.Files
		if !r.OK() {
			bad++
		}
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	switch {
	case bad > 0:
		return fmt.Errorf("%d of %d sources have offences", bad, len(results))
	case files == 0:
		return errors.New("there is no output yet")
	}
	return nil
}
