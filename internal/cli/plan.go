package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/wire"
	"vecmill/schemas"
)

// patterns is a flag that may be given several times.
type patterns []string

func (p *patterns) String() string     { return strings.Join(*p, ",") }
func (p *patterns) Set(s string) error { *p = append(*p, s); return nil }

func runPlan(ctx context.Context, e *env, args []string) error {
	f := e.flags("plan")
	file := f.String("config", "", "configuration file")
	o := wire.PlanOptions{}
	sourceFlags(f, &o)
	f.StringVar(&o.Out, "out", "", "directory or s3://bucket/prefix that the plan is written to; with a plan that was interrupted, it is gone on with")
	f.StringVar(&o.Name, "name", "", "name of the plan in the output, which no other list may have there; default: the last word of --out and eight letters that no other plan has")
	f.IntVar(&o.Sample, "sample", backfill.UsualSample, "objects whose headers are looked at")
	f.Uint64Var(&o.Seed, "seed", backfill.UsualSeed, "which objects these are")
	f.DurationVar(&o.Estimate.For, "try", 15*time.Second, "how long to compute to know how long it takes; 0 computes nothing, and estimates nothing without --rate")
	f.IntVar(&o.Estimate.Machines, "machines", 1, "machines that will share the work: like this one, or with --rate like those that it is of")
	f.Float64Var(&o.Estimate.Price, "price", 0, "price of one machine for an hour")
	rates := ratesFlag{}
	f.Var(rates, "rate", ratesDoc)
	f.IntVar(&o.Estimate.CPUs, "cpus", 0, "with --rate: processors of each machine, to reckon hours; 0: they are not told")
	f.IntVar(&o.Estimate.GPUs, "gpus", 0, "with --rate: GPUs of each machine, likewise")
	asJSON := f.Bool("json", false, "print one JSON object")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	switch {
	case o.Source == "":
		return usageError{errors.New("--source is missing: s3://bucket/prefix, the manifest.json of an inventory, iceberg://namespace.table, or a list of references")}
	case o.Out == "":
		return usageError{errors.New("--out is missing: the directory, or s3://bucket/prefix, that the plan is written to")}
	case o.Sample < 1 || o.Estimate.Machines < 1:
		return usageError{errors.New("--sample and --machines must be at least 1")}
	case o.Estimate.CPUs < 0 || o.Estimate.GPUs < 0 || o.Estimate.Price < 0:
		return usageError{errors.New("--cpus, --gpus and --price are not negative")}
	case len(rates) == 0 && o.Estimate.CPUs+o.Estimate.GPUs > 0:
		return usageError{errors.New("--cpus and --gpus go with --rate: those of this machine are known")}
	}
	if err := checkSource(&o); err != nil {
		return err
	}
	c, log, err := e.loadWithModels(*file)
	if err != nil {
		return err
	}
	o.Log = log
	if err := rates.check(c); err != nil {
		return usageError{err}
	}
	o.Estimate.Rates = rates
	gate, deaf := pausable(e.err)
	defer deaf()
	o.Gate, o.Estimate.Gate = gate, gate
	tellPlanning(&o, e.err)
	p, err := wire.Plan(ctx, c, o)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %s", errPlanning, shellWords(append([]string{os.Args[0], "plan"}, args...)...))
		}
		return err
	}
	if *asJSON {
		return json.NewEncoder(e.stdout).Encode(p)
	}
	printPlan(e.stdout, p)
	if p.Items > 0 {
		fmt.Fprintf(e.stdout, "\n%s\n", shellWords(os.Args[0], "run", "--config", *file, "--plan", o.Out))
	}
	return nil
}

// tellPlanning has a plan that is made say what it does.
func tellPlanning(o *wire.PlanOptions, w io.Writer) {
	o.Tell, o.Reading, o.Trying = everyFew(w), everyFewFiles(w), tryingAgain(w)
}

// everyFewFiles prints how far the outputs are read every other second.
func everyFewFiles(w io.Writer) func(files, of int) {
	last := time.Now()
	return func(files, of int) {
		if time.Since(last) >= 2*time.Second {
			fmt.Fprintf(w, "reading what is computed already: %d of %d files\n", files, of)
			last = time.Now()
		}
	}
}

// everyFew prints an enumeration's progress every other second.
func everyFew(w io.Writer) func(backfill.Counts) {
	last, seen := time.Now(), int64(0)
	return func(c backfill.Counts) {
		if d := time.Since(last); d >= 2*time.Second {
			fmt.Fprintf(w, "%d keys, %d planned, %d computed already, %.0f keys/s\n", c.Seen, c.Planned, c.Known, float64(c.Seen-seen)/d.Seconds())
			last, seen = time.Now(), c.Seen
		}
	}
}

func printPlan(w io.Writer, p *wire.Planned) {
	if p.Found {
		fmt.Fprintf(w, "%-18s since %s: what the source has got since is not in it; plan that at another place\n", "there already", p.Created.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "%-18s %d of %d references; %d are computed already\n", "to compute", p.Items, p.Seen, p.Known)
	if p.Copied != nil && p.Items > 0 {
		fmt.Fprintf(w, "%-18s %s\n", "copies", copiesText(p.Copied))
	}
	if p.Snapshot != nil {
		fmt.Fprintf(w, "%-18s %d\n", "snapshot", *p.Snapshot)
	}
	if p.Lists > 0 {
		fmt.Fprintf(w, "%-18s %s\n", "left out", listsLeft(p.Lists))
	}
	if p.Unreadable > 0 {
		fmt.Fprintf(w, "%-18s %s: each will be a dead letter (%s)\n", "unreadable", counted(p.Unreadable, "line is no reference", "lines are no references"), schemas.ReasonSchema)
	}
	if p.Untaken > 0 {
		fmt.Fprintf(w, "%-18s %s that no pipeline takes: each will be a dead letter (%s)\n", "for nobody", counted(p.Untaken, "reference", "references"), schemas.ReasonSchema)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Unasked)) {
		fmt.Fprintf(w, "%-18s %s for %s, all that it may take: its where asks about the record, which a plan has none of\n", "counted", counted(p.Unasked[name], "reference", "references"), name)
	}
	switch {
	case p.Seen == 0:
		fmt.Fprintln(w, "the source has nothing that --include and the pipelines' modalities take")
	case p.Items == 0:
		fmt.Fprintln(w, "there is nothing left to compute")
	}
	if p.Items == 0 {
		return
	}
	var some []backfill.Expectation
	var untold []string
	for i := range p.Expected {
		x := &p.Expected[i]
		switch mine := planned(p.Plan, x.Pipeline); {
		case x.Items > 0:
			printExpected(w, x)
			some = append(some, *x)
		case mine == 0:
			fmt.Fprintf(w, "%s: nothing of this plan is for it\n", x.Pipeline)
		default:
			fmt.Fprintf(w, "%s: %s for it, none of them in the sample: what it takes is not known\n", x.Pipeline, counted(mine, "reference", "references"))
			untold = append(untold, x.Pipeline)
		}
	}
	if len(some) > 1 {
		printTogether(w, some, untold)
	}
	if p.Memory.Peak > 0 {
		fmt.Fprintf(w, "%-18s %s of a machine like this one; at most %s, as the configuration allows\n", "memory", bytesText(float64(p.Memory.Peak)), bytesText(float64(p.Memory.Most)))
	}
}

// copiesText says what entity tags tell, and what they do not.
func copiesText(c *backfill.Copied) string {
	text := fmt.Sprintf("%d by their entity tags: %d of contents that outputs have, %d of an item before", c.All(), c.Outputs, c.Within)
	if c.About > 1 {
		text += fmt.Sprintf(" (about, counted of one content in %d)", c.About)
	}
	if c.Untold > 0 {
		text += fmt.Sprintf("; %d more may be copies: their tags do not tell", c.Untold)
	}
	return text
}

// listsLeft says how lists in a prefix of keys are taken.
func listsLeft(n int64) string {
	return fmt.Sprintf("%d lists of references (.jsonl, .csv, .parquet and such); --source takes one of them, --include '*.csv' these themselves as texts", n)
}

// planned is how many references of a plan a pipeline takes, as far as it says.
func planned(p *plan.Plan, pipeline string) (mine int64) {
	for names, n := range p.For {
		if slices.Contains(strings.Split(names, ","), pipeline) {
			mine += n
		}
	}
	return mine
}

// counted is a number of things.
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func printExpected(w io.Writer, x *backfill.Expectation) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-16s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "%s (%d headers looked at, %d objects computed)\n", x.Pipeline, x.Probed, x.Tried)
	line("bytes to read", "%s", bytesText(float64(x.Bytes)))
	switch {
	case x.Refused != "" && x.Probed == 0: // nor is it known what is in them
	case x.Modality == schemas.Audio:
		line("audio", "%s", amount(x.Seconds))
	case x.Modality == schemas.Image:
		line("pixels", "%.3g", x.Pixels)
	case x.Modality == schemas.Text && x.Tried > 0:
		line("tokens", "%.3g", x.Steps)
	}
	switch {
	case x.Wall == nil:
		line("time", "not known: %s", x.Refused)
	case x.Stated != nil:
		printStated(line, x)
	default:
		line("time", "%s, on %s like this one", spans(*x.Wall), counted(int64(x.Machines), "machine", "machines"))
		line("CPU", "%s", hours(*x.CPU))
		if x.GPU.Value > 0 {
			line("GPU", "%s", hours(x.GPU))
		}
	}
	if x.Price.Value > 0 {
		line("price", "%s", money(x.Price))
	}
	switch {
	case x.Tried == 0:
		line("output", "not known: nothing was computed")
	case x.Files > 0:
		line("output", "%.0f rows, %s in %s", x.Rows, bytesText(x.FileBytes), counted(x.Files, "file", "files"))
	default:
		line("output", "%.0f rows, %s before a store encodes them", x.Rows, bytesText(x.OutputBytes))
	}
	switch c := x.Copies; {
	case c.High == 0:
	case x.Stated != nil:
		line("copies", "%.0f to %.0f of those are not computed again; the time is without %.0f", c.Low, c.High, c.Value)
	default:
		line("copies", "%.0f to %.0f of those are not computed again; the time has %.0f as fetched and written alone", c.Low, c.High, c.Value)
	}
	if x.FailShare > 0 {
		also := ""
		if x.Copies.High > 0 {
			also = "; of these no copy is spared, whatever copies says"
		}
		line("dead letters", "about %.1f %%%s", 100*x.FailShare, also)
	}
}

// printTogether prints what pipelines take that run on the same machines at once, but for those of which nothing is known. Bounds are added, too: what is off in one may be off in all.
func printTogether(w io.Writer, all []backfill.Expectation, untold []string) {
	var wall, price backfill.Interval
	unknown := 0
	for i := range all {
		if all[i].Wall == nil {
			untold = append(untold, all[i].Pipeline)
			unknown++
			continue
		}
		wall, price = wall.Plus(*all[i].Wall), price.Plus(all[i].Price)
	}
	switch {
	case unknown == len(all):
		return
	case len(untold) > 0:
		fmt.Fprintf(w, "all pipelines but %s\n", strings.Join(untold, ", "))
	default:
		fmt.Fprintln(w, "all pipelines")
	}
	fmt.Fprintf(w, "  %-16s %s\n", "time", spans(wall))
	if price.Value > 0 {
		fmt.Fprintf(w, "  %-16s %s\n", "price", money(price))
	}
}

func money(i backfill.Interval) string {
	digits := 2
	for least := 0.1; i.Value < least && digits < 8; least /= 10 {
		digits++ // two figures at least
	}
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, i.Value, digits, i.Low, digits, i.High)
}

// printStated prints times that go by a stated rate.
func printStated(line func(name, format string, args ...any), x *backfill.Expectation) {
	unit := "objects"
	if x.Stated.Unit == backfill.AudioSeconds {
		unit = "seconds of audio"
	}
	line("time", "%s, on %s of %g %s a second each, as stated: the interval is that of the sample alone", spans(*x.Wall), counted(int64(x.Machines), "machine", "machines"), x.Stated.PerSecond, unit)
	held := false
	for _, of := range []struct {
		name string
		time backfill.Interval
	}{{"CPU", *x.CPU}, {"GPU", x.GPU}} {
		if of.time.Value > 0 {
			held = true
			line(of.name, "%s for which they are held", hours(of.time))
		}
	}
	if !held {
		line("CPU, GPU", "not known: --cpus and --gpus say what a machine has")
	}
}

func spans(i backfill.Interval) string {
	return fmt.Sprintf("%s (%s to %s)", span(i.Value), span(i.Low), span(i.High))
}

func hours(i backfill.Interval) string {
	if i.High < 100 {
		return fmt.Sprintf("%.2g seconds (%.2g to %.2g)", i.Value, i.Low, i.High)
	}
	return fmt.Sprintf("%.2f hours (%.2f to %.2f)", i.Value/3600, i.Low/3600, i.High/3600)
}

// amount is how much time there is of something, in hours where there are any.
func amount(seconds float64) string {
	if seconds < 3600 {
		return fmt.Sprintf("%.0f seconds", seconds)
	}
	return fmt.Sprintf("%.1f hours", seconds/3600)
}

// span is a time in the words of people.
func span(seconds float64) string {
	if 0 < seconds && seconds < 1 {
		return "under 1s"
	}
	return (time.Duration(math.Round(seconds)) * time.Second).String()
}

func bytesText(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%.3g %s", n, units[i])
}
