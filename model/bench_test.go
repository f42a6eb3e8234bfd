package model_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vecmill/model"
	"vecmill/model/checkpoint"
)

// baseWeights are the weights of Data2VecAudioModel at base size, 93 million parameters: names and shapes.
func baseWeights() (names []string, shapes [][]int) {
	add := func(name string, shape ...int) {
		names, shapes = append(names, name), append(shapes, shape)
	}
	both := func(name string, out int, in ...int) {
		add(name+".weight", append([]int{out}, in...)...)
		add(name+".bias", out)
	}
	in := 1
	for i, k := range []int{10, 3, 3, 3, 3, 2, 2} {
		p := fmt.Sprintf("feature_extractor.conv_layers.%d.", i)
		add(p+"conv.weight", 512, in, k)
		both(p+"layer_norm", 512)
		in = 512
	}
	both("feature_projection.layer_norm", 512)
	both("feature_projection.projection", 768, 512)
	for i := range 5 {
		both(fmt.Sprintf("encoder.pos_conv_embed.layers.%d.conv", i), 768, 48, 19)
	}
	both("encoder.layer_norm", 768)
	for i := range 12 {
		p := fmt.Sprintf("encoder.layers.%d.", i)
		for _, n := range []string{"q_proj", "k_proj", "v_proj", "out_proj"} {
			both(p+"attention."+n, 768, 768)
		}
		both(p+"layer_norm", 768)
		both(p+"feed_forward.intermediate_dense", 3072, 768)
		both(p+"feed_forward.output_dense", 768, 3072)
		both(p+"final_layer_norm", 768)
	}
	return names, shapes
}

// writeBase writes a checkpoint of base size and returns its directory and bytes.
func writeBase(b *testing.B) (dir string, size int64) {
	b.Helper()
	dir = b.TempDir()
	header := map[string]any{}
	names, shapes := baseWeights()
	for i, name := range names {
		n := int64(4)
		for _, d := range shapes[i] {
			n *= int64(d)
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shapes[i], "data_offsets": []int64{size, size + n}}
		size += n
	}
	h, err := json.Marshal(header)
	if err != nil {
		b.Fatal(err)
	}
	for len(h)%8 != 0 { // as the format's own writers align the weights
		h = append(h, ' ')
	}
	f, err := os.Create(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	if _, err := f.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...)); err != nil {
		b.Fatal(err)
	}
	for left := size; left > 0; left -= int64(len(block)) {
		if _, err := f.Write(block[:min(left, int64(len(block)))]); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	config := `{"model_type":"data2vec-audio","architectures":["Data2VecAudioModel"]}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir, size
}

// BenchmarkCompile compiles a checkpoint of base size (373 MB) from the page cache, in a new cache each time. "compile" is [model.Open] and Compile
// together, which is what a start waits for; its x-reads is that time over the time of reading the file twice into a small buffer, both taken
// in turns. "cached" is the same again in a cache that has the graph, "digest" what is read beside the session's loading.
// VECMILL_BENCH_CHECKPOINT names a directory to take instead: another format, half precision, another class.
func BenchmarkCompile(b *testing.B) {
	dir, file, size := benchCheckpoint(b)
	run := func(name string, fresh bool, one func(b *testing.B, cache string)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			cache := b.TempDir()
			var reading, working time.Duration
			for b.Loop() {
				b.StopTimer()
				begin := time.Now()
				readTwice(b, file)
				reading += time.Since(begin)
				if fresh {
					cache = b.TempDir()
				}
				b.StartTimer()
				begin = time.Now()
				one(b, cache)
				working += time.Since(begin)
			}
			b.ReportMetric(float64(working)/float64(reading), "x-reads")
		})
	}
	compile := func(b *testing.B, cache string) {
		if _, err := mustOpenB(b, dir).Compile(b.Context(), cache, model.CompileOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	run("compile", true, compile)
	run("cached", false, compile)
	run("digest", true, func(b *testing.B, _ string) {
		if _, err := mustOpenB(b, dir).Digest(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
}

// benchCheckpoint is the checkpoint to compile, its one weight file and that file's bytes.
func benchCheckpoint(b *testing.B) (dir, file string, size int64) {
	b.Helper()
	if dir = os.Getenv("VECMILL_BENCH_CHECKPOINT"); dir == "" {
		dir, size = writeBase(b)
		return dir, filepath.Join(dir, "model.safetensors"), size
	}
	files, err := checkpoint.Files(dir)
	if err != nil {
		b.Fatal(err)
	}
	file = filepath.Join(dir, files[0])
	st, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return dir, file, st.Size()
}

func mustOpenB(b *testing.B, dir string) *model.Spec {
	b.Helper()
	spec, err := model.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	return spec
}

// readTwice is the yardstick.
func readTwice(b *testing.B, path string) {
	b.Helper()
	for range 2 {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
