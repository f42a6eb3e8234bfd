package heads_test

import (
	"fmt"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

func TestHeadsPassTheSuite(t *testing.T) {
	audio := []embed.Sample{audioSample(1, 2, 3, 4, 5, 6), audioSample(7, -8), audioSample(3, 3, -4, 4, 9)}
	text := []embed.Sample{textSample(0, 5, 6, 2), textSample(0, 2), textSample(0, 9, 8, 7, 6, 2)}
	images := []embed.Sample{imageSample(1, 2, 3, 4), imageSample(9, 1, -1, 2), imageSample(0, 0, 5, 1)}
	speech := []embed.Sample{
		audioSample(5, 0, 5, 0, 0, 0, 6, 0, 4, 0, 7, 0), audioSample(8, 0, 9, 0), audioSample(4, 0, 10, 0, 10, 0, 0, 0, 11, 0),
	}
	hidden := func(hop int) embedtest.Config { return embedtest.Config{Width: 3, Hop: hop} }
	logits := embedtest.Config{Output: "logits", PerItem: true, Width: 3}
	cases := []struct {
		name    string
		cfg     heads.Config
		spec    *model.Spec
		graph   *model.Graph
		samples []embed.Sample
		output  func(*testing.T, []embed.Sample, float32) *embed.Output
	}{
		{
			"mean of audio",
			heads.Config{Task: schemas.TaskEmbedding, Raw: true},
			audioSpec("Data2VecAudioModel"), graphWith(state()), audio, embedtest.ArithmeticOutput(hidden(2)),
		},
		{
			"maximum of audio, length 1",
			heads.Config{Task: schemas.TaskEmbedding, Pooling: heads.Max},
			audioSpec("Data2VecAudioModel"), graphWith(state()), audio, embedtest.ArithmeticOutput(hidden(2)),
		},
		{
			"mean of text",
			heads.Config{Task: schemas.TaskEmbedding, Raw: true},
			textSpec("Data2VecTextModel"), graphWith(state()), text, embedtest.ArithmeticOutput(hidden(1)),
		},
		{
			"class token of pictures",
			heads.Config{Task: schemas.TaskEmbedding, Pooling: heads.CLS, Raw: true},
			imageSpec("Data2VecVisionModel"), graphWith(state()), images, embedtest.ArithmeticOutput(hidden(1)),
		},
		{
			"mean of pictures",
			heads.Config{Task: schemas.TaskEmbedding, Raw: true},
			imageSpec("Data2VecVisionModel"), graphWith(state()), images, embedtest.ArithmeticOutput(hidden(1)),
		},
		{
			"transcript",
			heads.Config{Task: schemas.TaskTranscript},
			audioSpec("Data2VecAudioForCTC"), graphWith(frameLogits(32), state()), speech, oneHot(32, 2),
		},
		{
			"text labels",
			heads.Config{Task: schemas.TaskLabels, TopK: 2},
			textSpec("Data2VecTextForSequenceClassification", "a", "b", "c"), graphWith(itemLogits(3)),
			[]embed.Sample{
				textSample(0), textSample(1, 1), textSample(0, 0, 0),
			},
			embedtest.ArithmeticOutput(logits),
		},
		{
			"image labels",
			heads.Config{Task: schemas.TaskLabels},
			imageSpec("TFData2VecVisionForImageClassification", "a", "b", "c"), graphWith(itemLogits(3)),
			[]embed.Sample{
				imageSample(1), imageSample(-1), imageSample(0),
			},
			embedtest.ArithmeticOutput(logits),
		},
		{
			"labelled frames",
			heads.Config{Task: schemas.TaskFrames},
			audioSpec("Data2VecAudioForAudioFrameClassification", "a", "b", "c"), graphWith(frameLogits(3), state()),
			[]embed.Sample{audioSample(0, 0, 0, 0, 2, 0, 1, 0), audioSample(1, 0), audioSample(2, 0, 1, 0, 1, 0)},
			oneHot(3, 2),
		},
		{
			"speaker vectors",
			heads.Config{Task: schemas.TaskXVector, Raw: true},
			audioSpec("Data2VecAudioForXVector"), graphWith(vectors(3)), audio,
			embedtest.ArithmeticOutput(embedtest.Config{Output: "embeddings", PerItem: true, Width: 3, Hop: 2}),
		},
		{
			"entities",
			heads.Config{Task: schemas.TaskTokens},
			textSpec("Data2VecTextForTokenClassification", tags...), graphWith(frameLogits(5)),
			[]embed.Sample{
				taggedSample("Ann Lee in Rome", 0, 1, 2, 0, 3), taggedSample("Rome", 3), taggedSample("to Ann", 0, 1),
			},
			oneHotTokens(5),
		},
		{
			"maps of classes",
			heads.Config{Task: schemas.TaskMasks},
			imageSpec("Data2VecVisionForSemanticSegmentation", "sky", "sea"), graphWith(planes(2)),
			[]embed.Sample{picture(4, 3, 1, -1, 2, 2), picture(2, 2, -1, -2, 3, 1), picture(5, 1, -1, -1, -1, -1)},
			classPlanes,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, err := heads.New(c.cfg, c.spec, c.graph)
			if err != nil {
				t.Fatal(err)
			}
			embedtest.TestHead(t, embedtest.HeadCase{Head: h, Samples: c.samples, Output: c.output})
		})
	}
}

func TestNewSaysWhatFits(t *testing.T) {
	cases := []struct {
		name  string
		cfg   heads.Config
		spec  *model.Spec
		graph *model.Graph
		parts []string
	}{
		{
			"an unknown task",
			heads.Config{Task: "segmentation"},
			audioSpec("Data2VecAudioModel"), graphWith(state()),
			[]string{`"segmentation"`, "embedding, transcript, classification"},
		},
		{
			"a transcript of a base class",
			heads.Config{Task: schemas.TaskTranscript},
			audioSpec("Data2VecAudioModel"), graphWith(state()),
			[]string{"Data2VecAudioForCTC", "this is Data2VecAudioModel", "what fits this model: embedding"},
		},
		{
			"labels of a CTC class",
			heads.Config{Task: schemas.TaskLabels},
			audioSpec("Data2VecAudioForCTC"), graphWith(frameLogits(32), state()),
			[]string{"Data2VecTextForSequenceClassification", "embedding, transcript"},
		},
		{
			"an embedding of a graph without states",
			heads.Config{Task: schemas.TaskEmbedding},
			audioSpec("Data2VecAudioForCTC"), graphWith(frameLogits(32)),
			[]string{"needs the output last_hidden_state", "gives logits", "what fits this model: transcript"},
		},
		{
			"logits of another rank",
			heads.Config{Task: schemas.TaskTranscript},
			audioSpec("Data2VecAudioForCTC"), graphWith(itemLogits(3)),
			[]string{"3 axes", "no head fits"},
		},
		{
			"a class token of audio",
			heads.Config{Task: schemas.TaskEmbedding, Pooling: heads.CLS},
			audioSpec("Data2VecAudioModel"), graphWith(state()),
			[]string{"no class token"},
		},
		{
			"an unknown pooling",
			heads.Config{Task: schemas.TaskEmbedding, Pooling: "median"},
			audioSpec("Data2VecAudioModel"), graphWith(state()),
			[]string{`"median"`, "mean, max, cls, first_last"},
		},
		{
			"a class without labels",
			heads.Config{Task: schemas.TaskLabels},
			textSpec("Data2VecTextForSequenceClassification"), graphWith(itemLogits(3)),
			[]string{"id2label"},
		},
		{
			"labels and logits that differ in number",
			heads.Config{Task: schemas.TaskLabels},
			textSpec("Data2VecTextForSequenceClassification", "a", "b"), graphWith(itemLogits(3)),
			[]string{"2 labels", "3 logits"},
		},
		{
			"a negative top_k",
			heads.Config{Task: schemas.TaskLabels, TopK: -1},
			textSpec("Data2VecTextForSequenceClassification", "a"), graphWith(itemLogits(1)),
			[]string{"top_k"},
		},
		{
			"an unknown transform",
			heads.Config{Task: schemas.TaskLabels, Transform: "tanh"},
			textSpec("Data2VecTextForSequenceClassification", "a"), graphWith(itemLogits(1)),
			[]string{`"tanh"`, "softmax, sigmoid, none"},
		},
		{
			"frames of a base class",
			heads.Config{Task: schemas.TaskFrames},
			audioSpec("Data2VecAudioModel"), graphWith(state()),
			[]string{"Data2VecAudioForAudioFrameClassification", "what fits this model: embedding"},
		},
		{
			"frames without labels",
			heads.Config{Task: schemas.TaskFrames},
			audioSpec("Data2VecAudioForAudioFrameClassification"), graphWith(frameLogits(3)),
			[]string{"id2label"},
		},
		{
			"a speaker vector of a graph that gives none",
			heads.Config{Task: schemas.TaskXVector},
			audioSpec("Data2VecAudioForXVector"), graphWith(itemLogits(3)),
			[]string{"needs the output embeddings"},
		},
		{
			"entities with labels that differ from the logits in number",
			heads.Config{Task: schemas.TaskTokens},
			textSpec("Data2VecTextForTokenClassification", "O"), graphWith(frameLogits(5)),
			[]string{"1 labels", "5 logits"},
		},
		{
			"an unknown aggregation",
			heads.Config{Task: schemas.TaskTokens, Aggregation: "best"},
			textSpec("Data2VecTextForTokenClassification", tags...), graphWith(frameLogits(5)),
			[]string{`"best"`, "none, simple, first, average, max"},
		},
		{
			"a map with labels that differ from the logits in number",
			heads.Config{Task: schemas.TaskMasks},
			imageSpec("Data2VecVisionForSemanticSegmentation", "sky"), graphWith(planes(2)),
			[]string{"1 labels", "2 logits"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, err := heads.New(c.cfg, c.spec, c.graph)
			if err == nil {
				t.Fatalf("got %v", h)
			}
			for _, part := range c.parts {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
		})
	}
}

func TestFitting(t *testing.T) {
	for want, got := range map[string][]schemas.Task{
		"[embedding transcript]":     heads.Fitting(audioSpec("Data2VecAudioForCTC"), graphWith(state(), frameLogits(32))),
		"[embedding]":                heads.Fitting(textSpec("Data2VecTextModel"), graphWith(state())),
		"[embedding classification]": heads.Fitting(imageSpec("Data2VecVisionForImageClassification"), graphWith(state(), itemLogits(4))),
		"[frames]":                   heads.Fitting(audioSpec("Data2VecAudioForAudioFrameClassification"), graphWith(frameLogits(3))),
		"[embedding xvector]":        heads.Fitting(audioSpec("Data2VecAudioForXVector"), graphWith(state(), itemLogits(3), vectors(3))),
		"[tokens]":                   heads.Fitting(textSpec("Data2VecTextForTokenClassification"), graphWith(frameLogits(5))),
		"[masks]":                    heads.Fitting(imageSpec("TFData2VecVisionForSemanticSegmentation"), graphWith(planes(2))),
		"[fill]":                     heads.Fitting(textSpec("Data2VecTextForMaskedLM"), graphWith(frameLogits(9))),
	} {
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{"": "embedding", "speaker": "speaker"} {
		h, err := heads.New(heads.Config{Task: schemas.TaskEmbedding, Name: name}, audioSpec("Data2VecAudioModel"), graphWith(state()))
		if err != nil {
			t.Fatal(err)
		}
		if h.Name() != want || h.Task() != schemas.TaskEmbedding {
			t.Errorf("name %q gives %q, %q", name, h.Name(), h.Task())
		}
	}
}

func ExampleNew() {
	spec := &model.Spec{
		Class: "Data2VecTextForSequenceClassification", Modality: schemas.Text, Labels: []string{"calm", "merry"}, Text: &model.TextConfig{},
	}
	graph := &model.Graph{Outputs: []model.Port{{Name: "logits", Type: "float32", Shape: []int64{-1, 2}}}}
	head, err := heads.New(heads.Config{Task: schemas.TaskLabels}, spec, graph)
	if err != nil {
		fmt.Println(err)
		return
	}
	out := &embed.Output{Tensors: []embed.Tensor{{Name: "logits", Shape: []int64{1, 2}, F32: []float32{0, 2}}}}
	rows, err := head.Apply(out, make([]embed.Sample, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %.3f\n", rows[0].Label, rows[0].Score)
	// Output: merry 0.881
}
