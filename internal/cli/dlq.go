package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/internal/wire"
	"vecmill/schemas"
)

// dlqArgs and dlqDoc are what the list of commands says.
const (
	dlqArgs = "list | show LETTER | replay --config FILE"
	dlqDoc  = "group dead letters, show one, or put their records back"
)

// runDLQ is the command dlq.
func runDLQ(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("say list, show or replay")}
	}
	if asksForHelp(args[0]) {
		return helpError{}
	}
	switch args[0] {
	case "list":
		return dlqList(ctx, e, args[1:])
	case "show":
		return dlqShow(ctx, e, args[1:])
	case "replay":
		return dlqReplay(ctx, e, args[1:])
	}
	return usageError{fmt.Errorf("dlq has no command %q; say list, show or replay", args[0])}
}

// dlqFlags are the flags that all three share.
type dlqFlags struct {
	*flag.FlagSet
	config, topic, url, brokers *string
	json                        *bool
}

func newDLQFlags(e *env, name string) *dlqFlags {
	f := e.flags("dlq " + name)
	return &dlqFlags{
		f, f.String("config", "", "configuration file of the worker; its pipelines' dead letters are meant"),
		f.String("dead-letter-topic", "", "instead of the configuration's: this topic; VECMILL_KAFKA_... says how to reach it"),
		f.String("url", "", "instead of the configuration's: s3://bucket/prefix or file:///directory; VECMILL_S3_... says how to reach it"),
		f.String("brokers", "", "host:port of brokers, separated by commas, when there is no configuration file"),
		f.Bool("json", false, "print JSON, one object a line"),
	}
}

// filters adds the flags that choose letters.
func (f *dlqFlags) filters() func() (dlq.Filter, error) {
	reason := f.String("reason", "", "only letters of this reason: decode, fetch-missing, schema, ...")
	pipeline := f.String("pipeline", "", "only letters of this pipeline")
	topic := f.String("topic", "", "only letters whose record was read from this topic")
	return func() (dlq.Filter, error) {
		x := dlq.Filter{Reason: schemas.Reason(*reason), Pipeline: *pipeline, Topic: *topic}
		return x, x.Validate()
	}
}

// open opens the stores that the flags name: of a configuration those of one pipeline, or of all if that is "".
func (f *dlqFlags) open(ctx context.Context, e *env, pipeline string) (*wire.Letters, error) {
	direct := config.DeadLetters{Topic: *f.topic, URL: *f.url}
	switch {
	case *f.topic != "" && *f.url != "":
		return nil, usageError{errors.New("give --dead-letter-topic or --url, not both")}
	case *f.config == "" && direct == config.DeadLetters{}:
		return nil, usageError{errors.New("--config FILE is missing, or --dead-letter-topic or --url in its place")}
	}
	if err := isStore(*f.url); err != nil {
		return nil, usageError{err}
	}
	var c *config.Config
	var log *slog.Logger
	var err error
	if *f.config != "" {
		if c, log, err = e.load(*f.config); err != nil {
			return nil, err
		}
	} else {
		if c, err = config.FromEnvironment(os.LookupEnv); err != nil {
			return nil, usageError{err}
		}
		log = e.logger(c.Log)
	}
	if *f.brokers != "" {
		c.Kafka.Brokers = strings.Split(*f.brokers, ",")
	}
	if *f.topic != "" && len(c.Kafka.Brokers) == 0 {
		return nil, usageError{errors.New("--brokers HOST:PORT is missing: there is no configuration that says where the topic is")}
	}
	if (direct != config.DeadLetters{}) {
		return wire.OpenLettersAt(ctx, c, []config.DeadLetters{direct}, log)
	}
	if i := slices.IndexFunc(c.Pipelines, func(p config.Pipeline) bool { return p.Name == pipeline }); i >= 0 {
		return wire.OpenLettersAt(ctx, c, []config.DeadLetters{c.Pipelines[i].DeadLetters}, log)
	}
	return wire.OpenLetters(ctx, c, log)
}

// isStore refuses a --url that no letters can be at: a directory that is not there would be made, and look empty.
func isStore(raw string) error {
	if raw == "" {
		return nil
	}
	at, err := config.ParsePlace(raw)
	if err != nil {
		return fmt.Errorf("--url %w", err)
	}
	if at.Dir != "" {
		if st, err := os.Stat(at.Dir); err != nil || !st.IsDir() {
			return fmt.Errorf("--url %s: there is no directory %s", raw, at.Dir)
		}
	}
	return nil
}

func dlqList(ctx context.Context, e *env, args []string) error {
	f := newDLQFlags(e, "list")
	filter := f.filters()
	if err := parse(f.FlagSet, args, 0); err != nil {
		return err
	}
	only, err := filter()
	if err != nil {
		return usageError{err}
	}
	letters, err := f.open(ctx, e, "")
	if err != nil {
		return err
	}
	defer letters.Close()
	for _, s := range letters.Stores {
		l, err := dlq.List(ctx, s, only)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if *f.json {
			err = json.NewEncoder(e.stdout).Encode(struct {
				Store string `json:"store"`
				*dlq.Listing
			}{s.Name, l})
		} else {
			err = printListing(e.stdout, s.Name, l, only)
		}
		if err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	return nil
}

func printListing(w io.Writer, store string, l *dlq.Listing, only dlq.Filter) error {
	none := "no dead letters"
	if only != (dlq.Filter{}) {
		none = "no such dead letters"
	}
	if _, err := fmt.Fprintf(w, "%s\n", store); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	if len(l.Groups) == 0 {
		fmt.Fprintln(t, "  "+none)
	} else {
		fmt.Fprintln(t, "  PIPELINE\tTOPIC\tREASON\tCOUNT\tREPLAYED\tFIRST\tLAST\tEXAMPLE")
	}
	for _, g := range l.Groups {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d\t%d\t%s\t%s\t%.80q\n", g.Pipeline, g.Topic, g.Reason, g.Count, g.Replayed, g.First, g.Last, g.Example)
	}
	for _, u := range l.Unreadable {
		fmt.Fprintf(t, "  not a letter: %s\n", u)
	}
	return t.Flush()
}

func dlqShow(ctx context.Context, e *env, args []string) error {
	f := newDLQFlags(e, "show")
	rest, err := parseMixed(f.FlagSet, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usageError{errors.New("name one letter, as list does: pipeline/topic/partition/offset")}
	}
	o, err := schemas.ParseOrigin(rest[0])
	if err != nil {
		return usageError{err}
	}
	letters, err := f.open(ctx, e, "")
	if err != nil {
		return err
	}
	defer letters.Close()
	for _, s := range letters.Stores {
		l, replayed, err := dlq.Find(ctx, s, o)
		if errors.Is(err, dlq.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		if !*f.json {
			enc.SetIndent("", "  ")
		}
		return enc.Encode(dlq.Show(s.Name, l, replayed))
	}
	return fmt.Errorf("%w: %s", dlq.ErrNotFound, o)
}

func dlqReplay(ctx context.Context, e *env, args []string) error {
	f := newDLQFlags(e, "replay")
	filter := f.filters()
	to := f.String("to", "", "topic to put records into, instead of the one that each was read from")
	manifest := f.String("manifest", "", "write the references to this new file for backfill run, instead of to a topic")
	dry := f.Bool("dry-run", false, "print what would be done, and do nothing")
	again := f.Bool("again", false, "also letters that were replayed before")
	outputs := f.Bool("outputs", true, "ask the configuration's outputs which letters are of records that have rows, and skip these")
	rest, err := parseMixed(f.FlagSet, args)
	if err != nil {
		return err
	}
	o := dlq.ReplayOptions{To: *to, DryRun: *dry, Again: *again}
	if o.Filter, err = filter(); err != nil {
		return usageError{err}
	}
	if len(rest) > 1 || *to != "" && *manifest != "" {
		return usageError{errors.New("name one letter at most, and give --to or --manifest, not both")}
	}
	if len(rest) == 1 {
		only, err := schemas.ParseOrigin(rest[0])
		if err != nil {
			return usageError{err}
		}
		o.Filter.Only = &only
	}
	one := ""
	if *manifest != "" { // letters of several stores do not go into one file
		one = o.Filter.Pipeline
	}
	letters, err := f.open(ctx, e, one)
	if err != nil {
		return err
	}
	defer letters.Close()
	if *manifest != "" && len(letters.Stores) > 1 {
		return usageError{errors.New("the configuration has several dead-letter stores: name one with --pipeline, --dead-letter-topic or --url for --manifest")}
	}
	if *outputs {
		o.Settled = func(ctx context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Span, error) {
			rows, err := letters.Settled(ctx, src, in)
			if err != nil {
				err = fmt.Errorf("%w; --outputs=false asks none, and gives rows twice of letters that are of a try that was cut off", err)
			}
			return rows, err
		}
	}
	tell := func(x dlq.Outcome) {
		if *f.json {
			_ = json.NewEncoder(e.stdout).Encode(x) // a closed pipe must not end a replay halfway
			return
		}
		fmt.Fprintln(e.stdout, strings.Join(slices.DeleteFunc([]string{fmt.Sprintf("%-12s", x.What), x.Letter, arrow(x.To), x.Why}, isEmpty), " "))
	}
	var total dlq.Summary
	for _, s := range letters.Stores {
		var sum dlq.Summary
		if *manifest != "" {
			sum, err = replayToFile(ctx, s, o, *manifest, tell)
		} else {
			sum, err = letters.Replay(ctx, s, o, tell)
		}
		total.Replayed, total.Would, total.Skipped, total.Failed = total.Replayed+sum.Replayed, total.Would+sum.Would, total.Skipped+sum.Skipped, total.Failed+sum.Failed
		if err != nil {
			if err = fmt.Errorf("%s: %w", s.Name, err); sum != (dlq.Summary{}) {
				err = fmt.Errorf("%w; run it again to go on", err)
			}
			break
		}
	}
	fmt.Fprintf(e.err, "%d replayed, %d would be, %d skipped, %d failed\n", total.Replayed, total.Would, total.Skipped, total.Failed)
	switch {
	case err != nil:
		return err
	case total.Failed > 0:
		return dlq.ErrFailed
	case o.Filter.Only != nil && total == (dlq.Summary{}):
		return fmt.Errorf("%w: %s", dlq.ErrNotFound, o.Filter.Only)
	}
	return nil
}

func isEmpty(s string) bool { return s == "" }

func arrow(to string) string {
	if to == "" {
		return ""
	}
	return "-> " + to
}

// replayToFile writes a manifest, and marks its letters when it is durable. The file must be new: a manifest is named once.
func replayToFile(ctx context.Context, s wire.LetterStore, o dlq.ReplayOptions, path string, tell func(dlq.Outcome)) (sum dlq.Summary, err error) {
	if o.DryRun {
		_, sum, err = dlq.WriteManifest(ctx, s, o, io.Discard, tell)
		return sum, err
	}
	file, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	switch {
	case errors.Is(err, fs.ErrExist):
		return dlq.Summary{}, usageError{fmt.Errorf("--manifest %s is there already; name a new file", path)}
	case err != nil:
		return dlq.Summary{}, fmt.Errorf("creating the manifest: %w", err)
	}
	w := bufio.NewWriter(file)
	written, sum, err := dlq.WriteManifest(ctx, s, o, w, tell)
	if err = errors.Join(err, w.Flush(), file.Sync(), file.Close()); err != nil {
		err = fmt.Errorf("writing the manifest: %w", err)
	}
	if err != nil || len(written) == 0 { // a file of nothing, or of a part, would only stand in the way of the next
		return sum, errors.Join(err, os.Remove(filepath.Clean(path)))
	}
	if err := s.MarkReplayed(ctx, written); err != nil {
		return sum, fmt.Errorf("marking what %s has as replayed: %w; it has all of them: compute it, or remove it and give the command again with --again", path, err)
	}
	return sum, nil
}
