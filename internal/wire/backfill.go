package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/pace"
	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/manifestsource"
)

// ReadOptions say how a list of references is read.
type ReadOptions struct {
	Rate    float64           // references a second at most, for each pipeline; 0: as many as are computed
	Columns map[string]string // field of a reference to column of a table
	Gate    *pace.Gate        // holds references back while it is shut; nil: never
	Share   plan.Share        // of a plan
	Sum     string            // of a manifest's content, which must still have it (SumManifest); "": the name promises that it is the same list

	Trying func(tries int, err error) // told of requests for a manifest that fail again and again; may be nil
}

// CheckColumns finds fields that references do not have.
func CheckColumns(c map[string]string) error { return manifestsource.Columns(c).Validate() }

// ManifestSource reads a manifest in place of Kafka: a file of this machine, or an object that an s3:// names.
func ManifestSource(c *config.Config, path, name string, o ReadOptions) func(*config.Pipeline) (stream.Source, error) {
	return func(*config.Pipeline) (stream.Source, error) {
		at, err := o.place(c, path)
		if err != nil {
			return nil, err
		}
		s, err := manifestsource.New(at, name, o.Columns)
		if err != nil {
			return nil, err
		}
		s.Rate, s.Gate, s.Sum = o.Rate, o.Gate, o.Sum
		return s, nil
	}
}

// OpenPlan reads a plan that lies in a directory or under s3://.
func OpenPlan(ctx context.Context, c *config.Config, at string) (*plan.List, error) {
	if _, err := os.Stat(at); errors.Is(err, os.ErrNotExist) && !strings.Contains(at, "://") {
		return nil, fmt.Errorf("%w at %s: there is no such directory", plan.ErrNoPlan, at)
	}
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return nil, err
	}
	return plan.Open(ctx, place)
}

// PlanSource reads a plan in place of Kafka.
func PlanSource(l *plan.List, o ReadOptions) func(*config.Pipeline) (stream.Source, error) {
	return func(*config.Pipeline) (stream.Source, error) {
		part := l.Share(o.Share)
		s := manifestsource.NewList(func(context.Context) (manifestsource.List, error) { return part, nil }, l.Plan().Name, "of the plan")
		s.Rate, s.Gate, s.ID = o.Rate, o.Gate, o.Share.Partition()
		return s, nil
	}
}

// fitList has a list read as its pipeline wants it.
func fitList(ctx context.Context, p *config.Pipeline, m *loadedModel, list *manifestsource.Source, s *stores, o Options) (*listCheckpoint, error) {
	at := list.Partition()
	list.Same = sameList(s, p, schemas.SourceID{Pipeline: p.Name, Topic: at.Topic, Partition: at.ID}, m.maker())
	if s.cfg.Kafka.DrainTimeout > 0 { // a pod's grace goes by it, whatever the pod computes
		list.DrainTimeout = s.cfg.Kafka.DrainTimeout.D()
	}
	list.Cut = func(whole int64) {
		o.Log.Warn("the list ends in a line without its end, or in quotes that nothing closes: what may be half written is left out; the same command computes it when it has its end", "pipeline", p.Name, "manifest", at.Topic, "references", whole)
	}
	kept, err := openCheckpoint(ctx, s, p, m, list, o)
	if kept != nil {
		list.Kept = kept.keep
		same := list.Same
		list.Same = func(ctx context.Context, l manifestsource.List) error {
			if err := same(ctx, l); err != nil {
				return err
			}
			return kept.within(ctx, l.Len())
		}
	}
	return kept, err
}

// planPlace opens a place, making its directory.
func planPlace(ctx context.Context, s *stores, at string) (plan.Place, error) {
	named := at
	if !strings.Contains(at, "://") {
		at = "file://" + filepath.ToSlash(absolute(at))
	}
	where, err := config.ParsePlace(at)
	if err != nil {
		return plan.Place{}, fmt.Errorf("the plan's place: %w", err)
	}
	if where.Dir != "" {
		if err := os.MkdirAll(where.Dir, 0o755); err != nil {
			return plan.Place{}, fmt.Errorf("the plan's directory: %w", err)
		}
	}
	store, prefix, err := s.openPatient(ctx, at)
	if err != nil {
		return plan.Place{}, fmt.Errorf("the plan's place: %w", err)
	}
	return plan.Place{Store: store, Prefix: prefix, At: named}, nil
}

// PlanOptions say what is planned, and where the plan goes.
type PlanOptions struct {
	Source   string            // s3://bucket/prefix, or a list of references: a file of this machine or s3://bucket/key
	Out      string            // directory or s3://bucket/prefix
	Name     string            // of the manifest in the output; "": one that no other plan has
	Include  []string          // patterns of keys, or of members
	Tar      bool              // the members of tar files are planned
	Columns  map[string]string // field of a reference to column of a table
	Listers  int               // requests at once
	Again    bool              // plan what is computed already, too
	Sample   int
	Seed     uint64
	Estimate EstimateOptions
	Tell     func(backfill.Counts)
	Reading  func(files, of int)        // told of each file of an output that was read for what is computed already; may be nil
	Trying   func(tries int, err error) // told of requests that fail again and again; may be nil
	Gate     *pace.Gate                 // while it is shut, what was listed is not planned, and no more is listed than is on its way; may be nil
	Await    *Await                     // not nil: another process makes the plan, for which PlanOnce waits
	Log      *slog.Logger

	byID  bool                                                                                                         // what is computed under another id is not known
	place plan.Place                                                                                                   // where the plan lies
	sum   string                                                                                                       // of a list that is the source
	open  func(ctx context.Context, s *stores, models []*loadedModel, o *PlanOptions) (backfill.Source, func(), error) // in place of what Source says
}

// Await is how long a plan is waited for that another process makes, as plan.Await does, and who is told.
type Await struct {
	Patience time.Duration
	Told     func(at string, w plan.Waiting)
}

// Planned is a finished plan with what its run is expected to take.
type Planned struct {
	*plan.Plan
	backfill.Counts
	Promise
	Bytes    int64  `json:"bytes"`              // of the objects, where the source says
	Found    bool   `json:"found,omitempty"`    // it was complete already: nothing was enumerated
	KnownSet int64  `json:"known_works"`        // what the outputs have of what is asked for, of any reference
	Snapshot *int64 `json:"snapshot,omitempty"` // of the table that was the source
	Files    *int64 `json:"files,omitempty"`    // the number of the list of files, beside the plan, that were the source

	Unasked map[string]int64 `json:"unasked,omitempty"` // by pipeline whose where asks about the record: references that are counted for it, all that it may take
}

// Memory is what a run is expected to hold, in bytes; zero where the system does not tell, or nothing was computed.
type Memory struct {
	Computing int64 `json:"computing_bytes"` // was held while objects were computed: models, their arenas, batches
	Peak      int64 `json:"peak_bytes"`      // with objects on their way and rows of open files
	Most      int64 `json:"most_bytes"`      // if all that the configuration allows for these is used
}

// Plan enumerates a source, leaves out what is computed already, and says what the rest will take.
func Plan(ctx context.Context, c *config.Config, o PlanOptions) (_ *Planned, err error) {
	s := &stores{cfg: c, told: seldom(o.Trying)}
	place, err := planPlace(ctx, s, o.Out)
	if err != nil {
		return nil, err
	}
	load := describeModel
	if o.Estimate.For > 0 {
		load = loadModel
	}
	models, err := allModels(ctx, c, s, o.Log, load)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, models.close()) }()
	words, err := o.words(ctx, s, models)
	if err != nil {
		return nil, err
	}
	o.place = place
	out, err := o.foundOrMade(ctx, c, s, models, words)
	if err == nil {
		out.Unasked, err = unasked(c, out.Plan)
	}
	return out, err
}

// foundOrMade is the plan that is complete already, or that is made.
func (o *PlanOptions) foundOrMade(ctx context.Context, c *config.Config, s *stores, models []*loadedModel, words planWords) (*Planned, error) {
	switch p, err := plan.Load(ctx, o.place); {
	case err == nil:
		return o.foundPlan(ctx, c, s, models, p, words)
	case !errors.Is(err, plan.ErrNoPlan):
		return nil, err
	}
	w, state, err := plan.NewWriter(ctx, o.place, o.title(words))
	if err != nil {
		return nil, err
	}
	return makePlan(ctx, c, s, models, w, state, *o)
}

// unasked says how many references of a plan are counted for pipelines whose where asks about the record, which there is none of yet: all of their modality and route.
func unasked(c *config.Config, p *plan.Plan) (all map[string]int64, err error) {
	inputs, err := newInputs(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	for i := range inputs {
		if f := inputs[i].filter; f == nil || !f.AsksRecord() {
			continue
		}
		if all == nil {
			all = map[string]int64{}
		}
		name := c.Pipelines[i].Name
		for names, n := range p.For {
			if slices.Contains(strings.Split(names, ","), name) {
				all[name] += n
			}
		}
	}
	return all, nil
}

// foundPlan is the plan that is complete already: a process that was interrupted behind its last request leaves one, and its command goes on here. What could not be estimated is estimated again, and what nobody has asked for yet.
func (o *PlanOptions) foundPlan(ctx context.Context, c *config.Config, s *stores, models []*loadedModel, p *plan.Plan, words planWords) (*Planned, error) {
	if err := o.isOf(p, words); err != nil {
		return nil, err
	}
	out := &Planned{Plan: p, Bytes: p.Bytes, Found: true}
	var about planAbout
	if err := json.Unmarshal(p.About, &about); err != nil {
		return nil, fmt.Errorf("the plan at %s: %w", o.Out, err)
	}
	others := func(e backfill.Expectation) bool {
		return !slices.ContainsFunc(c.Pipelines, func(p config.Pipeline) bool { return p.Name == e.Pipeline })
	}
	refused := func(e backfill.Expectation) bool { return e.Refused != "" }
	mended := slices.ContainsFunc(about.Expected, refused) && !slices.ContainsFunc(about.Expected, others) // what is said of pipelines that are not here would be lost
	absent, _ := Absent(c, p)
	unsaid := len(about.Expected) == 0 && p.Items > 0 && len(absent) == 0 // nothing would ever be said of these
	if o.Estimate.wanted() && (mended || unsaid) {
		if err := o.promiseAgain(ctx, c, s, models, out, &about); err != nil {
			return nil, err
		}
	}
	out.Counts, out.Promise, out.Snapshot, out.Files = about.Counts, about.Promise, about.Snapshot, about.Files
	return out, nil
}

// planAbout is what a plan has of its maker.
type planAbout struct {
	backfill.Counts
	Promise
	Snapshot *int64           `json:"snapshot,omitempty"`
	Files    *int64           `json:"files,omitempty"`
	Bounds   []backfill.Bound `json:"bounds,omitempty"` // of the output that is computed again; none in what builds before this one made
}

// makePlan goes on where w's state is, to the plan's end.
func makePlan(ctx context.Context, c *config.Config, s *stores, models []*loadedModel, w *plan.Writer, state json.RawMessage, o PlanOptions) (*Planned, error) {
	done, err := knownWorks(ctx, c, s, models, o)
	if err != nil {
		return nil, err
	}
	defer done.close()
	copies := done.copies()
	if copies != nil {
		defer copies.Close()
	}
	src, closeSource, err := planSource(ctx, s, models, &o)
	if err != nil {
		return nil, err
	}
	defer closeSource()
	draft, err := backfill.Make(ctx, w, state, src, backfill.MakeOptions{Known: done.known, For: done.names, Sample: o.Sample, Seed: o.Seed, Wait: o.Gate.Wait, Tell: o.Tell, Copies: copies})
	if errors.Is(err, manifestsource.ErrChanged) {
		err = fmt.Errorf("%s: %w; plan it at another place, or under another --name", o.Source, err)
	}
	if err != nil {
		return nil, err
	}
	out := &Planned{Counts: draft.Counts, Bytes: draft.Bytes, KnownSet: done.set.Len()}
	about := planAbout{Counts: out.Counts}
	if b, ok := src.(*boundedSource); ok {
		about.Bounds = b.bounds
	}
	if t, ok := src.(*backfill.Table); ok && o.isTable() {
		out.Files = t.Taken()
	} else if ok {
		out.Snapshot = t.Taken()
	}
	if o.Estimate.wanted() {
		if err := draft.Recall(ctx, w); err != nil {
			return nil, err
		}
		if out.Promise, err = promise(ctx, s, done, copies, draft, o.Estimate, o.Log); err != nil {
			return nil, err
		}
	}
	about.Promise, about.Snapshot, about.Files = out.Promise, out.Snapshot, out.Files
	out.Plan, err = w.Finish(ctx, about)
	return out, err
}

// Promise is what a plan says of its run.
type Promise struct {
	Expected []backfill.Expectation `json:"expected"`
	Memory   Memory                 `json:"memory"`
}

// promise estimates a draft. Before that it gives back the memory of what outputs have: a run does not have it.
func promise(ctx context.Context, s *stores, done *doneWorks, copies *backfill.Copies, d *backfill.Draft, o EstimateOptions, log *slog.Logger) (said Promise, err error) {
	done.close()
	if copies != nil {
		copies.Close()
	}
	peak := watchMemory()
	said.Expected, err = estimate(ctx, s, &done.takers, d, o, log)
	if most := peak(); slices.ContainsFunc(said.Expected, func(e backfill.Expectation) bool { return e.Tried > 0 }) {
		said.Memory = memoryOf(s.cfg, most, said.Expected)
	}
	return said, err
}

// promiseAgain estimates a complete plan of whose sample nothing could be read or computed, as under a limit that has been raised since, or while a bucket was missing, or for which no estimate was asked. Its references stay as they are.
func (o *PlanOptions) promiseAgain(ctx context.Context, c *config.Config, s *stores, models []*loadedModel, out *Planned, about *planAbout) error {
	w, state, err := plan.Reopen(ctx, o.place, out.Plan)
	if err != nil || state == nil {
		return err
	}
	again := *o
	again.Again = true // what outputs have is left out already: of them contents alone count, for copies
	done, err := knownWorks(ctx, c, s, models, again)
	if err != nil {
		return err
	}
	defer done.close()
	copies := done.copies()
	if copies != nil {
		defer copies.Close()
	}
	draft, err := backfill.Redraft(ctx, w, state, copies, done.names)
	if err != nil {
		return err
	}
	about.Copied = draft.Copied
	if about.Promise, err = promise(ctx, s, done, copies, draft, o.Estimate, o.Log); err != nil {
		return err
	}
	out.Plan, err = w.Retell(ctx, about)
	return err
}

// PromiseOf reads what a plan says; nothing of one that estimates nothing, and of none.
func PromiseOf(p *plan.Plan) (said Promise) {
	if p == nil || p.Items == 0 || json.Unmarshal(p.About, &said) != nil {
		return Promise{}
	}
	return said
}

// Models are what is known of a configuration's models, by pipeline. Whoever opens them closes them.
type Models []*loadedModel

// allModels loads or describes the models of a configuration.
func allModels(ctx context.Context, c *config.Config, s *stores, log *slog.Logger,
	load func(context.Context, *config.Config, *config.Pipeline, *stores, *slog.Logger) (*loadedModel, error),
) (all Models, err error) {
	for i := range c.Pipelines {
		m, err := load(ctx, c, &c.Pipelines[i], s, log)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("pipeline %s: %w", c.Pipelines[i].Name, err), all.close())
		}
		all = append(all, m)
	}
	return all, nil
}

func (all Models) close() error {
	var errs []error
	for _, m := range all {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// headsKey is where a file's metadata says which options the heads of its rows had.
const headsKey = "heads"

// headOptions are a head with the digest of all that decides what it makes of a model's outputs, see [heads.Identity].
type headOptions struct{ name, digest string }

// headDigits is how much of a head's digest is told: a file's metadata is short.
const headDigits = 12

// headOptions reads what the heads read, whole.
func (m *loadedModel) headOptions(ctx context.Context) (all []headOptions, err error) {
	digests, err := m.identity.Digests(ctx)
	if err != nil {
		return nil, fmt.Errorf("heads: %w", err)
	}
	for i, h := range m.heads {
		if digests[i] != "" { // else its rows are never known
			all = append(all, headOptions{h.Name(), digests[i][:headDigits]})
		}
	}
	return all, nil
}

// mostHeadsText keeps a file's metadata within what stores take. Longer, and nothing is said: rows are then never known to be computed.
const mostHeadsText = 360

// formatHeads is "name=digest,..." with names escaped.
func formatHeads(all []headOptions) string {
	var words []string
	for _, h := range all {
		words = append(words, url.QueryEscape(h.name)+"="+h.digest)
	}
	text := strings.Join(words, ",")
	if len(text) > mostHeadsText {
		return ""
	}
	return text
}

func parseHeads(text string) map[string]string {
	out := map[string]string{}
	for word := range strings.SplitSeq(text, ",") {
		name, digest, ok := strings.Cut(word, "=")
		if n, err := url.QueryUnescape(name); ok && err == nil {
			out[n] = digest
		}
	}
	return out
}
