package bench

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/schemas"
)

// Widths of the base models.
const (
	hidden = 768
	inner  = 3072
	heads  = 12
)

// weights collects the tensors of a checkpoint.
type weights struct {
	names  []string
	shapes [][]int
}

func (w *weights) add(name string, shape ...int) {
	w.names, w.shapes = append(w.names, name), append(w.shapes, shape)
}

// layer is a weight and a bias for out.
func (w *weights) layer(name string, out int, in ...int) {
	w.add(name+".weight", append([]int{out}, in...)...)
	w.add(name+".bias", out)
}

func audioWeights(layers int) *weights {
	w := &weights{}
	in := 1
	for i, k := range []int{10, 3, 3, 3, 3, 2, 2} {
		p := fmt.Sprintf("data2vec_audio.feature_extractor.conv_layers.%d.", i)
		w.add(p+"conv.weight", 512, in, k)
		w.layer(p+"layer_norm", 512)
		in = 512
	}
	w.layer("data2vec_audio.feature_projection.layer_norm", 512)
	w.layer("data2vec_audio.feature_projection.projection", hidden, 512)
	for i := range 5 {
		w.layer(fmt.Sprintf("data2vec_audio.encoder.pos_conv_embed.layers.%d.conv", i), hidden, hidden/16, 19)
	}
	w.layer("data2vec_audio.encoder.layer_norm", hidden)
	for i := range layers {
		p := fmt.Sprintf("data2vec_audio.encoder.layers.%d.", i)
		for _, n := range []string{"q_proj", "k_proj", "v_proj", "out_proj"} {
			w.layer(p+"attention."+n, hidden, hidden)
		}
		w.layer(p+"layer_norm", hidden)
		w.layer(p+"feed_forward.intermediate_dense", inner, hidden)
		w.layer(p+"feed_forward.output_dense", hidden, inner)
		w.layer(p+"final_layer_norm", hidden)
	}
	w.layer("lm_head", 32, hidden)
	return w
}

func textWeights(layers int) *weights {
	w := &weights{}
	w.add("embeddings.word_embeddings.weight", 2048, hidden)
	w.add("embeddings.position_embeddings.weight", 514, hidden)
	w.add("embeddings.token_type_embeddings.weight", 1, hidden)
	w.layer("embeddings.LayerNorm", hidden)
	for i := range layers {
		p := fmt.Sprintf("encoder.layer.%d.", i)
		for _, n := range []string{"self.query", "self.key", "self.value", "output.dense"} {
			w.layer(p+"attention."+n, hidden, hidden)
		}
		w.layer(p+"attention.output.LayerNorm", hidden)
		w.layer(p+"intermediate.dense", inner, hidden)
		w.layer(p+"output.dense", hidden, inner)
		w.layer(p+"output.LayerNorm", hidden)
	}
	w.layer("pooler.dense", hidden, hidden)
	return w
}

func imageWeights(layers int) *weights {
	w := &weights{}
	w.add("embeddings.cls_token", 1, 1, hidden)
	w.layer("embeddings.patch_embeddings.projection", hidden, 3, 16, 16)
	for i := range layers {
		p := fmt.Sprintf("encoder.layer.%d.", i)
		w.layer(p+"attention.attention.query", hidden, hidden)
		w.add(p+"attention.attention.key.weight", hidden, hidden)
		w.layer(p+"attention.attention.value", hidden, hidden)
		w.add(p+"attention.attention.relative_position_bias.relative_position_bias_table", 27*27+3, heads)
		w.layer(p+"attention.output.dense", hidden, hidden)
		w.layer(p+"intermediate.dense", inner, hidden)
		w.layer(p+"output.dense", hidden, inner)
		w.layer(p+"layernorm_before", hidden)
		w.layer(p+"layernorm_after", hidden)
		w.add(p+"lambda_1", hidden)
		w.add(p+"lambda_2", hidden)
	}
	w.layer("pooler.layernorm", hidden)
	return w
}

// write writes model.safetensors: normal numbers of deviation 0.02, ones for the scales of norms.
func (w *weights) write(tb testing.TB, dir string) {
	tb.Helper()
	header, size := map[string]any{}, 0
	for i, name := range w.names {
		n := 4
		for _, d := range w.shapes[i] {
			n *= d
		}
		header[name] = map[string]any{"dtype": "F32", "shape": w.shapes[i], "data_offsets": []int{size, size + n}}
		size += n
	}
	h, err := json.Marshal(header)
	if err != nil {
		tb.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, size+len(h)+8), uint64(len(h)))
	b = append(b, h...)
	for i, name := range w.names {
		n := 1
		for _, d := range w.shapes[i] {
			n *= d
		}
		scale := strings.HasSuffix(name, "norm.weight") || strings.HasSuffix(name, "Norm.weight") || strings.Contains(name, "layernorm") && strings.HasSuffix(name, ".weight")
		for range n {
			v := float32(1)
			if !scale {
				v = float32(r.NormFloat64() * 0.02)
			}
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	write(tb, filepath.Join(dir, "model.safetensors"), b)
}

// checkpoint writes a whole checkpoint of a modality and returns its directory. demo is the directory of the bundled models, whose
// tokenizers and extractors it takes.
func checkpoint(tb testing.TB, demo string, m schemas.Modality, layers int) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), fmt.Sprintf("random-%s-%d", m, layers))
	if err := os.Mkdir(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	switch m {
	case schemas.Audio:
		audioWeights(layers).write(tb, dir)
		copyFiles(tb, filepath.Join(demo, "audio-ctc"), dir, "preprocessor_config.json", "vocab.json", "tokenizer_config.json", "special_tokens_map.json")
	case schemas.Text:
		textWeights(layers).write(tb, dir)
		copyFiles(tb, filepath.Join(demo, "text-intent"), dir, "vocab.json", "merges.txt", "tokenizer.json", "special_tokens_map.json")
		write(tb, filepath.Join(dir, "tokenizer_config.json"), []byte(`{"tokenizer_class":"RobertaTokenizer","model_max_length":512,"add_prefix_space":false}`))
	case schemas.Image:
		imageWeights(layers).write(tb, dir)
		write(tb, filepath.Join(dir, "preprocessor_config.json"), []byte(`{"image_processor_type":"BeitImageProcessor","do_resize":true,"size":{"height":224,"width":224},
			"resample":3,"do_center_crop":false,"do_rescale":true,"rescale_factor":0.00392156862745098,"do_normalize":true,"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}`))
	}
	write(tb, filepath.Join(dir, "config.json"), configuration(tb, m, layers))
	return dir
}

// configuration is a checkpoint's config.json.
func configuration(tb testing.TB, m schemas.Modality, layers int) []byte {
	tb.Helper()
	config := map[string]any{"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": inner}
	switch m {
	case schemas.Audio:
		config["model_type"], config["architectures"] = "data2vec-audio", []string{"Data2VecAudioForCTC"}
	case schemas.Text:
		config["model_type"], config["architectures"] = "data2vec-text", []string{"Data2VecTextModel"}
		config["vocab_size"], config["max_position_embeddings"], config["type_vocab_size"] = 2048, 514, 1
		config["pad_token_id"], config["bos_token_id"], config["eos_token_id"] = 1, 0, 2
	case schemas.Image:
		config["model_type"], config["architectures"] = "data2vec-vision", []string{"Data2VecVisionModel"}
		config["image_size"], config["patch_size"] = 224, 16
		config["use_relative_position_bias"], config["use_mean_pooling"], config["layer_scale_init_value"] = true, true, 0.1
	}
	b, err := json.Marshal(config)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func write(tb testing.TB, path string, b []byte) {
	tb.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
}

func copyFiles(tb testing.TB, from, to string, names ...string) {
	tb.Helper()
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(from, n))
		if err != nil {
			tb.Fatal(err)
		}
		write(tb, filepath.Join(to, n), b)
	}
}
