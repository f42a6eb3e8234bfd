package heads_test

import (
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

// TestNothingIsGuessedOfAModalityThatIsNotKnown: one that is added is refused until somebody has said what its padding, its class token and its labels are, and not treated as one of the others.
func TestNothingIsGuessedOfAModalityThatIsNotKnown(t *testing.T) {
	smell := func(class string) *model.Spec {
		return &model.Spec{Class: class, Modality: "smell", Labels: []string{"calm", "merry"}}
	}
	labels := smell("Data2VecAudioForSequenceClassification") // a class of the table
	for name, c := range map[string]struct {
		cfg  heads.Config
		spec *model.Spec
		out  model.Port
		want string // in the error; "": none
	}{
		"an embedding":                {heads.Config{Task: schemas.TaskEmbedding}, smell("Data2VecSmellModel"), state(), `models of modality "smell" have a class token`},
		"one of the class token":      {heads.Config{Task: schemas.TaskEmbedding, Pooling: heads.CLS}, smell("Data2VecSmellModel"), state(), `models of modality "smell" have a class token`},
		"labels":                      {heads.Config{Task: schemas.TaskLabels}, labels, itemLogits(2), `labels of modality "smell" by`},
		"labels, and it is told what": {heads.Config{Task: schemas.TaskLabels, Transform: heads.Sigmoid}, labels, itemLogits(2), ""},
	} {
		_, err := heads.New(c.cfg, c.spec, graphWith(c.out))
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	padded := &embed.Output{Tensors: []embed.Tensor{{Name: "last_hidden_state", Shape: []int64{1, 3, 2}, F32: make([]float32, 6)}}}
	if got, err := heads.NewRaw(smell("Data2VecSmellModel")).Apply(padded, make([]embed.Sample, 1)); err == nil || !strings.Contains(err.Error(), "is not known of class Data2VecSmellModel") {
		t.Errorf("states of a padded batch: %v, %v", got, err)
	}
}
