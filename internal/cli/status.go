package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"vecmill/internal/config"
	"vecmill/internal/progress"
	"vecmill/internal/wire"
)

// written is one line of backfill status --json.
type written struct {
	wire.Written
	Total    int64    `json:"total"`       // references of the list; -1: not known, for only its name was told
	Finished bool     `json:"finished"`    // all of them are written, and none is lost or was passed over
	Left     *float64 `json:"eta_seconds"` // at the rate; null: not known
}

func runStatus(ctx context.Context, e *env, args []string) error {
	f := e.flags("status")
	o := runOptions{}
	f.StringVar(&o.config, "config", "", "configuration file, of the run")
	f.StringVar(&o.manifest, "manifest", "", "list of references, a file or s3://bucket/key, to know how many there are")
	f.StringVar(&o.plan, "plan", "", "directory or s3://bucket/prefix of a plan, to know how many there are, and which topics it was published to")
	f.StringVar(&o.name, "name", "", "name of the manifest in the output, if it was told one; default: by the file, its content and --column, or the plan's; without any of the three, all manifests are told of")
	o.read.Columns = columnFlag{}
	f.Var(columnFlag(o.read.Columns), "column", columnDoc)
	asJSON := f.Bool("json", false, "print one JSON object a line")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	o.read.Trying = tryingAgain(e.err)
	if o.manifest != "" && o.plan != "" {
		return usageError{errors.New("--manifest and --plan; give one of them")}
	}
	if err := checkURL("--manifest", o.manifest); err != nil {
		return err
	}
	c, _, err := e.load(o.config)
	if err != nil {
		return err
	}
	total := int64(-1)
	var against *progress.Against
	switch {
	case o.plan != "":
		_, about, err := o.source(ctx, c)
		if err != nil {
			return err
		}
		total = about.Items
		tellAbsent(e.err, c, about)
		if c, err = wire.OfPlan(c, about); err != nil {
			return err
		}
		if against, err = wire.AgainstRuns(ctx, c, o.plan, about); err != nil {
			fmt.Fprintf(e.err, "the runs are not held against their plan: %v\n", err)
		}
	case o.manifest != "":
		if _, _, err := o.source(ctx, c); err != nil {
			return err
		}
		if total, err = wire.CountManifest(ctx, c, o.manifest, o.read); err != nil {
			return err
		}
	}
	all, err := o.howFar(ctx, e, c)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Through == nil && all[i].Next > 0 { // runs that have written nothing here wrote to other outputs
			all[i].Against = against
		}
	}
	if len(all) == 0 {
		return errors.New("the outputs have nothing of any manifest yet")
	}
	return printWritten(e.stdout, all, total, *asJSON)
}

// howFar is what outputs have of a list: by a run, and of a plan through topics, too.
func (o *runOptions) howFar(ctx context.Context, e *env, c *config.Config) ([]wire.Written, error) {
	all, passed, err := wire.HowFar(ctx, c, o.name)
	if err != nil {
		return nil, err
	}
	var kept []wire.Written
	if o.plan != "" {
		if kept, err = wire.HowFarKept(ctx, c, o.plan); err != nil {
			return nil, err
		}
	}
	for _, name := range passed {
		if !slices.ContainsFunc(kept, func(w wire.Written) bool { return w.Pipeline+": "+w.Output == name }) {
			fmt.Fprintf(e.err, "%s keeps no account of what was written, and is passed over\n", name)
		}
	}
	all = append(all, kept...)
	if o.plan == "" {
		return all, nil
	}
	through, err := wire.HowFarThrough(ctx, c, o.plan)
	if err != nil {
		return nil, err
	}
	if len(through) > 0 { // whoever published it need not have run it, too
		all = slices.DeleteFunc(all, func(w wire.Written) bool { return w.Next == 0 })
	}
	return append(all, through...), nil
}

// newWritten holds what is written against the list.
func newWritten(w *wire.Written, total int64) written {
	x := written{Written: *w, Total: total}
	whole := x.whole()
	x.Finished = x.Next == whole && x.Missing == 0 && x.Lost == 0 && x.Passed == 0
	if whole >= 0 && x.Rate > 0 && x.Next < whole {
		left := float64(whole-x.Next) / x.Rate
		x.Left = &left
	}
	return x
}

func printWritten(w io.Writer, all []wire.Written, total int64, asJSON bool) error {
	enc := json.NewEncoder(w)
	var runs *progress.Against // those of all outputs are the same
	for i := range all {
		x := newWritten(&all[i], total)
		if asJSON {
			if err := enc.Encode(x); err != nil {
				return fmt.Errorf("printing: %w", err)
			}
			continue
		}
		x.print(w, time.Now())
		if x.Against != nil && x.Through != nil {
			fmt.Fprintf(w, "  %s\n", x.Against.Words())
		} else if x.Against != nil {
			runs = x.Against
		}
	}
	if runs != nil {
		fmt.Fprintf(w, "runs of the plan: %s\n", runs.Words())
	}
	return nil
}

// whole is what there is to write: the list, with what others have published between its references; -1: not known.
func (x *written) whole() int64 {
	if x.Through == nil || x.Total < 0 {
		return x.Total
	}
	return x.Total + x.Records - x.Published
}

func (x *written) print(w io.Writer, now time.Time) {
	fmt.Fprintf(w, "%s: manifest %s", x.Pipeline, x.Manifest)
	if x.Through != nil {
		fmt.Fprintf(w, " through topic %s", x.Topic)
	}
	fmt.Fprintf(w, " in %s: %d written", x.Output, x.Next)
	switch whole := x.whole(); {
	case whole > 0:
		fmt.Fprintf(w, " of %d (%.1f %%)", whole, 100*float64(x.Next)/float64(whole))
	case whole == 0:
		fmt.Fprint(w, " of 0")
	}
	if x.Through != nil {
		fmt.Fprintf(w, "\n  %d of %d published, %d records of others between them", x.Published, x.Total, x.Records-x.Published)
	}
	if x.Kept {
		fmt.Fprint(w, "\n  by the checkpoint beside the plan: the output keeps no account\n")
	} else {
		fmt.Fprintf(w, "\n  %d with rows, %d dead letters, %d skipped; %d rows in %d files\n", x.Computed, x.Dead, x.Skipped, x.Rows, x.Files)
	}
	if x.Total >= 0 && x.Next > x.whole() {
		fmt.Fprintf(w, "  the list is shorter than what is written: it shrank, or is another one of the same name\n")
	}
	if x.Missing > 0 {
		fmt.Fprintf(w, "  %d are missing in between: backfill audit names them\n", x.Missing)
	}
	if x.Lost > 0 {
		fmt.Fprintf(w, "  %d are lost: the topic's retention took them before they were read; backfill audit names their offsets\n", x.Lost)
	}
	if x.Passed > 0 {
		fmt.Fprintf(w, "  %d were published before the place where %s begins in its topic, and nobody computes them: plan anew at another place, which leaves out what is written, and publish that\n", x.Passed, x.Pipeline)
	}
	if x.BestEffort && x.Next < x.whole() {
		fmt.Fprintln(w, "  it is best_effort, and may lack some of it for good")
	}
	if x.Last == nil {
		if x.Finished {
			fmt.Fprintln(w, "  finished")
		}
		return
	}
	fmt.Fprintf(w, "  last written %s ago", now.Sub(*x.Last).Round(time.Second))
	if x.Rate > 0 {
		fmt.Fprintf(w, ", %.1f/s before that", x.Rate)
	}
	switch {
	case x.Left != nil:
		fmt.Fprintf(w, "; %s left at this rate", span(*x.Left))
	case x.Finished:
		fmt.Fprint(w, "; finished")
	}
	fmt.Fprintln(w)
}
