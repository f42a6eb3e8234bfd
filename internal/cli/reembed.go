package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/wire"
)

// reembedOptions say what is computed again, and what follows.
type reembedOptions struct {
	run      runOptions
	old, now string // pipelines
	model    string // of a pipeline that is to be written into the configuration
	noStream bool
	lacking  int64
	wait     time.Duration // for the first share to make the plan
	cutOver  string
}

// mostWait is how long shares wait for news of the plan unless it is said: what the outputs have is read before the first references are saved, of billions of rows for many minutes.
const mostWait = time.Hour

func runReembed(ctx context.Context, e *env, args []string) error {
	f := e.flags("reembed")
	o := reembedOptions{}
	f.StringVar(&o.run.config, "config", "", "configuration file, of the workers, which run both pipelines")
	f.StringVar(&o.old, "old", "", "pipeline whose rows are computed again")
	f.StringVar(&o.now, "new", "", "pipeline that computes them: another model, preprocessing or heads, the same topics, outputs of its own")
	f.StringVar(&o.model, "model", "", "print the pipeline --new for the configuration: the old one with this model and with outputs of its own; nothing else is done")
	f.StringVar(&o.run.plan, "plan", "", "directory or s3://bucket/prefix where the plan is to lie; default: _plans beside the new rows")
	f.BoolVar(&o.noStream, "no-stream", false, "nothing comes from the topics any more: all that the old outputs have is computed here")
	f.Int64Var(&o.lacking, "lacking", 0, "references that may end as dead letters: objects that are gone, or are others now")
	f.StringVar(&o.cutOver, "cut-over", "", "do what brings readers to the new outputs, where it can be done here, under this name: a view of PostgreSQL, an alias of Qdrant, Milvus, OpenSearch or Redis, _current/NAME.json beside files; default: print it")
	f.StringVar(&o.run.share, "share", "", "compute a share of the plan alone, as 3/8, the fourth of eight, beside others that compute theirs; the first makes the plan, and the one that ends last checks and cuts over")
	f.DurationVar(&o.wait, "wait", mostWait, "with --share: how long to wait for the first share, which makes the plan, while nothing new is saved of it; 0: not at all")
	f.StringVar(&o.run.topic, "topic", "", "publish the plan to this topic, which the new pipeline alone reads, for workers, in place of computing it here")
	f.Int64Var(&o.run.maxLag, "max-lag", mostLag, "with --topic: records that the workers may have before them; no more is published while they do")
	f.StringVar(&o.run.rate, "max-rate", "", "references a second that are read at most, as 200/s; default: as many as are computed")
	f.StringVar(&o.run.until, "until", "", "when to stop as Ctrl-C does: a duration, as 2h30m, or a time, as 06:00 (the next) or 2026-01-31T06:00")
	f.BoolVar(&o.run.asJSON, "json", false, "print progress, end and what was checked on standard output, one JSON object a line")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if o.old == "" || o.now == "" {
		return usageError{errors.New("--old PIPELINE or --new PIPELINE is missing")}
	}
	if o.model != "" {
		return o.printBeside(e.stdout)
	}
	if o.run.topic != "" && o.run.share != "" {
		return usageError{errors.New("--topic and --share: a topic divides itself; give one of them")}
	}
	if err := o.run.checkShare(); err != nil {
		return err
	}
	if o.wait < 0 {
		return usageError{errors.New("--wait is not negative")}
	}
	if err := o.run.checkPace(time.Now()); err != nil {
		return err
	}
	return o.do(ctx, e)
}

// printBeside prints the new pipeline's part of the configuration.
func (o *reembedOptions) printBeside(w io.Writer) error {
	if o.run.config == "" {
		return usageError{errors.New("--config FILE is missing")}
	}
	file, err := os.ReadFile(o.run.config)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	text, err := config.Beside(file, o.old, o.now, o.model)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

// words are the flags that go on.
func (o *reembedOptions) words() []string {
	words := []string{"--old", o.old, "--new", o.now}
	if o.run.plan != "" {
		words = append(words, "--plan", o.run.plan)
	}
	if o.noStream {
		words = append(words, "--no-stream")
	}
	if o.lacking > 0 {
		words = append(words, "--lacking", strconv.FormatInt(o.lacking, 10))
	}
	if o.cutOver != "" {
		words = append(words, "--cut-over", o.cutOver)
	}
	if o.run.share != "" {
		words = append(words, "--share", o.run.share)
		if o.wait != mostWait && o.run.read.Share.I > 0 {
			words = append(words, "--wait", o.wait.String())
		}
	}
	return words
}

// do plans, computes, checks and cuts over. Each goes on where it was, or finds that it is done: whenever the command ends, it is given again.
func (o *reembedOptions) do(ctx context.Context, e *env) error {
	ctx, cancel := o.run.limited(ctx)
	defer cancel()
	show := newShow(e, o.run.asJSON)
	gate, deaf := pausable(e.err)
	defer deaf()
	o.run.read.Gate, show.gate = gate, gate
	o.run.reembed = o.words()
	c, log, err := e.loadWithModels(o.run.config)
	if err != nil {
		return err
	}
	r, err := wire.NewReembed(c, o.old, o.now, o.noStream, log)
	if err != nil {
		return usageError{err}
	}
	defer r.Close()
	if o.cutOver != "" {
		if err := r.CheckName(o.cutOver); err != nil {
			return usageError{fmt.Errorf("--cut-over: %w", err)}
		}
	}
	if o.run.topic != "" {
		if err := r.Through(o.run.topic); err != nil {
			return usageError{err}
		}
	}
	list, err := o.plan(ctx, e, r)
	if err != nil {
		return o.run.notBegun(ctx, e, show, err)
	}
	left, err := o.computed(ctx, e, show, r, log, list)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return o.printLeft(e.stdout, left, list.Plan())
	}
	v, err := r.Verify(ctx, list.Plan(), o.lacking, o.tellBehind(e.err))
	if err != nil {
		return o.goesOn(ctx, fmt.Errorf("checking: %w", err))
	}
	if err := o.printVerified(e.stdout, v); err != nil {
		return err
	}
	if len(v.Offences) > 0 {
		return errors.New("the new output is not what the old one is; nothing was cut over")
	}
	return o.goesOn(ctx, o.cut(ctx, e.stdout, r))
}

// tellBehind says how many records workers have to write yet, whenever that has changed.
func (o *reembedOptions) tellBehind(w io.Writer) func(behind int64) {
	told := int64(-1)
	return func(behind int64) {
		if behind != told {
			fmt.Fprintf(w, "%s has %d records to write yet\n", o.now, behind)
			told = behind
		}
	}
}

// plan makes the plan, goes on with it or finds it. Of several shares the first makes it, and the others wait for it.
func (o *reembedOptions) plan(ctx context.Context, e *env, r *wire.Reembed) (*plan.List, error) {
	from := wire.PlanOptions{Out: o.run.plan, Gate: o.run.read.Gate, Log: slog.New(slog.DiscardHandler), Listers: listers}
	tellPlanning(&from, e.err)
	if o.run.read.Share.I > 0 {
		from.Await = &wire.Await{Patience: o.wait, Told: func(at string, w plan.Waiting) { fmt.Fprintln(e.err, o.waits(at, w)) }}
	}
	p, err := r.Plan(ctx, from)
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, errPlanning
	case errors.Is(err, plan.ErrQuiet):
		return nil, o.givenUp()
	case err != nil:
		return nil, err
	}
	tellPlan(e.err, "the output of "+o.old, "", p)
	o.run.plan, o.run.models = p.At, p.Models
	list, err := wire.OpenPlan(ctx, r.Config, p.At)
	if err == nil {
		o.run.name = list.Plan().Name
	}
	return list, err
}

// waits says what another share than the first waits for, and how long.
func (o *reembedOptions) waits(at string, w plan.Waiting) string {
	has := "nothing of it is saved yet"
	if w.Begun {
		has = fmt.Sprintf("%d references are saved", w.Items)
	}
	return fmt.Sprintf("waiting for share 0/%d, which makes the plan at %s: %s; no news for %v, and %v at most (--wait)", o.run.read.Share.N, at, has, w.Quiet.Round(time.Second), o.wait)
}

// givenUp is the end of a share that has waited in vain: what the first one did is not known here.
func (o *reembedOptions) givenUp() error {
	first := *o
	first.run.read.Share.I = 0
	first.run.share = fmt.Sprintf("0/%d", first.run.read.Share.N)
	first.run.reembed = first.words()
	return fmt.Errorf("%w in %v by share %s, which makes it: see how that one ended, and give it again: %s; go on with: %s", plan.ErrQuiet, o.wait, first.run.share, first.run.again(), o.run.again())
}

// computed computes the plan, or publishes it, or computes a share of it, and says which shares are left then. Of a plan that was begun in shares nothing is computed without one: whether all are done is looked at.
func (o *reembedOptions) computed(ctx context.Context, e *env, show *show, r *wire.Reembed, log *slog.Logger, list *plan.List) (left []int, err error) {
	if o.run.topic != "" {
		return nil, o.run.publishPlan(ctx, e, log, o.run.read.Gate, r.Publish)
	}
	shares := o.run.read.Share.N
	if o.run.share == "" {
		if shares, err = wire.Divided(ctx, r.Config, o.run.plan); err != nil {
			return nil, o.goesOn(ctx, err)
		}
	}
	if o.run.share != "" || shares <= 1 {
		if err := o.run.compute(ctx, e, show, r.Config, log, wire.PlanSource(list, o.run.read), list.Plan()); err != nil || shares <= 1 {
			return nil, err
		}
	}
	if left, err = r.Left(ctx, list.Plan(), shares); err != nil {
		return nil, o.goesOn(ctx, err)
	}
	if o.run.share == "" && len(left) > 0 {
		return nil, fmt.Errorf("plan %s was begun in %d shares, of which %s not done; go on with --share %d/%d", list.Plan().Name, shares, are(left), left[0], shares)
	}
	return left, nil
}

// are is "2 is", or "0, 2 are".
func are(numbers []int) string {
	var words []string
	for _, n := range numbers {
		words = append(words, strconv.Itoa(n))
	}
	if len(words) == 1 {
		return words[0] + " is"
	}
	return strings.Join(words, ", ") + " are"
}

// goesOn adds to what a command that was told to stop says how to go on.
func (o *reembedOptions) goesOn(ctx context.Context, err error) error {
	if err = o.run.interrupted(ctx, err); errors.Is(err, errInterrupted) {
		return fmt.Errorf("%w; go on with: %s", err, o.run.again())
	}
	return err
}

// printLeft is the end of a share that is done before others.
func (o *reembedOptions) printLeft(w io.Writer, left []int, p *plan.Plan) error {
	if o.run.asJSON {
		return json.NewEncoder(w).Encode(struct {
			Event string `json:"event"`
			Share string `json:"share"`
			Left  []int  `json:"left"`
		}{"share", o.run.share, left})
	}
	_, err := fmt.Fprintf(w, "share %s of plan %s is done, and %s not; the one that ends last checks, and says how readers come to the new output\n", o.run.share, p.Name, are(left))
	return err
}

func (o *reembedOptions) printVerified(w io.Writer, v *wire.Verified) error {
	if o.run.asJSON {
		return json.NewEncoder(w).Encode(struct {
			Event string `json:"event"`
			*wire.Verified
		}{"verified", v})
	}
	stream := fmt.Sprintf("%d offsets come from the stream", v.Stream)
	if v.Buried > 0 {
		stream += fmt.Sprintf(", with dead letters of %d references that %s has", v.Buried, o.old)
	}
	fmt.Fprintf(w, "%s has %d of %d planned references of %s, and %d dead letters; %d it had before, %s; %d outputs audited\n", o.now, v.Computed, v.Planned, o.old, v.Dead, v.Known, stream, v.Audited)
	for _, s := range v.Offences {
		fmt.Fprintf(w, "  %s\n", s)
	}
	return nil
}

// cut does the steps of the cut-over, or prints them.
func (o *reembedOptions) cut(ctx context.Context, w io.Writer, r *wire.Reembed) error {
	name := o.cutOver
	if name == "" {
		name = r.CurrentName()
	}
	can := false
	for _, s := range r.CutOver(name) {
		state := "to do"
		can = can || s.Do != nil
		if o.cutOver != "" && s.Do != nil {
			err := s.Do(ctx)
			switch {
			case err == nil:
				state = "done"
			case !errors.Is(err, wire.ErrByHand):
				return fmt.Errorf("cutting over: %w", err)
			}
		}
		if o.run.asJSON {
			if err := json.NewEncoder(w).Encode(map[string]string{"event": "cut-over", "state": state, "what": s.What}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", state, s.What)
	}
	if o.cutOver == "" && can && !o.run.asJSON {
		if err := r.CheckName(name); err != nil {
			_, err = fmt.Fprintf(w, "--cut-over does none of it: %v\n", err)
			return err
		}
		fmt.Fprintf(w, "the same command with --cut-over %s does what can be done here\n", name)
	}
	return nil
}
