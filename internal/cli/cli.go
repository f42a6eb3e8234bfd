package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"vecmill/internal/config"
)

// command is one word of a command line.
type command struct {
	name, args, doc string
	run             func(ctx context.Context, e *env, args []string) error
}

// env is what every command may use.
type env struct {
	version     string
	stdout, err io.Writer
	level       slog.LevelVar // of the log, which may be changed while a worker runs
}

// exitUsage is EX_USAGE of sysexits.h. Go ends a program that crashes with 2, and what starts it again has to tell the two apart.
const exitUsage = 64

// usageError is a fault of the command line or the configuration: exit code exitUsage.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// errInterrupted is the end of a command that was told to stop.
var errInterrupted = errors.New("interrupted")

// interrupted says of an error that it comes of the command's having been told to stop.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, errInterrupted) || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) { // HTTP gives the cause
		return err
	}
	return fmt.Errorf("%w: %w", errInterrupted, err)
}

// helpError asks for what a command's --help prints: exit code 0.
type helpError struct {
	flags *flag.FlagSet // nil: of a command with commands of its own
}

func (h helpError) Error() string { return flag.ErrHelp.Error() }

func (h helpError) print(w io.Writer, program string, c command) {
	name := c.name
	if h.flags != nil {
		name = h.flags.Name()
	}
	fmt.Fprintf(w, "%s %s: %s\n\nUsage:\n  %s %s\n", program, name, c.doc, program, strings.TrimSpace(c.name+" "+c.args))
	if h.flags == nil {
		fmt.Fprintf(w, "\nThe flags of each are behind its own --help.\n")
		return
	}
	fmt.Fprint(w, "\nFlags:\n")
	h.flags.SetOutput(w)
	h.flags.PrintDefaults()
}

// asksForHelp says whether a word is one of those that ask for help.
func asksForHelp(word string) bool {
	return word == "help" || word == "-h" || word == "-help" || word == "--help"
}

// doubled is how long after a signal another one means the same: timeout(1), and others that signal a process and then its group, send two.
const doubled = time.Second

// run finds the command, runs it until it ends or a signal asks it to, and gives the exit code.
func run(program, about, version string, commands []command, args []string, stdout, stderr io.Writer) int {
	e := &env{version: version, stdout: stdout, err: stderr}
	if len(args) == 0 || asksForHelp(args[0]) {
		usage(stdout, program, about, commands)
		return 0
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, func() {
			time.Sleep(doubled)
			stop() // a second signal ends the process at once
		})
		err := interrupted(ctx, c.run(ctx, e, args[1:]))
		switch usage, help := (usageError{}), (helpError{}); {
		case errors.As(err, &help):
			help.print(stdout, program, c)
			return 0
		case err == nil:
			return 0
		case errors.As(err, &usage):
			fmt.Fprintf(stderr, "%s %s: %v\n", program, c.name, err)
			if c.name == "predict" {
				return exitInput
			}
			return exitUsage
		default:
			fmt.Fprintf(stderr, "%s %s: %v\n", program, c.name, err)
			return 1
		}
	}
	fmt.Fprintf(stderr, "%s: there is no command %q; see %s help\n", program, args[0], program)
	return exitUsage
}

func usage(w io.Writer, program, about string, commands []command) {
	fmt.Fprintf(w, "%s\n\nUsage:\n", about)
	const wide = 44
	for _, c := range commands {
		words := strings.TrimSpace(c.name + " " + c.args)
		if len(words) > wide {
			fmt.Fprintf(w, "  %s %s\n  %*s%s\n", program, words, len(program)+wide+2, "", c.doc)
			continue
		}
		fmt.Fprintf(w, "  %s %-*s %s\n", program, wide, words, c.doc)
	}
}

// flags makes a flag set. It prints nothing itself: a wrong flag is one sentence, and all flags are behind --help.
func (e *env) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	return f
}

// parse reads flags and allows at most `most` other arguments.
func parse(f *flag.FlagSet, args []string, most int) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return helpError{f}
		}
		return usageError{err}
	}
	if f.NArg() > most {
		return usageError{fmt.Errorf("unexpected argument %q", f.Arg(most))}
	}
	return nil
}

// parseMixed reads flags that may stand before, between and after the other arguments, which it returns. Behind "--" everything is an argument.
func parseMixed(f *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := parse(f, args, len(args)); err != nil {
			return nil, err
		}
		seen := len(args) - f.NArg()
		switch {
		case f.NArg() == 0:
			return rest, nil
		case seen > 0 && args[seen-1] == "--":
			return append(rest, f.Args()...), nil
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
}

// load reads the configuration and sets the log up as it says. Models need not be on this machine.
func (e *env) load(path string) (*config.Config, *slog.Logger, error) {
	if path == "" {
		return nil, nil, usageError{errors.New("--config FILE is missing")}
	}
	c, err := config.Load(path, os.LookupEnv)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return c, e.logger(c.Log), nil
}

// loadWithModels is load for a command that opens models.
func (e *env) loadWithModels(path string) (*config.Config, *slog.Logger, error) {
	c, log, err := e.load(path)
	if err != nil {
		return nil, nil, err
	}
	if err := c.ValidateModels(); err != nil {
		return nil, nil, usageError{err}
	}
	return c, log, nil
}

func (e *env) logger(c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // Validate has refused anything else
	}
	e.level.Set(level)
	o := &slog.HandlerOptions{Level: &e.level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(e.err, o))
	}
	return slog.New(slog.NewTextHandler(e.err, o))
}
