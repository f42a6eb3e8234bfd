package predict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"vecmill/embed"
	"vecmill/model"
)

// Job is what Run does.
type Job struct {
	Settings   Settings
	Task       string // of the pipeline; empty: the usual one of the class
	Options    Options
	Preprocess bool   // stop behind preprocessing: write its tensors, print nothing
	TensorsOut string // file for the raw tensors: outputs, or inputs with Preprocess
}

// line is one line of output.
type line struct {
	Input  any    `json:"input"`
	Task   string `json:"task"`
	Result result `json:"result"`
}

// runner is a job in progress.
type runner struct {
	job    *Job
	spec   *model.Spec
	task   task
	worker worker
	loaded *loaded          // nil until the first input has shown what the graph must take
	raw    [][]embed.Tensor // of every run of every input, if they are to be written
	out    *json.Encoder
}

// Run predicts the inputs that each yields, in order, and writes one JSON object a line to w: {"input", "task", "result"}. It stops at the first
// input that fails. Tensors are written to TensorsOut at the end: under their own names if there was one run of the graph, else as "0/logits",
// "1/logits", ...
func Run(ctx context.Context, job Job, w io.Writer, each func(do func(Input) error) error) (err error) {
	spec, err := openSpec(ctx, job.Settings)
	if err != nil {
		return err
	}
	r := &runner{job: &job, spec: spec, out: json.NewEncoder(w)}
	r.out.SetEscapeHTML(false)
	if r.task, err = taskFor(spec, job.Task); err != nil {
		return err
	}
	if r.worker, err = r.task.make(spec, job.Options); err != nil {
		return fault(err)
	}
	defer func() {
		if r.loaded != nil {
			err = errors.Join(err, r.loaded.close())
		}
	}()
	if err := each(func(in Input) error { return r.one(ctx, &in) }); err != nil {
		return err
	}
	return r.write()
}

// one predicts one input.
func (r *runner) one(ctx context.Context, in *Input) error {
	p, err := r.worker.prepare(ctx, in)
	if err != nil {
		return fault(err)
	}
	if r.job.Preprocess {
		r.keep(p.runs...)
		return nil
	}
	var outs [][]embed.Tensor
	for i := 0; i < len(p.runs); i++ { // p.runs may grow
		out, err := r.compute(ctx, p.runs[i], p.padded)
		if err != nil {
			return err
		}
		r.keep(out)
		if p.more == nil {
			outs = append(outs, out)
			continue
		}
		next, err := p.more(out)
		if err != nil {
			return err
		}
		if next != nil {
			p.runs = append(p.runs, next)
		}
	}
	res, err := r.worker.finish(p, outs)
	if err != nil {
		return err
	}
	if err := r.out.Encode(line{in.shown, r.task.name, res}); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// compute runs the graph, which the first run chooses: all inputs of a processor have the same names and, for pictures, the same size.
func (r *runner) compute(ctx context.Context, run []embed.Tensor, padded bool) ([]embed.Tensor, error) {
	named := map[string]embed.Tensor{}
	for _, t := range run {
		named[t.Name] = t
	}
	inputs, o, err := feed(r.spec, named)
	if err != nil {
		return nil, fault(err)
	}
	if r.loaded == nil {
		s := r.job.Settings
		s.HFPadding = s.HFPadding || padded
		if r.loaded, err = load(ctx, r.spec, s, o); err != nil {
			return nil, err
		}
	}
	return r.loaded.run(ctx, inputs)
}

// keep remembers tensors for write.
func (r *runner) keep(runs ...[]embed.Tensor) {
	if r.job.TensorsOut != "" {
		r.raw = append(r.raw, runs...)
	}
}

func (r *runner) write() error {
	if r.job.TensorsOut == "" {
		return nil
	}
	var all []embed.Tensor
	for i, tensors := range r.raw {
		for _, t := range tensors {
			if len(r.raw) > 1 {
				t.Name = fmt.Sprintf("%d/%s", i, t.Name)
			}
			all = append(all, t)
		}
	}
	return writeTensors(r.job.TensorsOut, all)
}
