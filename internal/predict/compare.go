package predict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"vecmill/embed"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// likeness is how near what a model says of one input in another precision is to what it says in single precision.
type likeness struct {
	Input     any      `json:"input"`
	Task      string   `json:"task"`
	Cosine    float64  `json:"cosine"`                    // of the states, which models with a single logit are asked for, too, or, where the class gives none, of the logits: the lowest of the input's runs
	Agreement *float64 `json:"agreement,omitempty"`       // share of decisions that are the same; see decisions
	WordError *float64 `json:"word_error_rate,omitempty"` // of the transcript, taking that in single precision for right
}

// likenesses is the last line: all inputs together.
type likenesses struct {
	Inputs    int             `json:"inputs"`
	Task      string          `json:"task"`
	Precision model.Precision `json:"precision"`
	Cosine    meanLowest      `json:"cosine"`
	Agreement *float64        `json:"agreement,omitempty"`
	WordError *float64        `json:"word_error_rate,omitempty"`
	Speed     float64         `json:"speed,omitempty"` // time in single precision over time in the other, both without inputs that a graph was loaded for
}

type meanLowest struct {
	Mean   float64 `json:"mean"`
	Lowest float64 `json:"lowest"`
}

// comparison is two jobs that differ in precision alone.
type comparison struct {
	single, other *runner
	out           *json.Encoder
	problem       string // of a class that labels items

	sum           likenesses
	cosines       float64
	agreed, asked int // decisions
	wrong, words  int
	took          [2]time.Duration
}

// Compare predicts the inputs in single precision and in the job's, whole numbers if it says nothing, and writes for each how near the two are, as one JSON
// object a line, and a last line for all of them. What the job says of tensors does not count.
func Compare(ctx context.Context, job Job, w io.Writer, each func(do func(Input) error) error) (err error) {
	spec, err := openSpec(ctx, job.Settings)
	if err != nil {
		return err
	}
	job.TensorsOut, job.KeepGoing = "", false
	classifies, problem := classification(spec)
	if classifies && len(spec.Labels) == 1 { // one logit has no direction
		job.Settings.Outputs = append(slices.Clip(job.Settings.Outputs), state)
	}
	other := job
	if other.Settings.Precision == model.Single {
		other.Settings.Precision = model.Int8
	}
	job.Settings.Precision = model.Single
	c := &comparison{problem: problem, sum: likenesses{Precision: other.Settings.Precision, Cosine: meanLowest{Lowest: 1}}}
	if c.single, err = newRunner(&job, spec, w); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.single.close()) }()
	if c.other, err = newRunner(&other, spec, w); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.other.close()) }()
	c.out, c.sum.Task = c.single.out, c.single.task.name
	if err := each(func(in Input) error { return c.next(ctx, &in) }); err != nil {
		return err
	}
	return c.end()
}

// classification says whether a class labels whole items, and its problem_type.
func classification(spec *model.Spec) (is bool, problem string) {
	switch {
	case strings.HasSuffix(spec.Class, "ForSequenceClassification") && spec.Text != nil:
		problem = spec.Text.ProblemType
	case strings.HasSuffix(spec.Class, "ForImageClassification"):
		problem = spec.Vision.ProblemType
	case !strings.HasSuffix(spec.Class, "ForSequenceClassification"):
		return false, ""
	}
	return true, problem
}

// next compares one input.
func (c *comparison) next(ctx context.Context, in *Input) error {
	if in.fault != nil {
		return in.fault
	}
	var outs [2][][]embed.Tensor
	var results [2]result
	if blob, err := in.blob(); err == nil { // read once: a pipe gives it only once
		in.data = blob
	}
	for i, r := range []*runner{c.single, c.other} {
		again := *in
		p, err := r.prepare(ctx, &again)
		if err != nil {
			return err
		}
		if p.drive != nil {
			return faultf("%s runs the model in its own way, as often as the text asks for; precisions are compared by the outputs of single runs", r.task.name)
		}
		var chunks [][]embed.Tensor
		if took := p.took; took != nil {
			p.took = func(out []embed.Tensor) error {
				chunks = append(chunks, out)
				return took(out)
			}
		}
		graph, before := r.loaded, time.Now()
		if outs[i], results[i], err = r.predict(ctx, p); err != nil {
			return r.ofFile(in, err)
		}
		outs[i] = append(outs[i], chunks...)
		if graph != nil && graph == r.loaded { // the first input loads the graph, as does a picture of another size than that before it
			c.took[i] += time.Since(before)
		}
	}
	c.sum.Inputs++
	l := likeness{Input: in.shown, Task: c.sum.Task, Cosine: 1}
	agreed, asked := 0, 0
	for i := range outs[0] {
		one, two := principal(outs[0][i]), principal(outs[1][i])
		if one == nil || two == nil || len(one.F32) != len(two.F32) {
			return fmt.Errorf("run %d gives other outputs in %s", i, c.sum.Precision)
		}
		if len(one.F32) == 1 {
			return faultf("run %d gives one number, of which there is no cosine", i)
		}
		near := cosine(one.F32, two.F32)
		if math.IsNaN(near) {
			return c.single.ofFile(in, faultf("run %d gives what is no finite number, and precisions cannot be compared by it", i))
		}
		l.Cosine = min(l.Cosine, near)
		same, all := decisions(outs[0][i], outs[1][i], c.problem)
		agreed, asked = agreed+same, asked+all
	}
	l.Agreement = share(agreed, asked)
	c.agreed, c.asked = c.agreed+agreed, c.asked+asked
	if one, ok := results[0].(tasks.Transcript); ok {
		want, got := strings.Fields(one.Text), strings.Fields(results[1].(tasks.Transcript).Text)
		wrong := edits(want, got)
		l.WordError = wordErrors(wrong, len(want))
		c.wrong, c.words = c.wrong+wrong, c.words+len(want)
	}
	c.cosines += l.Cosine
	c.sum.Cosine.Lowest = min(c.sum.Cosine.Lowest, l.Cosine)
	if err := c.out.Encode(l); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// end writes the last line.
func (c *comparison) end() error {
	if c.sum.Inputs == 0 {
		return faultf("no input to compare precisions on")
	}
	c.sum.Cosine.Mean = c.cosines / float64(c.sum.Inputs)
	c.sum.Agreement, c.sum.WordError = share(c.agreed, c.asked), wordErrors(c.wrong, c.words)
	if c.took[1] > 0 {
		c.sum.Speed = c.took[0].Seconds() / c.took[1].Seconds()
	}
	if err := c.out.Encode(c.sum); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// share is part of all; nil without any.
func share(part, all int) *float64 {
	if all == 0 {
		return nil
	}
	s := float64(part) / float64(all)
	return &s
}

// wordErrors is the share of a transcript's words that are wrong, inserted or left out. One without words counts as one word if the other has some.
func wordErrors(wrong, words int) *float64 {
	if wrong > 0 {
		words = max(words, 1)
	}
	return share(wrong, words)
}

// principal is the output that says most of a run: the x-vector, the states, the logits.
func principal(out []embed.Tensor) *embed.Tensor {
	for _, name := range []string{"embeddings", state, "logits", "start_logits"} {
		if i := slices.IndexFunc(out, func(t embed.Tensor) bool { return t.Name == name }); i >= 0 {
			return &out[i]
		}
	}
	return nil
}

// cosine is that of the angle between x and y; 1 between two that are zero, 0 if one is. NaN if some number is none.
func cosine(x, y []float32) float64 {
	xy, xx, yy := 0.0, 0.0, 0.0
	for i := range x {
		p, q := float64(x[i]), float64(y[i])
		xy, xx, yy = xy+p*q, xx+p*p, yy+q*q
	}
	switch {
	case xx == 0 && yy == 0:
		return 1
	case xx*yy == 0:
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

// decisions counts what is decided by the largest number, and how often that is the same: the label of each row of logits (of an item, a token, a
// frame; of a pixel, where labels are the second axis of four), and where an answer begins and ends. Of several labels of one item every logit decides by itself, at a
// probability of 0.5; the values of a regression decide nothing.
func decisions(x, y []embed.Tensor, problem string) (same, all int) {
	for i := range x {
		a, b := &x[i], &y[i]
		if a.Name != b.Name || len(a.F32) != len(b.F32) || problem == "regression" {
			continue
		}
		if problem == "multi_label_classification" && a.Name == "logits" {
			for j := range a.F32 {
				all++
				if a.F32[j] > 0 == (b.F32[j] > 0) {
					same++
				}
			}
			continue
		}
		labels, step := int(a.Shape[len(a.Shape)-1]), 1
		switch a.Name {
		case "start_logits", "end_logits":
		case "logits":
			if len(a.Shape) == 4 {
				labels, step = int(a.Shape[1]), int(a.Shape[2]*a.Shape[3])
			}
		default:
			continue
		}
		if labels < 2 { // a regression, too
			continue
		}
		for at := 0; at < len(a.F32); at += labels * step {
			for j := range step {
				all++
				if largest(a.F32[at+j:], labels, step) == largest(b.F32[at+j:], labels, step) {
					same++
				}
			}
		}
	}
	return same, all
}

// largest is the index of the largest of n numbers that lie step apart.
func largest(x []float32, n, step int) int {
	best := 0
	for i := range n {
		if x[i*step] > x[best*step] {
			best = i
		}
	}
	return best
}

// edits is the least number of words to replace, insert or delete that makes got of want.
func edits(want, got []string) int {
	row := make([]int, len(got)+1)
	for j := range row {
		row[j] = j
	}
	for i, w := range want {
		diagonal := row[0]
		row[0] = i + 1
		for j, g := range got {
			cost := diagonal
			if w != g {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(got)]
}
