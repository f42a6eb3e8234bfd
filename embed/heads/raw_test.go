package heads_test

import (
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/model"
)

// TestRawNumbersAreThoseOfTheItemAlone has padding, which is 99, of every form that outputs have.
func TestRawNumbersAreThoseOfTheItemAlone(t *testing.T) {
	choices := func(n int) embed.Sample {
		return embed.Sample{Inputs: []embed.Input{{Name: "input_ids", Shape: []int{n, 2}, I64: make([]int64, 2*n)}}}
	}
	for _, c := range []struct {
		name  string
		spec  *model.Spec
		out   *embed.Output
		batch []embed.Sample
		want  [][]float32
	}{
		{
			"frames", audioSpec("Data2VecAudioForCTC"), tensor("logits", []int64{2, 2, 2}, 1, 2, 99, 99, 3, 4, 5, 6),
			[]embed.Sample{audioSample(0, 0), audioSample(0, 0, 0, 0)},
			[][]float32{{1, 2}, {3, 4, 5, 6}},
		},
		{
			"where an answer begins", textSpec("Data2VecTextForQuestionAnswering"), tensor("start_logits", []int64{2, 3}, 1, 2, 99, 3, 4, 5),
			[]embed.Sample{textSample(0, 2), textSample(0, 7, 2)},
			[][]float32{{1, 2}, {3, 4, 5}},
		},
		{
			"choices", textSpec("Data2VecTextForMultipleChoice"), tensor("logits", []int64{2, 3}, 1, 2, 99, 3, 4, 5),
			[]embed.Sample{choices(2), choices(3)},
			[][]float32{{1, 2}, {3, 4, 5}},
		},
		{
			"labels of items", textSpec("Data2VecTextForSequenceClassification"), tensor("logits", []int64{2, 2}, 1, 2, 3, 4),
			[]embed.Sample{textSample(0), textSample(0, 7, 2)},
			[][]float32{{1, 2}, {3, 4}},
		},
		{
			"labels of pixels", imageSpec("Data2VecVisionForSemanticSegmentation"), tensor("logits", []int64{1, 2, 1, 2}, 1, 2, 3, 4),
			[]embed.Sample{imageSample(1)},
			[][]float32{{1, 2, 3, 4}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			payloads, err := heads.NewRaw(c.spec).Apply(c.out, c.batch)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.want {
				if !slices.Equal(payloads[i].Vector, want) {
					t.Errorf("item %d: %v, want %v", i, payloads[i].Vector, want)
				}
			}
		})
	}
}
