package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"vecmill/internal/config"
	"vecmill/internal/demo"
	"vecmill/internal/wire"
	"vecmill/schemas"
)

// Worker is the command worker. It returns the exit code.
func Worker(version string, args []string, stdout, stderr io.Writer) int {
	return run("worker", "Vecmill turns references to audio, text and images into embeddings, transcripts and labels, exactly once.", version, []command{
		{"run", "--config FILE", "consume references and write rows until SIGTERM", runWorker},
		{"demo", "[--out DIR] [--stay]", "run the whole line in this process on bundled models and samples", runDemo},
		{"predict", "--model DIR [FILE]...", "run one checkpoint on files, texts or tensors and print what it says", runPredict},
		{"doctor", "--config FILE", "check everything that a worker of this configuration depends on, a line each", runDoctor},
		{"simulate", "[--seed N] [--seeds K]", "play the whole worker in virtual time with faults from a seed, and prove the invariants", runSimulate},
		{"dlq", dlqArgs, dlqDoc, runDLQ},
		{"config", "reference | check --config FILE [--sample FILE]", "print every setting, or say what is wrong with a file and how messages are understood", runConfig},
		{"version", "", "print the version", printVersion},
	}, args, stdout, stderr)
}

func runWorker(ctx context.Context, e *env, args []string) error {
	f := e.flags("run")
	path := f.String("config", "", "configuration file")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	c, log, err := e.loadWithModels(*path)
	if err != nil {
		return err
	}
	if err := c.ValidateSource(); err != nil {
		return usageError{err}
	}
	began := time.Now()
	w, err := wire.Open(ctx, c, wire.Options{Version: e.version, File: shownPath(*path), Program: shownProgram(os.Args[0]), Log: log, Level: &e.level, Measure: true})
	if err != nil {
		logPlace(log, err)
		return err
	}
	log.Info("started", "version", e.version, "pipelines", len(c.Pipelines), "took", time.Since(began).Round(time.Millisecond), "metrics", w.MetricsAddr())
	err = w.Run(ctx)
	logPlace(log, err)
	log.Info("stopped", "err", err)
	return err
}

// logPlace logs the class of a fault of a place, which a search of many workers' logs can group by.
func logPlace(log *slog.Logger, err error) {
	if class, ok := schemas.PlaceFaultOf(err); ok {
		log.Error("a place does not do", "class", class)
	}
}

func runDemo(ctx context.Context, e *env, args []string) error {
	f := e.flags("demo")
	out := f.String("out", "demo-out", "directory to copy the Parquet files to")
	stay := f.Bool("stay", false, "serve the live page, and go on until Ctrl-C")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	return demo.Run(ctx, e.stdout, demo.Options{Out: *out, Stay: *stay, Version: e.version})
}

func runConfig(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("say reference or check")}
	}
	if asksForHelp(args[0]) {
		return helpError{}
	}
	switch args[0] {
	case "reference":
		if err := parse(e.flags("config reference"), args[1:], 0); err != nil {
			return err
		}
		return config.WriteReference(e.stdout)
	case "check":
		return runCheck(ctx, e, args[1:])
	}
	return usageError{fmt.Errorf("config has no command %q; say reference or check", args[0])}
}

func printVersion(_ context.Context, e *env, args []string) error {
	if err := parse(e.flags("version"), args, 0); err != nil {
		return err
	}
	_, err := fmt.Fprintln(e.stdout, e.version)
	return err
}
