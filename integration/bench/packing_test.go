package bench

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// BenchmarkPacking runs an engine that packs and one that sorts and pads, as the worker does, in turns on the same samples: x-speed is the CPU time of the padded
// one over that of the packed one (median of the rounds, with lowest and highest), padded and packed are computed steps over useful ones. Lengths are those of
// the corpus for text, and 1 to 20 s for audio; rows are 512 tokens, and as many frames as VECMILL_BENCH_ROW says, 1,500 by default.
func BenchmarkPacking(b *testing.B) {
	texts, clips := 200, 8
	if isShort(b) {
		texts, clips = 16, 2
	}
	b.Run("text", func(b *testing.B) {
		packing(b, schemas.Text, embed.BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 512, Linger: 5 * time.Millisecond, MaxAge: 2 * time.Second}, 512, tokens(texts))
	})
	b.Run("audio", func(b *testing.B) {
		row := number(b, "VECMILL_BENCH_ROW", 1500)
		packing(b, schemas.Audio, embed.BatcherConfig{MaxCost: 400, MaxItems: 8, Window: 64, Linger: 10 * time.Millisecond, MaxAge: 2 * time.Second}, row, waves(clips))
	})
}

// packing compares batches of a row, for a processor's cache, with the padded ones of limit.
func packing(b *testing.B, m schemas.Modality, limit embed.BatcherConfig, row int, samples []embed.Sample) {
	spec, err := model.Open(checkpoint(b, demoModels(b), m, number(b, "VECMILL_BENCH_LAYERS", 4)))
	if err != nil {
		b.Fatal(err)
	}
	for i := range samples {
		if samples[i].Cost == 0 {
			samples[i].Cost = spec.Audio.Frames(len(samples[i].Inputs[0].F32))
		}
	}
	p, err := embed.NewPacking(spec, row, row, limit.MaxItems)
	if err != nil {
		b.Fatal(err)
	}
	padded, packed := openEngine(b, spec, limit, nil), openEngine(b, spec, limit, p)
	padded.run(b, samples) // the first runs of a session are slower
	packed.run(b, samples)
	for b.Loop() {
		var ratios []float64
		var x, y embed.Stats
		for range roundsOf(b) {
			before, _ := padded.run(b, samples)
			cpu, s := packed.run(b, samples)
			after, t := padded.run(b, samples)
			ratios = append(ratios, (before+after).Seconds()/2/cpu.Seconds())
			x, y = t, s
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[len(ratios)/2], "x-speed")
		b.ReportMetric(ratios[0], "lowest")
		b.ReportMetric(ratios[len(ratios)-1], "highest")
		b.ReportMetric(x.PaddingRatio(), "padded")
		b.ReportMetric(y.PaddingRatio(), "packed")
	}
}

// tokens are texts of the corpus' lengths.
func tokens(n int) []embed.Sample {
	r := rand.New(rand.NewPCG(3, 3))
	all := make([]embed.Sample, n)
	for i := range all {
		size := min(max(int(math.Exp(math.Log(24)+0.8*r.NormFloat64())), 1), 300) + 2
		ids := make([]int64, size)
		for k := range ids {
			ids[k] = 10 + r.Int64N(200)
		}
		all[i] = embed.Sample{Cost: size, Inputs: []embed.Input{
			{Name: "input_ids", Shape: []int{size}, I64: ids, Pad: 1}, {Name: "attention_mask", Shape: []int{size}, I64: slices.Repeat([]int64{1}, size)},
		}}
	}
	return all
}

// waves are clips of 1 to 20 s of noise.
func waves(n int) []embed.Sample {
	r := rand.New(rand.NewPCG(3, 3))
	all := make([]embed.Sample, n)
	for i := range all {
		x := make([]float32, 16000+r.IntN(19*16000))
		for k := range x {
			x[k] = float32(r.NormFloat64())
		}
		all[i] = embed.Sample{Inputs: []embed.Input{{Name: "input_values", Shape: []int{len(x)}, F32: x}, {Name: "lengths", I64: []int64{int64(len(x))}}}}
	}
	return all
}

// Batches of a GPU's size are full, as the worker's are: the steps that are computed are little more than those of the items.
func TestPackedBatchesAreFull(t *testing.T) {
	audio := &model.Spec{Audio: &model.AudioConfig{ConvKernel: []int{10, 3, 3, 3, 3, 2, 2}, ConvStride: []int{5, 2, 2, 2, 2, 2, 2}, ConvPosKernelSize: 19}}
	clips := waves(96)
	for i := range clips {
		clips[i].Cost = audio.Audio.Frames(len(clips[i].Inputs[0].F32))
	}
	for _, c := range []struct {
		name    string
		spec    *model.Spec
		samples []embed.Sample
		limit   config.Batch
	}{
		{"text", &model.Spec{Text: &model.TextConfig{PadTokenID: 1}}, tokens(4000), config.Batch{MaxCost: 16 * 512, MaxItems: 16 * 64, Window: 16 * 512}},
		{"audio", audio, clips, config.Batch{MaxCost: 16 * 400, MaxItems: 16 * 8, Window: 16 * 64}},
	} {
		x := &bare{spec: c.spec}
		if x.pack(t, c.samples, c.limit); x.padding < 1 || x.padding > 1.2 {
			t.Errorf("%s: %.2f steps for one of the items", c.name, x.padding)
		}
		for i, tensors := range x.batches {
			for _, in := range tensors {
				if in.Name == "segments" && in.Shape[0]*in.Shape[1] > int64(c.limit.MaxCost) {
					t.Errorf("%s: batch %d has %v steps, more than %d", c.name, i, in.Shape, c.limit.MaxCost)
				}
			}
		}
	}
}

// ready is a preprocessor whose work is done: the blob is a sample's number.
type ready []embed.Sample

func (ready) Footprint(schemas.Ref, []byte, int64) (int64, error) { return 0, nil }
func (ready) Digest() string                                      { return "ready" }
func (s ready) Preprocess(_ context.Context, _ schemas.Ref, blob []byte) ([]embed.Sample, error) {
	i, err := strconv.Atoi(string(blob))
	if err != nil {
		return nil, err
	}
	return []embed.Sample{s[i]}, nil
}

// nothing is a head that costs nothing.
type nothing struct{}

func (nothing) Name() string       { return "nothing" }
func (nothing) Task() schemas.Task { return schemas.TaskEmbedding }
func (nothing) Apply(_ *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	return make([]schemas.Payload, len(batch)), nil
}

// engine is what engines of one kind are made of.
type engine struct {
	cfg     embed.EngineConfig
	session embed.Session
}

func openEngine(b *testing.B, spec *model.Spec, limit embed.BatcherConfig, p *embed.Packing) *engine {
	b.Helper()
	graph, err := spec.Compile(b.Context(), b.TempDir(), model.CompileOptions{Packed: p != nil})
	if err != nil {
		b.Fatal(err)
	}
	session, err := ortsession.Open(b.Context(), *graph, ortsession.Options{Threads: threads()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := session.Close(); err != nil {
			b.Error(err)
		}
	})
	return &engine{embed.EngineConfig{Model: "random", Modality: spec.Modality, Preprocessor: 1, Batch: limit, Packing: p}, session}
}

// run computes all samples and gives the CPU time.
func (x *engine) run(b *testing.B, samples []embed.Sample) (time.Duration, embed.Stats) {
	b.Helper()
	e, err := embed.NewEngine(x.cfg, ready(samples), []embed.Session{x.session}, []embed.Head{nothing{}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var running, open sync.WaitGroup
	before := cpuTime(b)
	for i := range samples {
		open.Add(1)
		go func() { // all at once: the window is full before the first batch
			if err := e.Submit(ctx, embed.Job{Blob: []byte(strconv.Itoa(i)), Done: func(_ []schemas.Row, err error) {
				if err != nil {
					b.Error(err)
				}
				open.Done()
			}}); err != nil {
				b.Error(err)
				open.Done()
			}
		}()
	}
	running.Go(func() { e.Run(ctx) })
	open.Wait()
	took := cpuTime(b) - before
	stop()
	running.Wait()
	return took, e.Stats()
}
