package bench

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"vecmill/embed"
	taskheads "vecmill/embed/heads"
	"vecmill/model"
	"vecmill/model/onnx"
)

// BenchmarkReduction asks whether a head's reduction belongs into the graph: the session with the head outside, as the worker has it, and a session whose graph has it at its end, in turns on the same batches (VECMILL_BENCH_TURNS).
// outside/inside is the CPU time of session and head over that of the other session, in the fastest quarter of the turns, whose results somebody would still have to read; bytes are those that leave a session, an item.
// For a transcript it is each frame's best label and its probability, for an embedding the mean over an item's tokens.
func BenchmarkReduction(b *testing.B) {
	for _, r := range []struct {
		name   string
		setup  setup
		reduce func(*onnx.Builder)
	}{
		{"transcript", audioSetup(2), bestLabels},
		{"embedding", textSetup(24), meanState},
	} {
		b.Run(r.name, func(b *testing.B) {
			dir, cache := checkpoint(b, demoModels(b), r.setup.modality, number(b, "VECMILL_BENCH_LAYERS", 4)), b.TempDir()
			x := openBare(b, dir, cache, model.Single, r.setup, corpus(b, r.setup.modality, 1, r.setup.items))
			head, err := taskheads.New(r.setup.headConfig(), x.spec, x.graph)
			if err != nil {
				b.Fatal(err)
			}
			inside := x.reduced(b, r.reduce)
			sizes := [2]int{x.leaves(b), inside.leaves(b)} // and the first runs, which are slower
			outside := func(testing.TB) time.Duration {
				before := cpuTime(b)
				if err := x.compute(b.Context(), func(i int, out *embed.Output) error {
					_, err := head.Apply(out, x.samples[i])
					return err
				}); err != nil {
					b.Fatal(err)
				}
				return cpuTime(b) - before
			}
			for b.Loop() {
				b.ReportMetric(contest(b, turnsOf(b), outside, inside.run), "outside/inside")
				b.ReportMetric(float64(sizes[0])/float64(r.setup.items), "bytes-outside")
				b.ReportMetric(float64(sizes[1])/float64(r.setup.items), "bytes-inside")
			}
		})
	}
}

// bestLabels are the labels [B, T] and their probabilities of logits [B, T, V].
func bestLabels(g *onnx.Builder) {
	logits := g.Input("logits", onnx.Float32)
	last := onnx.IntAttr("axis", -1)
	g.Output("labels", g.Op("ArgMax", []onnx.Value{logits}, last, onnx.IntAttr("keepdims", 0)), onnx.Int64, onnx.Dyn("batch"), onnx.Dyn("frames"))
	p := g.Op("ReduceMax", []onnx.Value{g.Softmax(logits), g.Ints(-1)}, onnx.IntAttr("keepdims", 0))
	g.Output("probabilities", p, onnx.Float32, onnx.Dyn("batch"), onnx.Dyn("frames"))
}

// meanState is the mean [B, H] over the tokens that the mask has: a product of the mask [B, 1, L] and the states [B, L, H].
func meanState(g *onnx.Builder) {
	mask := g.Cast(g.Input("attention_mask", onnx.Int64), onnx.Float32)
	sum := g.MatMul(g.Unsqueeze(mask, 1), g.Input("last_hidden_state", onnx.Float32))
	mean := g.Div(g.Squeeze(sum, 1), g.Unsqueeze(g.ReduceSum(mask, 1), 1))
	g.Output("mean_state", mean, onnx.Float32, onnx.Dyn("batch"), onnx.Fixed(hidden))
}

// reduced is x with a graph that goes on behind x's outputs, and gives what reduce declares.
func (x *bare) reduced(b *testing.B, reduce func(*onnx.Builder)) *bare {
	b.Helper()
	g := onnx.NewBuilder("reduction")
	g.Scope("reduction")
	reduce(g)
	more, err := g.Write(io.Discard, "", nil)
	if err != nil {
		b.Fatal(err)
	}
	whole, err := os.ReadFile(x.graph.Path)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(x.graph.Path), "reduced.onnx") // beside the weights
	write(b, path, append(whole, appended(b, more)...))
	own := *x
	own.graph, own.read = &model.Graph{Path: path}, nil
	for _, p := range g.Outputs() {
		own.graph.Outputs = append(own.graph.Outputs, model.Port{Name: p.Name, Type: p.Type.String()})
	}
	own.session = own.open(b)
	return &own
}

// Numbers of fields in ONNX's protocol buffers.
const (
	modelGraph = 7
	graphName  = 2
	graphInput = 11
)

// appended is the graph of a model, but its name and inputs, as bytes that go behind another model: a message that is there twice is merged, and what it repeats is put together.
func appended(b *testing.B, m []byte) []byte {
	b.Helper()
	var kept []byte
	fields(b, m, func(n protowire.Number, _, value []byte) {
		if n != modelGraph {
			return
		}
		fields(b, value, func(n protowire.Number, field, _ []byte) {
			if n != graphName && n != graphInput {
				kept = append(kept, field...)
			}
		})
	})
	return protowire.AppendBytes(protowire.AppendTag(nil, modelGraph, protowire.BytesType), kept)
}

// fields gives each field of a message, whole and, if it is of bytes, its value.
func fields(b *testing.B, m []byte, each func(n protowire.Number, field, value []byte)) {
	b.Helper()
	for len(m) > 0 {
		n, t, tag := protowire.ConsumeTag(m)
		size := protowire.ConsumeFieldValue(n, t, m[max(tag, 0):])
		if tag < 0 || size < 0 {
			b.Fatal("this is no protocol buffer")
		}
		var value []byte
		if t == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(m[tag:])
		}
		each(n, m[:tag+size], value)
		m = m[tag+size:]
	}
}

// leaves is how many bytes the sessions' outputs of all batches are.
func (x *bare) leaves(b *testing.B) (n int) {
	b.Helper()
	if err := x.compute(b.Context(), func(_ int, out *embed.Output) error {
		for _, t := range out.Tensors {
			n += 4*len(t.F32) + 8*len(t.I64)
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	return n
}
