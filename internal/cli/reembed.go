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
	"time"

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
	cutOver  string
	asJSON   bool
}

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
	f.StringVar(&o.cutOver, "cut-over", "", "do what brings readers to the new outputs, where it can be done here, under this name: a view, or _current/NAME.json beside files; default: print it")
	f.StringVar(&o.run.rate, "max-rate", "", "references a second that are read at most, as 200/s; default: as many as are computed")
	f.StringVar(&o.run.until, "until", "", "when to stop as Ctrl-C does: a duration, as 2h30m, or a time, as 06:00 (the next) or 2026-01-31T06:00")
	f.BoolVar(&o.asJSON, "json", false, "print progress, end and what was checked on standard output, one JSON object a line")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if o.old == "" || o.now == "" {
		return usageError{errors.New("--old PIPELINE or --new PIPELINE is missing")}
	}
	if o.model != "" {
		return o.printBeside(e.stdout)
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
	return words
}

// do plans, computes, checks and cuts over. Each goes on where it was, or finds that it is done: whenever the command ends, it is given again.
func (o *reembedOptions) do(ctx context.Context, e *env) error {
	show := newShow(e, o.asJSON)
	gate, deaf := pausable(e.err)
	defer deaf()
	o.run.read.Gate, show.gate = gate, gate
	o.run.reembed = o.words()
	c, log, err := e.load(o.run.config)
	if err != nil {
		return err
	}
	r, err := wire.NewReembed(c, o.old, o.now, o.noStream, log)
	if err != nil {
		return usageError{err}
	}
	defer r.Close()
	from := wire.PlanOptions{Out: o.run.plan, Log: slog.New(slog.DiscardHandler), Listers: listers}
	tellPlanning(&from, e.err)
	p, err := r.Plan(ctx, from)
	if err != nil {
		if ctx.Err() != nil {
			err = errPlanning
		}
		return o.run.notBegun(ctx, e, show, err)
	}
	tellPlan(e.err, "the output of "+o.old, "", p)
	list, err := wire.OpenPlan(ctx, r.Config, p.At)
	if err != nil {
		return err
	}
	o.run.plan, o.run.name, o.run.models = p.At, list.Plan().Name, p.Models
	if err := o.run.compute(ctx, e, show, r.Config, log, wire.PlanSource(list, o.run.read), list.Plan()); err != nil {
		return err
	}
	v, err := r.Verify(ctx, list.Plan(), o.lacking, func(behind int64) {
		fmt.Fprintf(e.err, "%s is %d records of the stream behind %s\n", o.now, behind, o.old)
	})
	if err != nil {
		err = interrupted(ctx, fmt.Errorf("checking: %w", err))
		if errors.Is(err, errInterrupted) {
			err = fmt.Errorf("%w; go on with: %s", err, o.run.again())
		}
		return err
	}
	if err := o.printVerified(e.stdout, v); err != nil {
		return err
	}
	if len(v.Offences) > 0 {
		return errors.New("the new output is not what the old one is; nothing was cut over")
	}
	return o.cut(ctx, e.stdout, r)
}

func (o *reembedOptions) printVerified(w io.Writer, v *wire.Verified) error {
	if o.asJSON {
		return json.NewEncoder(w).Encode(struct {
			Event string `json:"event"`
			*wire.Verified
		}{"verified", v})
	}
	fmt.Fprintf(w, "%s has %d of %d planned references of %s, and %d dead letters; %d it had before, %d offsets come from the stream; %d outputs audited\n", o.now, v.Computed, v.Planned, o.old, v.Dead, v.Known, v.Stream, v.Audited)
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
	for _, s := range r.CutOver(name) {
		state := "to do"
		if o.cutOver != "" && s.Do != nil {
			if err := s.Do(ctx); err != nil {
				return fmt.Errorf("cutting over: %w", err)
			}
			state = "done"
		}
		if o.asJSON {
			if err := json.NewEncoder(w).Encode(map[string]string{"event": "cut-over", "state": state, "what": s.What}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", state, s.What)
	}
	return nil
}
