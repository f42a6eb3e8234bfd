package predict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/graph"
)

// Job is what Run does.
type Job struct {
	Settings   Settings
	Task       string // of the pipeline; empty: the usual one of the class
	Options    Options
	Preprocess bool   // stop behind preprocessing: write its tensors, print nothing
	TensorsOut string // file for the raw tensors: outputs, or inputs with Preprocess
	KeepGoing  bool   // go on behind an input that fails
}

// line is one line of output.
type line struct {
	Input   any    `json:"input"`
	Task    string `json:"task"`
	Charset string `json:"charset,omitempty"` // of the text's file, if that was to be found out
	Result  result `json:"result"`
}

// failure is a line of output for an input that failed, with KeepGoing.
type failure struct {
	Input any    `json:"input"`
	Task  string `json:"task"`
	Error string `json:"error"`
}

// runner is a job in progress.
type runner struct {
	job    *Job
	spec   *model.Spec
	task   task
	worker worker
	reader reader           // of files of text; nil: as they are
	loaded *loaded          // nil until the first input has shown what the graph must take
	size   model.HW         // of the pictures that it takes; zero: the checkpoint's own
	raw    [][]embed.Tensor // of every run of every input, if they are to be written
	out    *json.Encoder

	seen, failed int // inputs
}

// Run predicts the inputs that each yields, in order, and writes one JSON object a line to w: {"input", "task", "result"}. It stops at the first
// input that fails; or, with KeepGoing, writes {"input", "task", "error"} for those whose own fault it is, and ends with an error that counts them. Tensors are written to TensorsOut at the end: under their own names if there was one run of the graph, else as "0/logits",
// "1/logits", ...
func Run(ctx context.Context, job Job, w io.Writer, each func(do func(Input) error) error) (err error) {
	if err := mayWrite(job.TensorsOut); err != nil {
		return err
	}
	spec, err := openSpec(ctx, job.Settings)
	if err != nil {
		return err
	}
	r, err := newRunner(&job, spec, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := each(func(in Input) error { return r.next(ctx, &in) }); err != nil {
		return err
	}
	if err := r.write(); err != nil {
		return err
	}
	if r.failed > 0 {
		return faultf("%d of %d inputs failed", r.failed, r.seen)
	}
	return nil
}

// newRunner finds the task's worker. Nothing is loaded yet.
func newRunner(job *Job, spec *model.Spec, w io.Writer) (_ *runner, err error) {
	r := &runner{job: job, spec: spec, out: json.NewEncoder(w)}
	r.out.SetEscapeHTML(false)
	if r.task, err = taskFor(spec, job.Task); err != nil {
		return nil, err
	}
	var o Options
	if r.reader, o, err = newReader(spec, &r.task, job.Options); err != nil {
		return nil, err
	}
	if r.worker, err = r.task.make(spec, o); err != nil {
		return nil, fault(err)
	}
	return r, nil
}

func (r *runner) close() error {
	if r.loaded == nil {
		return nil
	}
	return r.loaded.close()
}

// next predicts one input, or says why it cannot.
func (r *runner) next(ctx context.Context, in *Input) error {
	r.seen++
	err := in.fault
	if err == nil {
		err = r.one(ctx, in)
	}
	if own := (InputError{}); !r.job.KeepGoing || !errors.As(err, &own) {
		return err
	}
	r.failed++
	said := err.Error()
	if in.line > 0 {
		said = fmt.Sprintf("line %d: %s", in.line, said)
	}
	if err := r.out.Encode(failure{in.shown, r.task.name, said}); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// one predicts one input.
func (r *runner) one(ctx context.Context, in *Input) error {
	p, err := r.prepare(ctx, in)
	if err != nil {
		return err
	}
	if r.job.Preprocess {
		return r.ofFile(in, fault(p.each(ctx, func(run []embed.Tensor) error { r.keep(run); return nil })))
	}
	_, res, err := r.predict(ctx, p)
	if err != nil {
		return r.ofFile(in, err)
	}
	if err := r.out.Encode(line{in.shown, r.task.name, in.charset, res}); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// prepare makes the model's inputs of one input.
func (r *runner) prepare(ctx context.Context, in *Input) (*prepared, error) {
	if err := r.task.foreign(in); err != nil {
		return nil, err
	}
	if r.reader != nil {
		in.read = func(blob []byte) (s string, err error) {
			s, in.charset, err = r.reader(ctx, blob)
			return s, err
		}
	}
	p, err := r.worker.prepare(ctx, in)
	if err != nil {
		return nil, r.ofFile(in, fault(err))
	}
	return p, nil
}

// predict runs the graph on what is prepared: its outputs, unless they went to took, and what the task makes of them.
func (r *runner) predict(ctx context.Context, p *prepared) ([][]embed.Tensor, result, error) {
	outs, err := r.computeAll(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	res, err := r.worker.finish(p, outs)
	return outs, res, fault(err)
}

// ofFile names the file that a fault is of. With KeepGoing the line of output names it.
func (r *runner) ofFile(in *Input, err error) error {
	name := in.File
	if in.FilePair != "" {
		name += " or " + in.FilePair
	}
	if own := (InputError{}); name == "" || in.Text != nil || r.job.KeepGoing || !errors.As(err, &own) || strings.Contains(err.Error(), in.File) {
		return err
	}
	return faultf("%s: %w", name, err)
}

// computeAll runs the graph on what is prepared, or lets the worker run it.
func (r *runner) computeAll(ctx context.Context, p *prepared) ([][]embed.Tensor, error) {
	if p.drive == nil {
		return r.computeEach(ctx, p)
	}
	// The raw outputs are those of the inputs that were prepared, as the class gives them: without a cache.
	p.cached = p.cached && r.job.TensorsOut == ""
	left, failed := len(p.runs), error(nil) // failed may be the machine's, and no fault of what was given
	err := p.drive(ctx, func(ctx context.Context, in []embed.Tensor) (out []embed.Tensor, err error) {
		out, failed = r.compute(ctx, in, p)
		if left--; left >= 0 && failed == nil {
			r.keep(out)
		}
		return out, failed
	})
	if failed != nil {
		return nil, failed
	}
	return nil, fault(err)
}

// computeEach runs the graph on each run.
func (r *runner) computeEach(ctx context.Context, p *prepared) (outs [][]embed.Tensor, err error) {
	failed := error(nil)
	err = p.each(ctx, func(run []embed.Tensor) error {
		var out []embed.Tensor
		if out, failed = r.compute(ctx, run, p); failed != nil {
			return failed
		}
		r.keep(out)
		if p.took != nil {
			return p.took(out)
		}
		outs = append(outs, out)
		return nil
	})
	if failed != nil {
		return nil, failed
	}
	return outs, fault(err)
}

// compute runs the graph, which the first run chooses: all inputs of a processor have the same names. Pictures may have another size each, where the
// checkpoint does not resize them, and take another graph then.
func (r *runner) compute(ctx context.Context, run []embed.Tensor, p *prepared) ([]embed.Tensor, error) {
	named := map[string]embed.Tensor{}
	for _, t := range run {
		named[t.Name] = t
	}
	inputs, o, err := feed(r.spec, named)
	if err == nil {
		err = enough(r.spec, inputs, r.job.Settings.HFPadding || p.padded)
	}
	if err != nil {
		return nil, fault(err)
	}
	if r.loaded != nil && r.size != o.ImageSize {
		if err := r.loaded.close(); err != nil {
			return nil, err
		}
		r.loaded = nil
	}
	if r.loaded == nil {
		r.size = o.ImageSize
		s := r.job.Settings
		s.HFPadding = s.HFPadding || p.padded
		s.Outputs = append(slices.Clip(s.Outputs), p.outputs...)
		if p.cached {
			s.Outputs = append(s.Outputs, graph.PastKeyValues)
		}
		if r.loaded, err = load(ctx, r.spec, s, o); err != nil {
			return nil, err
		}
	}
	if _, masked := named["attention_mask"]; r.job.Settings.HFPadding && !masked && r.spec.ONNX == "" {
		unbounded(inputs)
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
