package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/internal/wire"
	"vecmill/model"
)

// BenchmarkBytesOfRecordings holds what worker doctor keeps of a model of base width against the arena of batches of shapes that it has not weighed, and fails where it does not bound them.
func BenchmarkBytesOfRecordings(b *testing.B) {
	for b.Loop() {
		boundRecordings(b)
	}
}

func boundRecordings(t testing.TB) {
	s, cache := audioSetup(1), t.TempDir()
	dir := checkpoint(t, demoModels(t), s.modality, 1)
	c := configure(&servers{}, s, dir, cache, "p")
	c.Kafka.Brokers, c.S3 = nil, config.S3{}
	c.Pipelines[0].Topics = nil
	c.Pipelines[0].Outputs[0].Parquet.URL = t.TempDir()
	said := map[string]wire.Finding{}
	wire.Examine(t.Context(), c, func(f wire.Finding) { said[f.Check] = f })
	for check, words := range map[string]string{"batches p": "in the arena, for each that runs: 1 x 24 steps", "memory p": "as a recording of 30 s by itself does"} {
		if f := said[check]; f.Grade != wire.Sound || !strings.Contains(f.Text, words) {
			t.Errorf("%s: %+v, want %q", check, f, words)
		}
		t.Log(said[check].Text)
	}
	var kept struct{ Bytes map[string]embed.Costs }
	b, err := os.ReadFile(filepath.Join(cache, "measured.json"))
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	if err != nil || len(kept.Bytes) != 1 {
		t.Fatalf("%d bounds are kept: %v", len(kept.Bytes), err)
	}
	spec, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	graph, err := spec.Compile(t.Context(), cache, model.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, bound := range kept.Bytes {
		t.Logf("%+v", bound)
		for _, at := range []struct {
			rows, frames int
			most         float64 // that the bound is, of what is needed: of several short ones it goes by what others of half a second are seen to need, which differs by a third from run to run
		}{{8, 1, 20}, {8, 11, 3}, {8, 12, 4}, {1, 49, 3}, {2, 192, 1.5}, {1, 384, 1.5}, {1, 385, 1.5}, {1, 1499, 1.5}} {
			is := float64(hums(t, spec, graph, at.rows, at.frames))
			told := bound.Batch(at.rows, at.frames)
			t.Logf("%d x %d frames: %.1f MiB, bound by %.1f", at.rows, at.frames, is/(1<<20), told/(1<<20))
			if told < is || told > at.most*is {
				t.Errorf("%d x %d frames take %.1f MiB, and the bound is %.1f", at.rows, at.frames, is/(1<<20), told/(1<<20))
			}
		}
	}
}

// hums is the arena of a batch of recordings of so many frames.
func hums(t testing.TB, spec *model.Spec, graph *model.Graph, rows, frames int) int64 {
	t.Helper()
	x := make([]float32, spec.Audio.MostSamples(frames))
	for i := range x {
		x[i] = float32(i % 80)
	}
	sample := embed.Sample{Cost: frames, Inputs: []embed.Input{{Name: "input_values", Shape: []int{len(x)}, F32: x}, {Name: "lengths", I64: []int64{int64(len(x))}}}}
	tensors, err := embed.Collate(slices.Repeat([]embed.Sample{sample}, rows))
	if err != nil {
		t.Fatal(err)
	}
	n, err := ortsession.Arena(t.Context(), *graph, ortsession.Options{Threads: threads()}, tensors)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
