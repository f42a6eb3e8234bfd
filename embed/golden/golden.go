package golden

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/checkpoint"
	"vecmill/model/graph"
	"vecmill/schemas"
)

// ErrDiffers means that something was computed, and is not what the reference gives. Errors without it say that nothing could be computed or compared.
var ErrDiffers = errors.New("differs from the reference")

// Case is one checkpoint with its reference runs.
type Case struct {
	Dir   string // of the checkpoint
	Class string // of Hugging Face
	Name  string // of the case
	Runs  []Run  // at least one
}

// Run is one call of the reference: inputs under its names, and what came out.
type Run struct {
	Name    string                  // unique in its case
	Inputs  map[string]embed.Tensor // by the reference's names
	Outputs map[string]Want         // likewise
	Beyond  string                  // why this run cannot be put as tensors; empty if it can
}

// Want is an expected output with its tolerance.
type Want struct {
	embed.Tensor
	Atol, Rtol float64 // a value x may be off by Atol + Rtol |x|
}

type manifest struct {
	Class   string            `json:"class"`
	Case    string            `json:"case"`
	Tensors string            `json:"tensors"`
	Aliases map[string]string `json:"aliases"` // dropped duplicate to the key that is kept
	Runs    []struct {
		Name    string                     `json:"name"`
		Inputs  map[string]json.RawMessage `json:"inputs"`
		Outputs map[string]json.RawMessage `json:"outputs"`
		Error   json.RawMessage            `json:"expect_error"`
	} `json:"runs"`
}

type place struct {
	Key  string  `json:"key"`
	Atol float64 `json:"atol"`
	Rtol float64 `json:"rtol"`
}

// Load reads all cases <class>/<case> under root, in order of path.
func Load(root string) ([]Case, error) {
	paths, err := filepath.Glob(filepath.Join(root, "*", "*", "manifest.json"))
	if err != nil {
		return nil, fmt.Errorf("looking for golden cases: %w", err)
	}
	slices.Sort(paths)
	var cases []Case
	for _, p := range paths {
		c, err := load(p)
		if err != nil {
			return nil, fmt.Errorf("reading golden case %s: %w", p, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func load(path string) (_ Case, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Case{}, err
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Case{}, err
	}
	c := Case{Dir: filepath.Dir(path), Class: m.Class, Name: m.Case}
	if m.Tensors == "" { // suites of tokenizers and image processors
		return c, nil
	}
	file, err := checkpoint.OpenFile(filepath.Join(c.Dir, m.Tensors))
	if err != nil {
		return Case{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, mr := range m.Runs {
		r := Run{Name: mr.Name, Inputs: map[string]embed.Tensor{}, Outputs: map[string]Want{}}
		if mr.Error != nil {
			r.Beyond = "the reference fails"
		}
		if err := r.read(file, &m, mr.Inputs, mr.Outputs); err != nil {
			return Case{}, fmt.Errorf("run %s: %w", r.Name, err)
		}
		c.Runs = append(c.Runs, r)
	}
	return c, nil
}

// read fetches the run's tensors. An input that is no tensor (a generation's settings, in words) puts the run beyond us.
func (r *Run) read(file *checkpoint.Checkpoint, m *manifest, inputs, outputs map[string]json.RawMessage) error {
	for name, raw := range inputs {
		var p place
		if err := json.Unmarshal(raw, &p); err != nil {
			r.Beyond = "its input " + name + " is no tensor"
			continue
		}
		if p.Key == "" {
			continue // a plain value, such as a flag
		}
		t, err := tensor(file, m.Aliases, p.Key, name)
		if err != nil {
			return err
		}
		r.Inputs[name] = t
	}
	for name, raw := range outputs {
		var p place
		if err := json.Unmarshal(raw, &p); err != nil || p.Key == "" {
			continue // a value in words
		}
		t, err := tensor(file, m.Aliases, p.Key, name)
		if err != nil {
			return err
		}
		r.Outputs[name] = Want{t, p.Atol, p.Rtol}
	}
	return nil
}

// tensor copies a stored tensor out of the file.
func tensor(file *checkpoint.Checkpoint, aliases map[string]string, key, name string) (embed.Tensor, error) {
	if kept, ok := aliases[key]; ok {
		key = kept
	}
	t, ok := file.Tensor(key)
	if !ok {
		return embed.Tensor{}, fmt.Errorf("tensor %s is not in the file", key)
	}
	out := embed.Tensor{Name: name}
	for _, d := range t.Shape {
		out.Shape = append(out.Shape, int64(d))
	}
	var err error
	if t.DType == checkpoint.F32 {
		out.F32, err = t.Float32()
	} else {
		out.I64, err = t.Int64()
	}
	return out, err
}

// Feed is the run as our graphs take it: the inputs, and the options to compile with. Audio masks become lengths, a missing text mask ones;
// pictures set the input size. Runs that need inputs our graphs do not have are errors.
func (r *Run) Feed(m schemas.Modality) ([]embed.Tensor, model.CompileOptions, error) {
	var o model.CompileOptions
	if r.Beyond != "" {
		return nil, o, errors.New(r.Beyond)
	}
	main := map[schemas.Modality]string{schemas.Audio: "input_values", schemas.Text: "input_ids", schemas.Image: "pixel_values"}[m]
	if _, ok := r.Inputs["inputs_embeds"]; ok && m == schemas.Text {
		main = "inputs_embeds"
		o.Inputs = append(o.Inputs, main)
	}
	x, ok := r.Inputs[main]
	if !ok {
		return nil, o, fmt.Errorf("the run has no %s", main)
	}
	feed := []embed.Tensor{x}
	switch m {
	case schemas.Audio:
		feed = append(feed, lengths(x, r.Inputs["attention_mask"]))
	case schemas.Text:
		mask := r.textMask(x)
		if mask.F32 != nil {
			o.Inputs = append(o.Inputs, graph.PairMask)
		}
		feed = append(feed, mask)
	default:
		o.ImageSize = model.HW{H: int(x.Shape[2]), W: int(x.Shape[3])}
	}
	for name, t := range r.Inputs {
		if name == main || name == "attention_mask" {
			continue
		}
		o.Inputs = add(o.Inputs, name)
		feed = append(feed, t)
	}
	slices.Sort(o.Inputs)
	for name := range r.Outputs {
		o.Outputs = add(o.Outputs, name)
	}
	o.Outputs = slices.DeleteFunc(o.Outputs, func(name string) bool {
		return slices.Contains([]string{"last_hidden_state", "logits", "embeddings", "start_logits", "end_logits"}, name)
	})
	slices.Sort(o.Outputs)
	return feed, o, nil
}

// Compatible is Feed in the padding mode that gives what the reference gives. Where the run has no mask, all of every clip counts: the reference counts frames
// by a formula for masks only.
func (r *Run) Compatible(m schemas.Modality) ([]embed.Tensor, model.CompileOptions, error) {
	feed, o, err := r.Feed(m)
	o.HFPadding = true
	if _, masked := r.Inputs["attention_mask"]; masked {
		return feed, o, err
	}
	for _, t := range feed {
		if t.Name == "lengths" {
			for i := range t.I64 {
				t.I64[i] = 1 << 40
			}
		}
	}
	return feed, o, err
}

// add puts the option that stands for an input or output on the list: its name, or that of the group it belongs to.
func add(list []string, name string) []string {
	group, _, many := strings.Cut(name, ".")
	if group == "present" && many {
		group = graph.PastKeyValues
	}
	if slices.Contains(list, group) {
		return list
	}
	return append(list, group)
}

// textMask is the mask of a text run, ones if it has none. A mask of pairs of tokens is float32.
func (r *Run) textMask(x embed.Tensor) embed.Tensor {
	mask, ok := r.Inputs["attention_mask"]
	if !ok {
		shape := x.Shape
		if len(x.F32) > 0 { // inputs_embeds
			shape = shape[:2]
		}
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		return embed.Tensor{Name: "attention_mask", Shape: shape, I64: slices.Repeat([]int64{1}, int(n))}
	}
	if len(mask.Shape) == 3 && len(r.Inputs["input_ids"].Shape) == 2 {
		return floats(mask)
	}
	return mask
}

// floats is a mask as float32.
func floats(t embed.Tensor) embed.Tensor {
	for _, v := range t.I64 {
		t.F32 = append(t.F32, float32(v))
	}
	t.I64 = nil
	return t
}

// lengths counts the real samples of each row; all of them without a mask.
func lengths(x, mask embed.Tensor) embed.Tensor {
	rows, width := x.Shape[0], x.Shape[1]
	out := embed.Tensor{Name: "lengths", Shape: []int64{rows}, I64: make([]int64, rows)}
	for i := range out.I64 {
		out.I64[i] = width
		if mask.I64 != nil {
			out.I64[i] = 0
			for _, m := range mask.I64[int64(i)*width:][:width] {
				out.I64[i] += m
			}
		}
	}
	return out
}

// Compare gives the largest difference, and an error if the shapes differ or a value is outside |got-want| <= Atol + Rtol*|want|.
func (w *Want) Compare(got *embed.Tensor) (float64, error) {
	if !slices.Equal(got.Shape, w.Shape) {
		return 0, fmt.Errorf("shape %v, want %v", got.Shape, w.Shape)
	}
	if len(got.F32) != len(w.F32) {
		return 0, fmt.Errorf("%d values, want %d", len(got.F32), len(w.F32))
	}
	worst, bad := 0.0, error(nil)
	for i, x := range w.F32 {
		g := got.F32[i]
		if math.IsNaN(float64(x)) && math.IsNaN(float64(g)) {
			continue
		}
		diff := math.Abs(float64(g) - float64(x))
		worst = max(worst, diff)
		if allowed := w.Atol + w.Rtol*math.Abs(float64(x)); bad == nil && !(diff <= allowed) {
			bad = fmt.Errorf("value %d is %v, want %v, allowed difference %.2g", i, g, x, allowed)
		}
	}
	return worst, bad
}
