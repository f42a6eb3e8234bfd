package predict

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"vecmill/embed"
	"vecmill/model"
)

// BenchmarkGeneration writes 48 tokens behind a prompt of 16 with a model of data2vec-text-base's size and random weights, one thread:
//
//	go test -run '^$' -bench Generation -benchtime 3x ./internal/predict
//
// It does not show what a text's length costs beyond that.
func BenchmarkGeneration(b *testing.B) {
	dir := baseDecoder(b)
	cache := b.TempDir()
	for _, c := range []struct {
		name    string
		options Options
		texts   float64
	}{
		{"with cache", Options{}, 1},
		{"without cache", Options{"use_cache": json.RawMessage("false")}, 1},
		{"with cache, 4 beams", Options{"num_beams": json.RawMessage("4")}, 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.options["max_new_tokens"], c.options["do_sample"], c.options["eos_token_id"] = json.RawMessage("48"), json.RawMessage("false"), json.RawMessage("null")
			spec, err := model.Open(dir)
			if err != nil {
				b.Fatal(err)
			}
			w, err := newGeneration(spec, c.options)
			if err != nil {
				b.Fatal(err)
			}
			r := &runner{job: &Job{Settings: Settings{Cache: cache, Threads: 1}}, spec: spec, worker: w, out: json.NewEncoder(io.Discard)}
			in := OfText("ann lee in rome.")
			if err := r.one(b.Context(), &in); err != nil { // compiles and opens
				b.Fatal(err)
			}
			for b.Loop() {
				if err := r.one(b.Context(), &in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(48*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
			if err := r.loaded.close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// baseDecoder writes a checkpoint of Data2VecTextForCausalLM of the usual size, with the tokenizer of testdata.
func baseDecoder(b *testing.B) string {
	b.Helper()
	const width, inner, words, places = 768, 3072, 50265, 514
	dir := b.TempDir()
	random := rand.New(rand.NewPCG(1, 1))
	values := make([]float32, words*width)
	for i := range values {
		values[i] = float32(random.NormFloat64()) * 0.02
	}
	var all []embed.Tensor
	add := func(name string, shape ...int64) {
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		all = append(all, embed.Tensor{Name: name, Shape: shape, F32: values[:n]})
	}
	linear := func(name string, from, to int64) {
		add(name+".weight", to, from)
		add(name+".bias", to)
	}
	norm := func(name string) {
		add(name+".weight", width)
		add(name+".bias", width)
	}
	const text = "data2vec_text."
	add(text+"embeddings.word_embeddings.weight", words, width)
	add(text+"embeddings.position_embeddings.weight", places, width)
	add(text+"embeddings.token_type_embeddings.weight", 1, width)
	norm(text + "embeddings.LayerNorm")
	for i := range 12 {
		p := fmt.Sprintf("%sencoder.layer.%d.", text, i)
		for _, part := range []string{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"} {
			linear(p+part, width, width)
		}
		norm(p + "attention.output.LayerNorm")
		linear(p+"intermediate.dense", width, inner)
		linear(p+"output.dense", inner, width)
		norm(p + "output.LayerNorm")
	}
	linear("lm_head.dense", width, width)
	norm("lm_head.layer_norm")
	add("lm_head.bias", words)
	if err := writeTensors(filepath.Join(dir, "model.safetensors"), all); err != nil {
		b.Fatal(err)
	}
	config := fmt.Sprintf(`{"model_type": "data2vec-text", "architectures": ["Data2VecTextForCausalLM"], "is_decoder": true, "vocab_size": %d,
		"max_position_embeddings": %d, "type_vocab_size": 1, "layer_norm_eps": 1e-5}`, words, places)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("testdata/tokenizer")); err != nil {
		b.Fatal(err)
	}
	return dir
}
