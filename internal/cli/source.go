package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/internal/wire"
	"vecmill/schemas"
)

// listers is how many requests go to a store at once unless it is said.
const listers = 16

// sourceFlags are what an enumeration is told, by plan and by run.
func sourceFlags(f *flag.FlagSet, o *wire.PlanOptions) {
	o.Log = slog.New(slog.DiscardHandler)
	f.StringVar(&o.Source, "source", "", "s3://bucket/prefix, s3://bucket/.../manifest.json of an S3 inventory, iceberg://namespace.table, a list of references (JSON lines, .csv, .tsv or .parquet: a file, or s3://bucket/key), or a table of several such files with columns: a directory, or s3://bucket/prefix with --column")
	f.Var((*patterns)(&o.Include), "include", "pattern of keys (with --tar: of members) to take, as *.flac or calls/2026/*; may be given again")
	f.BoolVar(&o.Tar, "tar", false, "plan the members of the tar files (WebDataset shards) under the prefix, keys that end in .tar")
	o.Columns = columnFlag{}
	f.Var(columnFlag(o.Columns), "column", columnDoc)
	f.BoolVar(&o.Again, "again", false, "plan what the outputs have already, too")
	f.IntVar(&o.Listers, "listers", listers, "listing requests, or files of an output, at once")
}

// checkSource finds words that do not go together.
func checkSource(o *wire.PlanOptions) error {
	bucket := strings.HasPrefix(o.Source, "s3://")
	if err := checkURL("--source", o.Source); err != nil {
		return err
	}
	switch {
	case o.Listers < 1:
		return usageError{errors.New("--listers must be at least 1")}
	case o.Tar && (!bucket || path.Base(o.Source) == "manifest.json"):
		return usageError{errors.New("--tar goes with --source s3://bucket/prefix")}
	case len(o.Include) == 0 && backfill.IsPackedList(o.Source):
		return errPacked("--source", o.Source)
	case bucket && len(o.Columns) > 0 && (len(o.Include) > 0 || o.Tar || path.Base(o.Source) == "manifest.json"):
		return usageError{errors.New("keys have no columns; --column goes with lists and tables of references, without --include and --tar")}
	case !bucket && len(o.Include) > 0:
		return usageError{errors.New("a list or a table has no keys; --include goes with --source s3://bucket/prefix")}
	}
	return nil
}

// checkURL refuses a URL that no list and no source is at, before anything shows it with a password or a signature.
func checkURL(flag, at string) error {
	if !strings.Contains(at, "://") || strings.HasPrefix(at, backfill.TableScheme) {
		return nil
	}
	place, err := config.ParsePlace(at)
	switch {
	case place.Dir != "":
		return usageError{fmt.Errorf("%s %s: a file or a directory is named without file://", flag, at)}
	case errors.Is(err, config.ErrNoPlace):
		return usageError{fmt.Errorf("%s %s is neither a file nor s3://bucket/key", flag, schemas.ShownURI(at))}
	case err != nil:
		return usageError{fmt.Errorf("%s %w", flag, err)}
	}
	return nil
}

// errPacked says what to do with a list that is packed.
func errPacked(flag, at string) error {
	return usageError{fmt.Errorf("%s is packed, and lists are read as they are: unpack it, and give %s %s", at, flag, strings.TrimSuffix(at, path.Ext(at)))}
}

// sourceWords are the flags of a source, to be given again.
func sourceWords(o *wire.PlanOptions) []string {
	words := []string{"--source", o.Source}
	for _, p := range o.Include {
		words = append(words, "--include", p)
	}
	for _, c := range columnFlag(o.Columns).words() {
		words = append(words, "--column", c)
	}
	if o.Tar {
		words = append(words, "--tar")
	}
	if o.Again {
		words = append(words, "--again")
	}
	if o.Listers != listers {
		words = append(words, "--listers", strconv.Itoa(o.Listers))
	}
	return words
}

// tryingAgain says what a plan waits for.
func tryingAgain(w io.Writer) func(tries int, err error) {
	return func(tries int, err error) { fmt.Fprintf(w, "tried %d times, and trying again: %v\n", tries, err) }
}

// errPlanning is the end of a planning that was interrupted.
var errPlanning = fmt.Errorf("%w; the same command goes on where this one was", errInterrupted)

// enumerate plans the source of a run, or finds the plan that there is. From here on the run is one of this plan.
func (o *runOptions) enumerate(ctx context.Context, e *env, c *config.Config) error {
	if o.from.Source == "" {
		return nil
	}
	o.from.Out, o.from.Name = o.plan, o.name
	tellPlanning(&o.from, e.err)
	p, err := wire.PlanOnce(ctx, c, o.from)
	if err != nil {
		if ctx.Err() != nil {
			return errPlanning
		}
		return err
	}
	o.plan, o.models = p.At, p.Models
	tellPlan(e.err, o.from.Source, "; what the source has got since is not in it (--name NAME plans it anew)", p)
	return nil
}

// tellPlan says where the plan of a run lies, and what it is; found is said of one that was there.
func tellPlan(w io.Writer, source, found string, p *wire.PlanFor) {
	switch {
	case p.Found:
		fmt.Fprintf(w, "the plan of %s is there already, at %s: %d references, of %s%s\n", source, p.At, p.Plan.Items, p.Plan.Created.Format(time.RFC3339), found)
	case p.Resumed:
		fmt.Fprintf(w, "the plan that was begun at %s is finished: %d of %d references, %d are computed already\n", p.At, p.Planned, p.Seen, p.Known)
	default:
		fmt.Fprintf(w, "planned at %s: %d of %d references, %d are computed already\n", p.At, p.Planned, p.Seen, p.Known)
	}
	if p.Lists > 0 {
		fmt.Fprintf(w, "left out: %s\n", listsLeft(p.Lists))
	}
}
