package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/model"
	"vecmill/model/checkpoint"
	"vecmill/model/graph"
	"vecmill/schemas"
)

const golden = "golden"

// copyCase copies a committed checkpoint, so that a test can spoil it.
func copyCase(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	weights, err := checkpoint.Files(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(weights, "config.json") {
		b, err := os.ReadFile(filepath.Join(golden, name, f))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, f), b)
	}
	return dir
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// setConfig changes fields of config.json; nil removes one.
func setConfig(t *testing.T, dir string, fields map[string]any) {
	t.Helper()
	path := filepath.Join(dir, "config.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	for k, v := range fields {
		c[k] = v
		if v == nil {
			delete(c, k)
		}
	}
	if b, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	write(t, path, b)
}

// replace changes bytes of the weight file's header or data, keeping its length.
func replace(t *testing.T, dir, old, with string) {
	t.Helper()
	path := filepath.Join(dir, "model.safetensors")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(old) != len(with) || !bytes.Contains(b, []byte(old)) {
		t.Fatalf("cannot put %q for %q", with, old)
	}
	write(t, path, bytes.Replace(b, []byte(old), []byte(with), 1))
}

func mustOpen(t *testing.T, path string) *model.Spec {
	t.Helper()
	s, err := model.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustCompile(t *testing.T, s *model.Spec, cache string, o model.CompileOptions) *model.Graph {
	t.Helper()
	g, err := s.Compile(t.Context(), cache, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func digest(t *testing.T, of interface {
	Digest(context.Context) (string, error)
},
) string {
	t.Helper()
	d, err := of.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Where the head reads the first token alone, the other tokens of the last layer are computed for who wants the states only.
func TestHeadOnlyLeavesOutWhatTheHeadDoesNotRead(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       model.CompileOptions
		narrows bool
	}{
		{"Data2VecTextForSequenceClassification/base", model.CompileOptions{}, true},
		{"Data2VecTextForMultipleChoice/base", model.CompileOptions{}, true},
		{"Data2VecTextForSequenceClassification/base", model.CompileOptions{Outputs: []string{"hidden_states"}}, false},
		{"Data2VecTextForTokenClassification/base", model.CompileOptions{}, false},
		{"Data2VecAudioForXVector/base", model.CompileOptions{}, false},
	} {
		s, cache := mustOpen(t, copyCase(t, c.name)), t.TempDir()
		whole := mustCompile(t, s, cache, c.o)
		c.o.HeadOnly = true
		narrow := mustCompile(t, s, cache, c.o)
		if _, has := narrow.Output("last_hidden_state"); has && c.narrows {
			t.Errorf("%s: outputs %v", c.name, narrow.Outputs)
		}
		if (digest(t, whole) != digest(t, narrow)) != c.narrows || len(read(t, narrow.Path)) == len(read(t, whole.Path)) == c.narrows {
			t.Errorf("%s %v: whether another graph is made is not %v", c.name, c.o.Outputs, c.narrows)
		}
	}
}

func TestOpenReadsClassModalityAndLabels(t *testing.T) {
	for name, tc := range map[string]struct {
		modality schemas.Modality
		labels   []string
	}{
		"Data2VecAudioForCTC/base":                    {schemas.Audio, nil},
		"Data2VecAudioForSequenceClassification/base": {schemas.Audio, []string{"a", "b", "c"}},
		"Data2VecTextModel/base":                      {schemas.Text, nil},
		"Data2VecTextForSequenceClassification/base":  {schemas.Text, []string{"LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"}},
		"Data2VecVisionForImageClassification/mean":   {schemas.Image, []string{"LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4", "LABEL_5"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, filepath.Join(golden, name))
			if s.Class != filepath.Dir(name) || s.Modality != tc.modality || !slices.Equal(s.Labels, tc.labels) {
				t.Errorf("opened %+v", s)
			}
			if (s.Audio != nil) != (tc.modality == schemas.Audio) || (s.Text != nil) != (tc.modality == schemas.Text) || (s.Vision != nil) != (tc.modality == schemas.Image) {
				t.Errorf("configurations of %+v", s)
			}
		})
	}
}

// TensorFlow's classes leave the names of torch's in config.json; one of them is another function.
func TestAFileOfTensorFlowMakesItsClass(t *testing.T) {
	dir := copyCase(t, "Data2VecVisionForSemanticSegmentation/base")
	torch := mustOpen(t, dir)
	digest(t, torch) // while its file is there
	if err := os.Rename(filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "tf_model.h5")); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir)
	if s.Class != "TF"+torch.Class || digest(t, s) == digest(t, torch) {
		t.Errorf("class %s, or the digest of torch's", s.Class)
	}
}

func TestTheDigestFollowsWeightsConfigurationAndLabels(t *testing.T) {
	base := digest(t, mustOpen(t, copyCase(t, "Data2VecAudioForSequenceClassification/base")))
	if len(base) != 64 {
		t.Fatalf("digest %q", base)
	}
	for name, tc := range map[string]struct {
		spoil func(dir string)
		same  bool
	}{
		"a copy elsewhere":              {func(string) {}, true},
		"a field that shapes no graph":  {func(dir string) { setConfig(t, dir, map[string]any{"hidden_dropout": 0.5}) }, true},
		"a default spelled out":         {func(dir string) { setConfig(t, dir, map[string]any{"adapter_stride": 2}) }, true},
		"a field that shapes the graph": {func(dir string) { setConfig(t, dir, map[string]any{"layer_norm_eps": 0.1}) }, false},
		"another label": {func(dir string) {
			setConfig(t, dir, map[string]any{"id2label": map[string]string{"0": "x", "1": "b", "2": "c"}})
		}, false},
		"another byte in the weight file": {func(dir string) { replace(t, dir, "projector.bias", "projector.bios") }, false},
	} {
		dir := copyCase(t, "Data2VecAudioForSequenceClassification/base")
		tc.spoil(dir)
		if got := digest(t, mustOpen(t, dir)); (got == base) != tc.same {
			t.Errorf("%s: digest %s, base %s", name, got, base)
		}
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		path func(dir string) string
		want string
	}{
		"no directory": {func(dir string) string { return filepath.Join(dir, "nowhere") }, "nowhere"},
		"a file":       {func(dir string) string { return filepath.Join(dir, "config.json") }, "give the checkpoint's directory"},
		"no config":    {func(dir string) string { _ = os.Remove(filepath.Join(dir, "config.json")); return dir }, "has no config.json"},
		"a broken one": {func(dir string) string { write(t, filepath.Join(dir, "config.json"), []byte("{")); return dir }, "config.json"},
		"no weights":   {func(dir string) string { _ = os.Remove(filepath.Join(dir, "model.safetensors")); return dir }, "holds no weights"},
		"another class": {func(dir string) string {
			setConfig(t, dir, map[string]any{"architectures": []string{"Data2VecAudioForDreams"}})
			return dir
		}, "Data2VecAudioForDreams is not supported"},
		"no class": {func(dir string) string { setConfig(t, dir, map[string]any{"architectures": nil}); return dir }, "architectures"},
		"a Flax file": {func(dir string) string {
			_ = os.Rename(filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "flax_model.msgpack"))
			return dir
		}, "flax_model.msgpack"},
		"a .onnx without config": {func(dir string) string { return filepath.Join(dir, "a", "b", "x.onnx") }, "has no config.json"},
		"a .onnx that is none": {func(dir string) string {
			write(t, filepath.Join(dir, "x.onnx"), []byte("no"))
			return filepath.Join(dir, "x.onnx")
		}, "not an ONNX model"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := model.Open(tc.path(copyCase(t, "Data2VecAudioForCTC/base")))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func TestCompileDescribesItsPorts(t *testing.T) {
	f, i := "float32", "int64"
	for name, want := range map[string]struct{ in, out []model.Port }{
		"Data2VecAudioForCTC/adapter": {
			[]model.Port{{"input_values", f, []int64{-1, -1}}, {"lengths", i, []int64{-1}}},
			[]model.Port{{"last_hidden_state", f, []int64{-1, -1, 8}}, {"logits", f, []int64{-1, -1, 12}}},
		},
		"Data2VecAudioModel/base": {
			[]model.Port{{"input_values", f, []int64{-1, -1}}, {"lengths", i, []int64{-1}}},
			[]model.Port{{"last_hidden_state", f, []int64{-1, -1, 16}}},
		},
		"Data2VecTextForSequenceClassification/base": {
			[]model.Port{{"input_ids", i, []int64{-1, -1}}, {"attention_mask", i, []int64{-1, -1}}},
			[]model.Port{{"last_hidden_state", f, []int64{-1, -1, 16}}, {"logits", f, []int64{-1, 5}}},
		},
		"Data2VecVisionForImageClassification/cls_grey": {
			[]model.Port{{"pixel_values", f, []int64{-1, 1, 16, 16}}},
			[]model.Port{{"last_hidden_state", f, []int64{-1, 17, 16}}, {"logits", f, []int64{-1, 3}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := mustCompile(t, mustOpen(t, filepath.Join(golden, name)), t.TempDir(), model.CompileOptions{})
			same := func(a, b model.Port) bool {
				return a.Name == b.Name && a.Type == b.Type && slices.Equal(a.Shape, b.Shape)
			}
			if !slices.EqualFunc(g.Inputs, want.in, same) || !slices.EqualFunc(g.Outputs, want.out, same) {
				t.Errorf("inputs %v, outputs %v", g.Inputs, g.Outputs)
			}
			for _, p := range slices.Concat(g.Inputs, g.Outputs) {
				_, in := g.Input(p.Name)
				_, out := g.Output(p.Name)
				if in == out {
					t.Errorf("port %s is found %v among inputs, %v among outputs", p.Name, in, out)
				}
			}
		})
	}
}

func TestCompileRefusesByName(t *testing.T) {
	for name, tc := range map[string]struct {
		from  string
		spoil func(dir string)
		o     model.CompileOptions
		want  string
	}{
		"a weight under another name":                 {"Data2VecAudioForCTC/base", func(dir string) { replace(t, dir, "lm_head.weight", "lm_hood.weight") }, model.CompileOptions{}, "1 missing: lm_head.weight; 1 surplus: lm_hood.weight"},
		"a vocabulary of another size":                {"Data2VecAudioForCTC/base", func(dir string) { setConfig(t, dir, map[string]any{"vocab_size": 13}) }, model.CompileOptions{}, "lm_head.weight is [12 16], want [13 16]"},
		"fewer layers than the file":                  {"Data2VecTextModel/base", func(dir string) { setConfig(t, dir, map[string]any{"num_hidden_layers": 1}) }, model.CompileOptions{}, "surplus: encoder.layer.1."},
		"an unknown activation":                       {"Data2VecTextModel/base", func(dir string) { setConfig(t, dir, map[string]any{"hidden_act": "dreamlu"}) }, model.CompileOptions{}, `"dreamlu"`},
		"an adapter before a classifier":              {"Data2VecAudioForSequenceClassification/base", func(dir string) { setConfig(t, dir, map[string]any{"add_adapter": true}) }, model.CompileOptions{}, "add_adapter"},
		"a family that is not the class's":            {"Data2VecTextModel/base", func(dir string) { setConfig(t, dir, map[string]any{"model_type": "data2vec-vision"}) }, model.CompileOptions{}, "belongs to model_type data2vec-text"},
		"an unknown output":                           {"Data2VecAudioForCTC/base", func(string) {}, model.CompileOptions{Outputs: []string{"dreams"}}, `"dreams"`},
		"an unknown input":                            {"Data2VecAudioForCTC/base", func(string) {}, model.CompileOptions{Inputs: []string{"token_type_ids"}}, `"token_type_ids"`},
		"pictures that no table bears out":            {"Data2VecVisionModel/relative", func(dir string) { setConfig(t, dir, map[string]any{"image_size": 8192}) }, model.CompileOptions{}, "relative_position_bias_table is [52 2], want [16769028 2]"},
		"a mask without a mask token":                 {"Data2VecVisionModel/relative", func(string) {}, model.CompileOptions{Inputs: []string{"bool_masked_pos"}}, "use_mask_token"},
		"a picture smaller than a patch":              {"Data2VecVisionModel/relative", func(string) {}, model.CompileOptions{ImageSize: model.HW{H: 3, W: 16}}, "patch_size"},
		"a cache of an encoder":                       {"Data2VecTextForCausalLM/encoder", func(string) {}, model.CompileOptions{Outputs: []string{graph.PastKeyValues}}, "is_decoder"},
		"an encoder's states without layers for them": {"Data2VecTextForCausalLM/base", func(string) {}, model.CompileOptions{Inputs: []string{"encoder_hidden_states"}}, "add_cross_attention"},
		"a mask of states that are not there":         {"Data2VecTextForCausalLM/cross", func(string) {}, model.CompileOptions{Inputs: []string{"encoder_attention_mask"}}, "without encoder_hidden_states"},
		"words untied that the file ties":             {"Data2VecTextForMaskedLM/base", func(dir string) { setConfig(t, dir, map[string]any{"tie_word_embeddings": false}) }, model.CompileOptions{}, "missing: lm_head.decoder.weight"},
		"dilated layers of two counts":                {"Data2VecAudioForXVector/base", func(dir string) { setConfig(t, dir, map[string]any{"tdnn_kernel": []int{5, 3}}) }, model.CompileOptions{}, "tdnn_kernel"},
		"a dilation of zero":                          {"Data2VecAudioForXVector/base", func(dir string) { setConfig(t, dir, map[string]any{"tdnn_dilation": []int{1, 0, 1}}) }, model.CompileOptions{}, "dilation 0"},
		"an adapter of another width":                 {"Data2VecAudioForXVector/adapter", func(dir string) { setConfig(t, dir, map[string]any{"hidden_size": 32, "output_hidden_size": 16}) }, model.CompileOptions{}, "does not fit the projector"},
		"states that do not exist":                    {"Data2VecVisionForSemanticSegmentation/base", func(dir string) { setConfig(t, dir, map[string]any{"out_indices": []int{3, 5, 7, 11}}) }, model.CompileOptions{}, "out_indices [3 5 7 11]"},
		"a scale of zero":                             {"Data2VecVisionForSemanticSegmentation/base", func(dir string) { setConfig(t, dir, map[string]any{"pool_scales": []int{1, 0}}) }, model.CompileOptions{}, "pool_scales"},
		"segments of a picture of another size":       {"Data2VecVisionForSemanticSegmentation/base", func(string) {}, model.CompileOptions{ImageSize: model.HW{H: 32, W: 16}}, "own grid"},
		"positions that form no square":               {"Data2VecVisionModel/absolute_shared_cls", func(dir string) { setConfig(t, dir, map[string]any{"image_size": []int{8, 12}}) }, model.CompileOptions{}, "square number"},
		"packed rows of pictures":                     {"Data2VecVisionModel/relative", func(string) {}, model.CompileOptions{Packed: true}, "constant shape"},
		"packed rows with an adapter":                 {"Data2VecAudioForCTC/adapter", func(string) {}, model.CompileOptions{Packed: true}, "add_adapter"},
		"packed rows with the reference's padding":    {"Data2VecAudioForCTC/base", func(string) {}, model.CompileOptions{Packed: true, HFPadding: true}, "no padding"},
		"packed rows with another input":              {"Data2VecTextModel/base", func(string) {}, model.CompileOptions{Packed: true, Inputs: []string{"token_type_ids"}}, "token_type_ids"},
		"attentions of packed rows":                   {"Data2VecTextModel/base", func(string) {}, model.CompileOptions{Packed: true, Outputs: []string{"attentions"}}, "the output attentions would be of rows"},
		"states of packed choices":                    {"Data2VecTextForMultipleChoice/base", func(string) {}, model.CompileOptions{Packed: true, Outputs: []string{"hidden_states"}}, "the output hidden_states would be of rows"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyCase(t, tc.from)
			tc.spoil(dir)
			cache := t.TempDir()
			_, err := mustOpen(t, dir).Compile(t.Context(), cache, tc.o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
			if left := entries(t, cache); len(left) > 0 {
				t.Errorf("the cache keeps %v", left)
			}
		})
	}
}

// TestAPoolerThatNobodyAsksForMayBeMissing is of a file of a head class, whose backbone has none, that is opened as the base class.
func TestAPoolerThatNobodyAsksForMayBeMissing(t *testing.T) {
	dir := copyCase(t, "Data2VecTextForTokenClassification/base")
	setConfig(t, dir, map[string]any{"architectures": []string{"Data2VecTextModel"}})
	spec := mustOpen(t, dir)
	g := mustCompile(t, spec, t.TempDir(), model.CompileOptions{})
	if _, states := g.Output("last_hidden_state"); !states || len(g.Outputs) != 1 {
		t.Errorf("outputs %v", g.Outputs)
	}
	if _, err := spec.Compile(t.Context(), t.TempDir(), model.CompileOptions{Outputs: []string{"pooler_output"}}); !errors.Is(err, graph.ErrNoPooler) {
		t.Errorf("a pooled state that is asked for: %v", err)
	}
}

// TestASharedBiasIsStoredOnce: of data2vec-vision-base it has 123 MB at 640 pixels, and there are twelve layers.
func TestASharedBiasIsStoredOnce(t *testing.T) {
	spec := mustOpen(t, copyCase(t, "TFData2VecVisionForImageClassification/keras"))
	g := mustCompile(t, spec, t.TempDir(), model.CompileOptions{ImageSize: model.HW{H: 64, W: 64}})
	info, err := os.Stat(filepath.Join(filepath.Dir(g.Path), "weights.bin"))
	if err != nil {
		t.Fatal(err)
	}
	const heads, tokens = 2, 1 + 16*16
	if once := int64(heads * tokens * tokens * 4); info.Size() < once || info.Size() > once*3/2 {
		t.Errorf("%d bytes of weights, with a bias of %d of two layers", info.Size(), once)
	}
}

// entries are all files and directories under dir.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
