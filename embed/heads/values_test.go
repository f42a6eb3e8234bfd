package heads_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

func near(a, b float32) bool { return math.Abs(float64(a)-float64(b)) <= 1e-6 }

func TestEmbeddingValues(t *testing.T) {
	adapter := audioSpec("Data2VecAudioModel")
	adapter.Audio.AddAdapter, adapter.Audio.NumAdapterLayers, adapter.Audio.AdapterStride, adapter.Audio.AdapterKernelSize = true, 1, 2, 3
	audio := audioSpec("Data2VecAudioModel")
	cases := []struct {
		name   string
		cfg    heads.Config
		spec   *model.Spec
		sample embed.Sample
		states []float32 // [1, 4, 2]
		want   []float32
	}{
		{"mean over own frames", heads.Config{Raw: true}, audio, audioSample(0, 0, 0, 0, 0, 0), []float32{1, 2, 3, 4, 5, 9, 99, 99}, []float32{3, 5}},
		{"maximum over own frames", heads.Config{Raw: true, Pooling: heads.Max}, audio, audioSample(0, 0, 0, 0), []float32{-1, -2, -3, 4, 99, 99, 99, 99}, []float32{-1, 4}},
		{"an adapter shortens", heads.Config{Raw: true}, adapter, audioSample(0, 0, 0, 0, 0, 0), []float32{1, 2, 3, 4, 99, 99, 99, 99}, []float32{2, 3}},
		{"unit length", heads.Config{}, audio, audioSample(0, 0), []float32{3, 4, 99, 99, 99, 99, 99, 99}, []float32{0.6, 0.8}},
		{"the zero vector stays", heads.Config{}, audio, audioSample(0, 0), []float32{0, 0, 9, 9, 9, 9, 9, 9}, []float32{0, 0}},
		{"large numbers do not overflow", heads.Config{}, audio, audioSample(0, 0), []float32{3e30, 4e30, 0, 0, 0, 0, 0, 0}, []float32{0.6, 0.8}},
		{"text counts its mask", heads.Config{Raw: true}, textSpec("Data2VecTextModel"), textSample(0, 7, 2), []float32{1, 2, 3, 4, 5, 9, 99, 99}, []float32{3, 5}},
		{"text's class token", heads.Config{Raw: true, Pooling: heads.CLS}, textSpec("Data2VecTextModel"), textSample(0, 7, 2), []float32{1, 2, 3, 4, 5, 9, 99, 99}, []float32{1, 2}},
		{"pictures leave the class token out", heads.Config{Raw: true}, imageSpec("Data2VecVisionModel"), imageSample(1), []float32{99, 99, 1, 2, 3, 4, 5, 6}, []float32{3, 4}},
		{"of the maximum too", heads.Config{Raw: true, Pooling: heads.Max}, imageSpec("Data2VecVisionModel"), imageSample(1), []float32{99, 99, 1, 9, 3, 4, 5, 6}, []float32{5, 9}},
		{"pictures' class token", heads.Config{Raw: true, Pooling: heads.CLS}, imageSpec("Data2VecVisionModel"), imageSample(1), []float32{7, 8, 1, 2, 3, 4, 5, 6}, []float32{7, 8}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Task = schemas.TaskEmbedding
			h, err := heads.New(c.cfg, c.spec, graphWith(state()))
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Apply(tensor("last_hidden_state", []int64{1, 4, 2}, c.states...), []embed.Sample{c.sample})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got[0].Vector, c.want, near) {
				t.Errorf("got %v, want %v", got[0].Vector, c.want)
			}
		})
	}
}

func TestLengthsThatDoNotFit(t *testing.T) {
	cases := []struct {
		name   string
		spec   *model.Spec
		sample embed.Sample
		part   string
	}{
		{"more steps than the output", audioSpec("Data2VecAudioModel"), audioSample(1, 2, 3, 4, 5, 6), "3 steps, the output only 2"},
		{"not one step", audioSpec("Data2VecAudioModel"), audioSample(1), "too short"},
		{"no lengths at all", audioSpec("Data2VecAudioModel"), embed.Sample{}, "neither lengths nor input_values"},
		{"no tokens at all", textSpec("Data2VecTextModel"), embed.Sample{}, "neither attention_mask nor input_ids"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, err := heads.New(heads.Config{Task: schemas.TaskEmbedding}, c.spec, graphWith(state()))
			if err != nil {
				t.Fatal(err)
			}
			_, err = h.Apply(tensor("last_hidden_state", []int64{1, 2, 1}, 1, 2), []embed.Sample{c.sample})
			if err == nil || !strings.Contains(err.Error(), c.part) || !strings.Contains(err.Error(), "item 0") {
				t.Errorf("got %v, want %q", err, c.part)
			}
		})
	}
}

func TestClassificationValues(t *testing.T) {
	text := func(problem string, labels ...string) *model.Spec {
		s := textSpec("Data2VecTextForSequenceClassification", labels...)
		s.Text.ProblemType = problem
		return s
	}
	image := func(problem string, labels ...string) *model.Spec {
		s := imageSpec("Data2VecVisionForImageClassification", labels...)
		s.Vision.ProblemType = problem
		return s
	}
	audio := audioSpec("Data2VecAudioForSequenceClassification")
	audio.Labels = []string{"one"}
	cases := []struct {
		name   string
		cfg    heads.Config
		spec   *model.Spec
		logits []float32
		want   string
	}{
		{"softmax, best first", heads.Config{}, text("", "a", "b", "c"), []float32{1, 3, 2}, "b 0.665241 c 0.244728 a 0.090031"},
		{"top two", heads.Config{TopK: 2}, text("", "a", "b", "c"), []float32{1, 3, 2}, "b 0.665241 c 0.244728"},
		{"top_k over the number of labels", heads.Config{TopK: 99}, text("", "a", "b"), []float32{0, 0}, "a 0.500000 b 0.500000"},
		{"five by default, ties in order of the labels", heads.Config{Transform: heads.None}, text("", "a", "b", "c", "d", "e", "f"), []float32{1, 2, 1, 2, 1, 1}, "b 2.000000 d 2.000000 a 1.000000 c 1.000000 e 1.000000"},
		{"a thousand does not overflow", heads.Config{}, text("", "a", "b"), []float32{1000, 999}, "a 0.731059 b 0.268941"},
		{"nor its negative", heads.Config{}, text("", "a", "b"), []float32{-1000, -999}, "b 0.731059 a 0.268941"},
		{"several labels at once take the sigmoid", heads.Config{}, text("multi_label_classification", "a", "b"), []float32{0, 2}, "b 0.880797 a 0.500000"},
		{"a single label takes the sigmoid", heads.Config{}, text("", "a"), []float32{2}, "a 0.880797"},
		{"regression stays as it is", heads.Config{}, text("regression", "a"), []float32{2.5}, "a 2.500000"},
		{"regression of pictures is not special", heads.Config{}, image("regression", "a"), []float32{2}, "a 0.880797"},
		{"pictures take softmax", heads.Config{}, image("single_label_classification", "a", "b"), []float32{0, 0}, "a 0.500000 b 0.500000"},
		{"audio takes softmax, for one label too", heads.Config{}, audio, []float32{7}, "one 1.000000"},
		{"a transform asked for", heads.Config{Transform: heads.Sigmoid}, image("", "a", "b"), []float32{0, -1000}, "a 0.500000 b 0.000000"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Task = schemas.TaskLabels
			h, err := heads.New(c.cfg, c.spec, graphWith(itemLogits(-1)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Apply(tensor("logits", []int64{1, int64(len(c.logits))}, c.logits...), make([]embed.Sample, 1))
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, l := range got[0].Labels {
				said = append(said, fmt.Sprintf("%s %.6f", l.Label, l.Score))
			}
			if s := strings.Join(said, " "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

func TestTranscriptTimesAndScores(t *testing.T) {
	spec := audioSpec("Data2VecAudioForCTC") // 2 samples per frame; 16 kHz, for the directory has no preprocessor_config.json
	h, err := heads.New(heads.Config{Task: schemas.TaskTranscript}, spec, graphWith(frameLogits(6)))
	if err != nil {
		t.Fatal(err)
	}
	const frame = 2.0 / 16000
	half := float32(math.Log(5)) // over five zeros: probability 1/2
	sure := float32(100)         // probability 1
	logits := make([]float32, 7*6)
	for f, token := range []struct {
		id int
		v  float32
	}{{5, half}, {5, sure}, {0, half}, {5, sure}, {4, half}, {5, half}, {0, 0}} { // E E _ E | E, and all equal: the first, blank
		logits[f*6+token.id] = token.v
	}
	sample := audioSample(make([]float32, 14)...)
	sample.Start = 10
	got, err := h.Apply(tensor("logits", []int64{1, 7, 6}, logits...), []embed.Sample{sample})
	if err != nil {
		t.Fatal(err)
	}
	p := got[0]
	if p.Text != "EE E" || len(p.Words) != 2 {
		t.Fatalf("got %q, %v", p.Text, p.Words)
	}
	for i, want := range []schemas.Word{
		{Word: "EE", Start: 10, End: 10 + 4*frame, Score: (0.5 + 1 + 1) / 3.0},
		{Word: "E", Start: 10 + 5*frame, End: 10 + 6*frame, Score: 0.5},
	} {
		w := p.Words[i]
		if w.Word != want.Word || math.Abs(w.Start-want.Start) > 1e-12 || math.Abs(w.End-want.End) > 1e-12 || !near(w.Score, want.Score) {
			t.Errorf("word %d is %+v, want %+v", i, w, want)
		}
	}
	if want := float32((0.5 + 1 + 1 + 0.5 + 0.5) / 5.0); !near(p.Score, want) {
		t.Errorf("score %v, want %v", p.Score, want)
	}

	sample.Start = 0
	if got, err = h.Apply(tensor("logits", []int64{1, 7, 6}, logits...), []embed.Sample{sample}); err != nil || got[0].Words[1].End != 12.0/16000 {
		t.Errorf("the second word is %+v, %v; the reference computes frame*ratio/rate in this order", got[0].Words, err)
	}

	silence, err := h.Apply(tensor("logits", []int64{1, 7, 6}, make([]float32, 42)...), []embed.Sample{sample})
	if err != nil {
		t.Fatal(err)
	}
	if silence[0].Text != "" || len(silence[0].Words) != 0 || silence[0].Score != 0 {
		t.Errorf("blanks alone give %+v", silence[0])
	}
}

func TestSamplingRateComesFromTheCheckpoint(t *testing.T) {
	cases := []struct {
		name, config string
		file         string // "": preprocessor_config.json
		end          float64
		part         string
	}{
		{"the file's own rate", `{"sampling_rate": 8000}`, "", 2.0 / 8000, ""},
		{"the class default where the file is silent", `{}`, "", 2.0 / 16000, ""},
		{"no time without a rate", `{"sampling_rate": 0}`, "", 0, "sampling_rate is 0"},
		{"a damaged file", `{"sampling_rate": "fast"}`, "", 0, "preprocessor_config.json"},
		{"a newer save's only file", `{"feature_extractor": {"sampling_rate": 8000}}`, "processor_config.json", 2.0 / 8000, ""},
		{"which says nothing of it", `{"processor_class": "Wav2Vec2Processor"}`, "processor_config.json", 2.0 / 16000, ""},
		{"and is damaged", `{"feature_extractor": {"sampling_rate": "fast"}}`, "processor_config.json", 0, "processor_config.json"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			spec := audioSpec("Data2VecAudioForCTC")
			dir := t.TempDir()
			for name, content := range map[string]string{"vocab.json": `{"<pad>": 0, "|": 1, "a": 2}`, cmp.Or(c.file, "preprocessor_config.json"): c.config} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			spec.Dir = dir
			h, err := heads.New(heads.Config{Task: schemas.TaskTranscript}, spec, graphWith(frameLogits(3)))
			if c.part != "" {
				if err == nil || !strings.Contains(err.Error(), c.part) {
					t.Errorf("got %v, want %q", err, c.part)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Apply(tensor("logits", []int64{1, 1, 3}, 0, 0, 1), []embed.Sample{audioSample(0, 0)})
			if err != nil || len(got[0].Words) != 1 || got[0].Words[0].End != c.end {
				t.Errorf("got %+v, %v, want an end of %v", got, err, c.end)
			}
		})
	}
}
