package predict

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
	"vecmill/model/graph"
)

// state is the output that head classes of the reference keep to themselves, pooled an optional one of the base classes.
const (
	state  = "last_hidden_state"
	pooled = "pooler_output"
)

// loaded is a graph that is ready to run.
type loaded struct {
	spec    *model.Spec
	graph   *model.Graph
	session embed.Session
	hidden  bool // show last_hidden_state
}

// packedRows is more than any batch that fits into memory needs.
const packedRows = 1 << 20

// openSpec reads a checkpoint directory, fetched before if it is a reference.
func openSpec(ctx context.Context, s Settings) (*model.Spec, error) {
	path := s.Model
	if path == "" {
		return nil, faultf("no checkpoint directory given (--model)")
	}
	if s.Locate != nil {
		var err error
		if path, err = s.Locate(ctx, path); err != nil {
			return nil, fault(err)
		}
	}
	spec, err := model.Open(path)
	if err != nil {
		return nil, fault(err)
	}
	return spec, nil
}

// load compiles the graph of a checkpoint, or finds it in the cache, and opens it.
func load(ctx context.Context, spec *model.Spec, s Settings, o model.CompileOptions) (*loaded, error) {
	cache, err := s.cacheDir()
	if err != nil {
		return nil, err
	}
	base := !strings.Contains(spec.Class, "For")
	l := &loaded{spec: spec, hidden: base || slices.Contains(s.Outputs, state)}
	o.HFPadding = s.HFPadding
	o.Outputs = outputs(spec, s.Outputs)
	o.HeadOnly = !l.hidden
	if spec.ONNX != "" { // takes no options; what it lacks, the session says
		o = model.CompileOptions{}
	}
	o.Precision, o.Packed, o.Whole = s.Precision, s.Packed, ortsession.Provider(s.Provider).OnGPU()
	l.graph, err = spec.Compile(ctx, cache, o)
	if errors.Is(err, graph.ErrNoPooler) && !slices.Contains(s.Outputs, pooled) { // nobody has asked for it
		o.Outputs = slices.DeleteFunc(o.Outputs, func(name string) bool { return name == pooled })
		l.graph, err = spec.Compile(ctx, cache, o)
	}
	if err != nil {
		return nil, fault(err)
	}
	if l.session, err = ortsession.Open(ctx, *l.graph, s.session(cache)); err != nil {
		return nil, err
	}
	if s.Packed {
		row := embed.UsualRow(spec)
		p, err := embed.NewPacking(spec, row, packedRows*row, 1)
		if err != nil {
			return nil, errors.Join(fault(err), l.session.Close())
		}
		l.session = embed.Packed(l.session, spec, p)
	}
	return l, nil
}

// outputs are the optional outputs to ask for: those that the reference's class gives anyway, and those asked for.
func outputs(spec *model.Spec, asked []string) []string {
	var all []string
	switch strings.TrimPrefix(spec.Class, "TF") {
	case "Data2VecAudioModel":
		all = []string{"extract_features"}
	case "Data2VecTextModel", "Data2VecVisionModel":
		all = []string{pooled}
	}
	for _, a := range asked {
		if a != state && a != "logits" && a != "" && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	slices.Sort(all)
	return all
}

// run computes the class's outputs.
func (l *loaded) run(ctx context.Context, in []embed.Tensor) ([]embed.Tensor, error) {
	out, err := l.session.Run(ctx, in)
	if err != nil {
		return nil, fault(err)
	}
	kept := out.Tensors
	if !l.hidden && len(kept) > 1 {
		kept = slices.DeleteFunc(kept, func(t embed.Tensor) bool { return t.Name == state })
	}
	return kept, nil
}

// withMask gives a ready-made audio graph the padded batch as the reference gets it: with the mask in place of lengths, or with neither if the
// graph takes no mask.
func (l *loaded) withMask(inputs []embed.Tensor, given map[string]embed.Tensor) []embed.Tensor {
	inputs = slices.DeleteFunc(inputs, func(t embed.Tensor) bool { return t.Name == "lengths" })
	if _, takes := l.graph.Input("attention_mask"); !takes {
		return inputs
	}
	mask, ok := given["attention_mask"]
	if !ok {
		x := inputs[0]
		mask = embed.Tensor{Name: "attention_mask", Shape: x.Shape, I64: slices.Repeat([]int64{1}, len(x.F32))}
	}
	return append(inputs, mask)
}

// everything is longer than any clip, and short enough for ONNX Runtime: its Min and Max of int64 look at the lower 32 bits only, on some processors.
const everything = 1 << 30

// unbounded makes all of every clip count. Without a mask the reference takes the frames that there are; with one, even of ones, it computes
// their number, and not always the same.
func unbounded(inputs []embed.Tensor) {
	for _, t := range inputs {
		if t.Name == "lengths" {
			for i := range t.I64 {
				t.I64[i] = everything
			}
		}
	}
}

func (l *loaded) close() error { return l.session.Close() }

// Settings say how a checkpoint is opened.
type Settings struct {
	Model     string // checkpoint directory, or a .onnx file, or what Locate makes one of
	Cache     string // for compiled graphs; empty: the user's
	Precision model.Precision
	Packed    bool     // compute in packed rows, as a worker with batch.packing does
	HFPadding bool     // reproduce the reference's padded batches
	Outputs   []string // optional outputs beside the class's own: hidden_states, last_hidden_state of a head class, ...
	Threads   int      // of ONNX Runtime; 0: one per processor
	Provider  string   // cpu, which may be empty, cuda or tensorrt
	Device    int      // number of the GPU

	// Locate fetches a model that Model refers to and gives its path; nil: Model is a path.
	Locate func(ctx context.Context, ref string) (string, error)
}

// session are the options of a session, whose engines, if it builds any, are kept beside the graphs, as the worker's are.
func (s *Settings) session(cache string) ortsession.Options {
	o := ortsession.Options{Threads: s.Threads, Provider: ortsession.Provider(s.Provider), GPU: ortsession.GPU{Device: s.Device}}
	if o.Provider == ortsession.TensorRT {
		o.GPU.Engines = filepath.Join(cache, "engines")
	}
	return o
}

// cacheDir is where compiled graphs are kept, the same as the worker's.
func (s *Settings) cacheDir() (string, error) {
	if s.Cache != "" {
		return s.Cache, nil
	}
	return model.UserCache()
}

// Tensors feeds the inputs in a safetensors file to the model and writes its outputs to another.
func Tensors(ctx context.Context, s Settings, in, out string) (err error) {
	if err := mayWrite(out); err != nil {
		return err
	}
	spec, err := openSpec(ctx, s)
	if err != nil {
		return err
	}
	given, err := readTensors(in)
	if err != nil {
		return fault(fmt.Errorf("reading the inputs: %w", err))
	}
	inputs, o, err := feed(spec, given)
	if err == nil {
		err = enough(spec, inputs, s.HFPadding)
	}
	if err != nil {
		return fault(err)
	}
	l, err := load(ctx, spec, s, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	_, masked := given["attention_mask"]
	switch {
	case spec.Audio == nil || !s.HFPadding:
	case spec.ONNX != "":
		inputs = l.withMask(inputs, given)
	case !masked:
		unbounded(inputs)
	}
	results, err := l.run(ctx, inputs)
	if err != nil {
		return err
	}
	return writeTensors(out, results)
}
