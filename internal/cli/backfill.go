package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/progress"
	"vecmill/internal/status"
	"vecmill/internal/wire"
	"vecmill/stream"
)

// Backfill is the command backfill. It returns the exit code.
func Backfill(version string, args []string, stdout, stderr io.Writer) int {
	return run("backfill", "Runs the worker's pipelines over bounded lists of references, and proves what is in the output.", version, []command{
		{"plan", "--config FILE --source S3-PREFIX|INVENTORY|TABLE|LIST --out DIR", "write down what there is to compute, without what is computed already, and say what it will take", runPlan},
		{"run", "--config FILE --manifest LIST|--plan DIR|--source S3-PREFIX|INVENTORY|TABLE|LIST [--topic TOPIC] [--share I/N] [--max-rate N/s] [--until TIME] [--json]", "compute every reference of a manifest (JSON lines, CSV, Parquet), of a plan, or of a source that is planned first, exactly once", runBackfill},
		{"reembed", "--config FILE --old PIPELINE --new PIPELINE [--no-stream] [--lacking N] [--cut-over NAME] [--topic TOPIC] [--share I/N [--wait TIME]] [--max-rate N/s] [--until TIME] [--json]", "compute what one pipeline has written again by another one, beside it, check it, and say how readers come to it", runReembed},
		{"status", "--config FILE [--plan DIR|--manifest LIST|--name NAME] [--json]", "say how far the outputs have come with a list, from any machine, also while it runs", runStatus},
		{"audit", "--config FILE [--plan DIR] [--kafka=false] [--letters=false]", "check that every offset in the output has exactly one fate; exit code 1 if not", runAudit},
		{"version", "", "print the version", printVersion},
	}, args, stdout, stderr)
}

func runBackfill(ctx context.Context, e *env, args []string) error {
	f := e.flags("run")
	o := runOptions{}
	f.StringVar(&o.config, "config", "", "configuration file")
	f.StringVar(&o.manifest, "manifest", "", "list of references, a file or s3://bucket/key: one JSON object a line, or a table as .csv, .tsv or .parquet")
	f.StringVar(&o.plan, "plan", "", "directory or s3://bucket/prefix of a plan, in place of a manifest; with --source where the plan is to lie, default: _plans beside the rows")
	sourceFlags(f, &o.from)
	f.StringVar(&o.name, "name", "", "name of the manifest in the output, which promises that it is the same list each time; default: the list's name and eight digits of its content, and of --column if that is given, or the plan's")
	o.read.Columns = o.from.Columns
	f.StringVar(&o.rate, "max-rate", "", "references a second that are read at most, by each pipeline, as 200/s; default: as many as are computed")
	f.StringVar(&o.topic, "topic", "", "publish the plan's references to this topic for workers, in place of computing them here")
	f.Int64Var(&o.maxLag, "max-lag", mostLag, "with --topic: records that the workers' groups may have before them; no more is published while they do")
	f.StringVar(&o.until, "until", "", "when to stop as Ctrl-C does: a duration, as 2h30m, or a time, as 06:00 (the next) or 2026-01-31T06:00")
	f.StringVar(&o.share, "share", "", "with --plan: compute a share of it alone, as 3/8, the fourth of eight, beside others that compute theirs; a plan has the same number of shares for all of its runs")
	f.BoolVar(&o.asJSON, "json", false, "print the progress and the end on standard output, one JSON object a line")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if err := o.check(time.Now()); err != nil {
		return err
	}
	ctx, cancel := o.limited(ctx)
	defer cancel()
	if o.topic != "" {
		return o.publish(ctx, e)
	}
	show := newShow(e, o.asJSON)
	gate, deaf := pausable(e.err)
	defer deaf()
	o.read.Gate, o.from.Gate, show.gate, o.read.Trying = gate, gate, gate, tryingAgain(e.err)
	c, log, err := e.loadWithModels(o.config)
	if err != nil {
		return err
	}
	if err := o.enumerate(ctx, e, c); err != nil {
		return o.notBegun(ctx, e, show, err)
	}
	source, about, err := o.source(ctx, c)
	if err != nil {
		return o.notBegun(ctx, e, show, err)
	}
	return o.compute(ctx, e, show, c, log, source, about)
}

// compute runs the pipelines over what o.read says, and prints how it ended. about is o.plan's, nil for a list.
func (o *runOptions) compute(ctx context.Context, e *env, show *show, c *config.Config, log *slog.Logger, source func(*config.Pipeline) (stream.Source, error), about *plan.Plan) error {
	for i := range c.Pipelines {
		c.Pipelines[i].Topics = []string{"manifest:" + o.name}
	}
	shares := max(o.read.Share.N, 1)
	tellAbsent(e.err, c, about)
	if about != nil { // before models are loaded
		if err := wire.Divisible(ctx, c, o.plan, about, shares); err != nil {
			return o.notBegun(ctx, e, show, err)
		}
	}
	w, err := wire.Open(ctx, c, wire.Options{Version: e.version, File: shownPath(o.config), Program: shownProgram(besideMe("worker")), Log: log, Level: &e.level, Measure: true, Source: source, Plan: about, PlanAt: o.plan, Share: o.read.Share, Models: o.models})
	if err != nil {
		return o.notBegun(ctx, e, show, err)
	}
	account, err := wire.OpenAccount(ctx, c, o.plan, about, o.read.Share, show.meter.Began(), log)
	if err != nil {
		return o.notBegun(ctx, e, show, errors.Join(err, w.Close(ctx)))
	}
	if about != nil { // what cannot be opened has settled nothing
		if err := wire.Divide(ctx, c, o.plan, about, shares); err != nil {
			return o.notBegun(ctx, e, show, errors.Join(err, w.Close(ctx)))
		}
	}
	stop, told := show.watch(w), account.Keep(ctx, w.Status)
	err = w.Run(ctx)
	told()
	stop()
	last := w.Status()
	report := show.meter.End(last)
	report.Memory, report.Planned = wire.PeakMemory(), wire.PromiseOf(about).Memory.Peak
	report.Against = held(ctx, e.err, account, last)
	if stopped := ctx.Err() != nil && !*report.Finished; err != nil || stopped {
		*report.Finished = false
		if !errors.Is(err, wire.ErrUnfit) {
			report.Continue = o.again()
		}
		if err == nil {
			err = o.whyStopped(ctx)
		}
	}
	return errors.Join(err, show.end(e, &report))
}

// tellAbsent says which pipelines of a plan a configuration lacks.
func tellAbsent(w io.Writer, c *config.Config, p *plan.Plan) {
	names, alone := wire.Absent(c, p)
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(w, "plan %s is for pipelines, too, that the configuration does not have, of which nothing is computed or told here: %s", p.Name, strings.Join(names, ", "))
	if alone > 0 {
		fmt.Fprintf(w, "; %d of %d references are for these alone", alone, p.Items)
	}
	fmt.Fprintln(w)
}

// accountPatience is how long a run's end waits for the place of its plan.
const accountPatience = 10 * time.Second

// held is a run's account at its end, also of one that was told to stop. A run is none the worse without it.
func held(ctx context.Context, w io.Writer, a *wire.Account, s status.Status) *progress.Against {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), accountPatience)
	defer cancel()
	out, err := a.Close(ctx, s)
	if err != nil {
		fmt.Fprintf(w, "the run is not held against its plan: %v\n", err)
	}
	return out
}

// notBegun is the end of a run that has computed nothing. One that was told to stop, while it planned or while models were loaded, says how to go on.
func (o *runOptions) notBegun(ctx context.Context, e *env, show *show, err error) error {
	if err = o.interrupted(ctx, err); !errors.Is(err, errInterrupted) {
		return err
	}
	report := show.meter.End(status.Status{Now: time.Now()})
	*report.Finished, report.Continue = false, o.again()
	return errors.Join(err, show.end(e, &report))
}

// mostLag is how many records workers may have before them unless it is said.
const mostLag = 10_000

// runOptions say what a run reads, how fast and for how long.
type runOptions struct {
	config, manifest, plan, name, rate, until, topic, share string

	from    wire.PlanOptions // a source; Source is "" for a run of a list or of a plan
	models  wire.Models      // of the source's plan; nil: there was none to make or to find
	asJSON  bool
	reembed []string // flags of the command reembed that this run is part of; nil: it is none

	maxLag int64
	read   wire.ReadOptions
	endAt  time.Time // zero: no end but the list's
}

func (o *runOptions) check(now time.Time) error {
	if err := o.checkList(); err != nil {
		return usageError{err}
	}
	if o.share != "" {
		if o.plan == "" || o.topic != "" || o.from.Source != "" {
			return usageError{errors.New("--share goes with --plan: a list has to be planned first, and a topic divides itself")}
		}
	}
	if err := o.checkShare(); err != nil {
		return err
	}
	return o.checkPace(now)
}

// checkShare reads what is computed of a plan.
func (o *runOptions) checkShare() (err error) {
	if o.share == "" {
		return nil
	}
	if o.read.Share, err = plan.ParseShare(o.share); err != nil {
		return usageError{fmt.Errorf("--share: %w", err)}
	}
	return nil
}

// checkPace reads how fast and for how long.
func (o *runOptions) checkPace(now time.Time) (err error) {
	if o.maxLag < 1 {
		return usageError{errors.New("--max-lag must be at least 1")}
	}
	if o.rate != "" {
		if o.read.Rate, err = rateOf(o.rate); err != nil {
			return usageError{err}
		}
	}
	if o.until != "" {
		if o.endAt, err = untilTime(now, o.until); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// checkList finds words about what is read that do not go together.
func (o *runOptions) checkList() error {
	if err := checkURL("--manifest", o.manifest); err != nil {
		return err
	}
	switch {
	case o.from.Source != "" && o.manifest != "":
		return errors.New("--source and --manifest; give one of them")
	case o.from.Source != "":
		return checkSource(&o.from)
	case len(o.from.Include) > 0 || o.from.Tar || o.from.Again:
		return errors.New("--include, --tar and --again go with --source: a list and a plan are computed as they are")
	case (o.manifest == "") == (o.plan == ""):
		return errors.New("--manifest LIST is missing, or --plan DIR, or --source; give one of them")
	case backfill.IsPackedList(o.manifest):
		return errPacked("--manifest", o.manifest)
	case notOneList(o.manifest):
		return fmt.Errorf("a manifest is one list; buckets, inventories and tables are sources: --source %s", o.manifest)
	case o.plan != "" && len(o.read.Columns) > 0:
		return errors.New("a plan has no columns to choose; --column goes with --manifest and --source")
	case o.topic != "" && o.plan == "":
		return errors.New("--topic goes with --plan or --source")
	}
	return nil
}

// notOneList says whether a manifest is the name of a source with many.
func notOneList(manifest string) bool {
	return strings.HasPrefix(manifest, backfill.TableScheme) || strings.HasPrefix(manifest, "s3://") && (strings.HasSuffix(manifest, "/") || path.Base(manifest) == "manifest.json")
}

// limited ends with ctx, and at the time of --until.
func (o *runOptions) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.endAt.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, o.endAt, errUntil)
}

// interrupted is err, or that the command was told to stop, or told itself by --until.
func (o *runOptions) interrupted(ctx context.Context, err error) error {
	if err = interrupted(ctx, err); errors.Is(err, errInterrupted) && errors.Is(context.Cause(ctx), errUntil) {
		return fmt.Errorf("%w: %w", errInterrupted, o.whyStopped(ctx))
	}
	return err
}

func (o *runOptions) whyStopped(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errUntil) {
		return fmt.Errorf("stopped at %s, as --until says; what is durable is kept", o.endAt.Format(time.DateTime))
	}
	return fmt.Errorf("%w; what is durable is kept", errInterrupted)
}

// source opens a plan, or names a manifest; name is set afterwards.
func (o *runOptions) source(ctx context.Context, c *config.Config) (func(*config.Pipeline) (stream.Source, error), *plan.Plan, error) {
	if o.plan == "" {
		if o.name != "" { // a promise
			if err := wire.FindManifest(ctx, c, o.manifest, o.read); err != nil { // before models are loaded
				return nil, nil, err
			}
		} else { // the content is part of it: another list, or one that was edited, has other references at the same numbers
			var err error
			if o.read.Sum, err = wire.SumManifest(ctx, c, o.manifest, o.read); err != nil {
				return nil, nil, err
			}
			o.name = wire.DefaultName(o.manifest, o.read)
		}
		return wire.ManifestSource(c, o.manifest, o.name, o.read), nil, nil
	}
	if o.name != "" && o.from.Source == "" {
		return nil, nil, usageError{errors.New("a plan has its name already; leave --name out")}
	}
	list, err := wire.OpenPlan(ctx, c, o.plan)
	if err != nil {
		return nil, nil, err
	}
	o.name = list.Plan().Name
	return wire.PlanSource(list, o.read), list.Plan(), nil
}

// again is the command that goes on where a run has ended, for the shell that it was given to, without its --until: that moment is over.
func (o *runOptions) again() string {
	words := []string{os.Args[0], "run", "--config", o.config}
	if o.reembed != nil {
		words = append([]string{os.Args[0], "reembed", "--config", o.config}, o.reembed...)
	}
	if o.rate != "" {
		words = append(words, "--max-rate", o.rate)
	}
	if o.topic != "" {
		words = append(words, "--topic", o.topic, "--max-lag", strconv.FormatInt(o.maxLag, 10))
	}
	if o.asJSON {
		words = append(words, "--json")
	}
	switch {
	case o.reembed != nil:
		return shellWords(words...)
	case o.from.Source != "": // the plan is found again
		words = append(words, sourceWords(&o.from)...)
		if o.from.Out != "" {
			words = append(words, "--plan", o.from.Out)
		}
		if o.from.Name != "" {
			words = append(words, "--name", o.from.Name)
		}
		return shellWords(words...)
	case o.share != "":
		return shellWords(append(words, "--plan", o.plan, "--share", o.share)...)
	case o.plan != "":
		return shellWords(append(words, "--plan", o.plan)...)
	}
	for _, c := range columnFlag(o.read.Columns).words() {
		words = append(words, "--column", c)
	}
	words = append(words, "--manifest", o.manifest)
	if o.read.Sum == "" { // else the name follows from the content
		words = append(words, "--name", o.name)
	}
	return shellWords(words...)
}

func runAudit(ctx context.Context, e *env, args []string) error {
	f := e.flags("audit")
	path := f.String("config", "", "configuration file")
	kafka := f.Bool("kafka", true, "compare with the topics' beginnings and ends and with the groups' commits, where the configuration names brokers")
	letters := f.Bool("letters", true, "look for the letter of every dead offset")
	o := runOptions{}
	f.StringVar(&o.plan, "plan", "", "directory or s3://bucket/prefix of a plan, of which every required output has to have all")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	c, log, err := e.load(*path)
	if err != nil {
		return err
	}
	err = auditAll(ctx, e, c, wire.AuditOptions{Kafka: *kafka, Letters: *letters, Log: log})
	if o.plan == "" || ctx.Err() != nil {
		return err
	}
	return errors.Join(err, o.auditPlan(ctx, e, c))
}

// auditPlan fails if an output has not all of a plan, of the pipelines that it was made for; what a best-effort one lacks is told. Whether what outputs have is in order is what the audit says.
func (o *runOptions) auditPlan(ctx context.Context, e *env, c *config.Config) error {
	_, p, err := o.source(ctx, c)
	if err != nil {
		return err
	}
	tellAbsent(e.err, c, p)
	if c, err = wire.OfPlan(c, p); err != nil {
		return err
	}
	all, err := o.howFar(ctx, e, c)
	if err != nil || p.Items == 0 {
		return err
	}
	told := false
	var errs []error
	for i := range all {
		x := newWritten(&all[i], p.Items)
		told = told || x.Finished || !x.BestEffort
		if x.Finished {
			continue
		}
		has := fmt.Sprintf("%s of pipeline %s has %d of %d; %d are missing in between, %d are lost, %d were published before the place where it begins", x.Output, x.Pipeline, x.Next, x.whole(), x.Missing, x.Lost, x.Passed)
		if x.BestEffort {
			fmt.Fprintf(e.err, "plan %s: %s: it is best_effort, and need not have all\n", p.Name, has)
			continue
		}
		errs = append(errs, fmt.Errorf("plan %s is not finished: %s", p.Name, has))
	}
	if !told {
		return fmt.Errorf("no output that is required keeps an account of plan %s", p.Name)
	}
	return errors.Join(errs...)
}

// auditAll prints one JSON object per source and output, and a line per output for people; it fails if any has an offence.
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
	for _, t := range wire.Totals(results) {
		fmt.Fprintln(e.err, t)
	}
	switch {
	case bad > 0:
		return fmt.Errorf("%d of %d sources have offences", bad, len(results))
	case files == 0:
		return errors.New("there is no output yet")
	}
	return nil
}
