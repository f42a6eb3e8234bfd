package model

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/model/checkpoint"
	"vecmill/model/config"
	"vecmill/model/graph"
	"vecmill/model/onnx"
)

// CompilerVersion is part of every graph's digest: raise it whenever the same checkpoint compiles to another graph, so that cached
// graphs of older builds are not used. All rows of all models are computed again then, so leave it where the older graph gives the very same numbers.
const CompilerVersion = 5

// cacheVersion is part of a graph's name in the cache alone: raise it where the numbers stay the same, and graphs of older builds are still not to be used. Of
// those of version 0, GPUs left operators to the CPU; those of version 1 took recordings whole, and those of version 2 filled the last piece of each up.
const cacheVersion = 3

// compiler is the version of the graphs of this class, a [CompilerVersion] of its own: those that segment have changed once since all have.
func (s *Spec) compiler() int {
	if strings.HasSuffix(s.Class, "ForSemanticSegmentation") {
		return CompilerVersion + 1
	}
	return CompilerVersion
}

// Compile gives the graph of the checkpoint under the options. It is taken from cacheDir if that holds it undamaged, and
// built there otherwise; two processes may compile the same graph at once. A ready-made graph is described and returned as it
// lies: it has what the options ask for, or is refused. Errors name unsupported classes and options, and every weight that does not fit config.json.
//
// The weights are not read, where the graph can use them as they lie: float32 of a safetensors file or a pytorch_model.bin that can be linked into
// cacheDir, which takes the same file system and a file that this user owns. Such files must be replaced whole, never written to in place, as long as the graph is in use.
func (s *Spec) Compile(ctx context.Context, cacheDir string, o CompileOptions) (*Graph, error) {
	if s.ONNX != "" {
		return s.ready(o)
	}
	if cacheDir == "" {
		return nil, errors.New("compiling the model: no cache directory given")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.HeadOnly = graph.Narrows(s.config(), o.forGraph())
	key, err := s.key(o)
	if err != nil {
		return nil, fmt.Errorf("compiling %s: %w", s.Dir, err)
	}
	c := cache{root: cacheDir}
	g, err := c.load(key, s.weights)
	if errors.Is(err, errNotCached) {
		g, err = c.store(key, s.weights, func(dir string) (manifest, error) { return s.build(ctx, dir, o) })
	}
	if err != nil {
		return nil, fmt.Errorf("compiling %s: %w", s.Dir, err)
	}
	if o.Precision == Single { // others use vectors and tables alone as they lie, which are mapped
		g.Weights = max(g.Weights, s.weights.bytes())
	}
	g.digest = func(ctx context.Context) (string, error) {
		spec, err := s.Digest(ctx)
		if err != nil {
			return "", err
		}
		digest, err := hashJSON(graphIdentity{spec, s.compiler(), o})
		if err != nil {
			return "", err
		}
		return digest, c.confirm(key, digest)
	}
	return g, nil
}

// graphIdentity is what a graph's digest covers, in JSON.
type graphIdentity struct {
	Spec     string
	Compiler int
	Options  CompileOptions
}

// key is the name of a graph in the cache: what its digest covers, but stamps and samples in place of the weights' contents, which take too
// long to read. [cache.confirm] compares the contents when they are known.
func (s *Spec) key(o CompileOptions) (string, error) {
	id := struct {
		Spec     identity
		Stamps   []stamp
		Samples  []string
		Compiler int
		Cache    int
		Options  CompileOptions
		Whole    bool `json:",omitzero"`
	}{Spec: s.identity(), Compiler: s.compiler(), Cache: cacheVersion, Options: o, Whole: o.Whole}
	if err := s.weights.unchanged(); err != nil {
		return "", err
	}
	for i := range s.weights.files {
		f := &s.weights.files[i]
		sample, err := f.sample()
		if err != nil {
			return "", fmt.Errorf("reading weights: %w", err)
		}
		id.Stamps, id.Samples = append(id.Stamps, f.stamp), append(id.Samples, sample)
	}
	return hashJSON(id)
}

// forGraph are the options in the words of model/graph.
func (o CompileOptions) forGraph() graph.Options {
	return graph.Options{HFPadding: o.HFPadding, ImageSize: o.ImageSize, Inputs: o.Inputs, Outputs: o.Outputs, HeadOnly: o.HeadOnly, Packed: o.Packed, Whole: o.Whole, Precision: o.Precision, Without: o.Without}
}

// Packs fails, saying why, unless the checkpoint compiles with CompileOptions.Packed.
func (s *Spec) Packs() error {
	if s.ONNX != "" {
		return fmt.Errorf("a ready-made graph takes a row for each item; packing takes the checkpoint's weights")
	}
	return graph.Packs(s.config(), graph.Options{Packed: true})
}

// build writes model and data file to dir, and links what the model uses in place.
func (s *Spec) build(ctx context.Context, dir string, o CompileOptions) (_ manifest, err error) {
	ck, err := checkpoint.Open(s.Dir)
	if err != nil {
		return manifest{}, err
	}
	defer func() { err = errors.Join(err, ck.Close()) }()
	b, err := graph.Build(s.config(), ck, o.forGraph())
	if err != nil {
		return manifest{}, err
	}
	m := manifest{Links: map[string]string{}}
	var model []byte
	m.Data, err = writeFile(filepath.Join(dir, dataFile), func(w io.Writer) error {
		var err error
		model, err = b.Write(&cancellable{ctx, w}, dataFile, func(file string) (string, bool) { return s.link(dir, file, m.Links) })
		return err
	})
	if err != nil {
		return manifest{}, err
	}
	if err := s.weights.unchanged(); err != nil {
		return manifest{}, err
	}
	m.Model, err = writeFile(filepath.Join(dir, modelFile), func(w io.Writer) error {
		_, err := w.Write(model)
		return err
	})
	m.Inputs, m.Outputs = ports(b.Inputs()), ports(b.Outputs())
	return m, err
}

// link puts a weight file of the checkpoint beside the graph in dir, once, and gives its name there, which links keeps. An empty name
// in links is a file that cannot be linked.
func (s *Spec) link(dir, file string, links map[string]string) (string, bool) {
	name, known := links[file]
	if !known {
		i := slices.IndexFunc(s.weights.files, func(f weightFile) bool { return f.name == file })
		if i >= 0 {
			name = fmt.Sprintf("linked-%d.bin", i)
			if !s.weights.files[i].link(filepath.Join(dir, name)) {
				name = ""
			}
		}
		links[file] = name
	}
	return name, name != ""
}

func (s *Spec) config() *config.Config {
	c := &config.Config{Class: s.Class, Labels: s.Labels, Audio: s.Audio, Text: s.Text, Vision: s.Vision}
	switch {
	case s.Audio != nil:
		c.ModelType = config.TypeAudio
	case s.Text != nil:
		c.ModelType = config.TypeText
	default:
		c.ModelType = config.TypeVision
	}
	return c
}

// cancellable fails writes once ctx has ended, so that a large compile stops in the middle.
type cancellable struct {
	ctx context.Context // one call's own, never kept beyond it
	w   io.Writer
}

// Write implements io.Writer.
func (c *cancellable) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// writeFile creates a file and lets fill write it.
func writeFile(path string, fill func(io.Writer) error) (fileSum, error) {
	f, err := os.Create(path)
	if err != nil {
		return fileSum{}, err
	}
	sum := &summer{w: f}
	err = fill(sum) // no sync: what a crash of the machine tears, the checksum shows, and it is built again
	if err = errors.Join(err, f.Close()); err != nil {
		return fileSum{}, fmt.Errorf("writing %s: %w", path, err)
	}
	return fileSum{sum.n, sum.crc}, nil
}

// summer counts and checksums what passes.
type summer struct {
	w   io.Writer
	n   int64
	crc uint32
}

// Write implements io.Writer.
func (s *summer) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	s.crc = crc32.Update(s.crc, crc32.MakeTable(crc32.Castagnoli), p[:n])
	return n, err
}

// ready describes a ready-made graph, which has what is asked for, or is refused.
func (s *Spec) ready(o CompileOptions) (*Graph, error) {
	if o.HFPadding {
		return nil, fmt.Errorf("compiling %s: a ready-made graph pads as it was exported, it takes no compile options", s.ONNX)
	}
	if o.Packed {
		return nil, fmt.Errorf("compiling %s: %w", s.ONNX, s.Packs())
	}
	if o.Precision != Single {
		return nil, fmt.Errorf("compiling %s: a ready-made graph computes in the precision that it was exported with; precision %s takes the checkpoint's weights", s.ONNX, o.Precision)
	}
	d, err := describe(s.ONNX)
	if err != nil {
		return nil, err
	}
	g := &Graph{Path: s.ONNX, Inputs: ports(d.Inputs), Outputs: ports(d.Outputs), digest: s.Digest, Weights: s.weights.bytes()}
	if err := s.recognise(g); err != nil {
		return nil, err
	}
	for kind, asked := range map[string]struct{ names, has []string }{"input": {o.Inputs, names(g.Inputs)}, "output": {o.Outputs, names(g.Outputs)}} {
		for _, name := range asked.names {
			if !slices.ContainsFunc(asked.has, func(n string) bool { return n == name || strings.HasPrefix(n, name+".") }) {
				return nil, fmt.Errorf("the ready-made graph %s has no %s %s, which is asked for; it has %s: export it with that %s, or use the checkpoint's weights",
					s.ONNX, kind, name, strings.Join(asked.has, ", "), kind)
			}
		}
	}
	if x, _ := g.Input("pixel_values"); o.ImageSize != (HW{}) && len(x.Shape) == 4 && (!fits(x.Shape[2], o.ImageSize.H) || !fits(x.Shape[3], o.ImageSize.W)) {
		return nil, fmt.Errorf("the ready-made graph %s takes pictures of %d x %d (height x width), not of %d x %d",
			s.ONNX, x.Shape[2], x.Shape[3], o.ImageSize.H, o.ImageSize.W)
	}
	return g, nil
}

// fits says whether an axis of a graph's input, -1 for any length, takes n.
func fits(axis int64, n int) bool { return axis < 0 || axis == int64(n) }

// recognise checks that a ready-made graph takes what the modality feeds and gives what the class promises.
func (s *Spec) recognise(g *Graph) error {
	main := map[bool]string{s.Audio != nil: "input_values", s.Text != nil: "input_ids", s.Vision != nil: "pixel_values"}[true]
	if _, ok := g.Input(main); !ok {
		return fmt.Errorf("the graph %s of class %s has no input %s; it has %s", g.Path, s.Class, main, names(g.Inputs))
	}
	_, logits := g.Output("logits")
	_, state := g.Output("last_hidden_state")
	_, spans := g.Output("start_logits")
	if !logits && !state && !spans {
		return fmt.Errorf("the graph %s of class %s has no output logits, start_logits or last_hidden_state; it has %s", g.Path, s.Class, names(g.Outputs))
	}
	return nil
}

func names(ports []Port) []string {
	var out []string
	for _, p := range ports {
		out = append(out, p.Name)
	}
	return out
}

func ports(in []onnx.Port) []Port {
	out := make([]Port, len(in))
	for i, p := range in {
		out[i] = Port{Name: p.Name, Type: p.Type.String(), Shape: []int64{}}
		for _, d := range p.Dims {
			n := int64(d.N)
			if d.Name != "" {
				n = -1
			}
			out[i].Shape = append(out[i].Shape, n)
		}
	}
	return out
}
