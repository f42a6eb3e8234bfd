package tasks

import (
	"cmp"
	"fmt"
	"slices"
)

// Label is one entry of text-classification, audio-classification and image-classification.
type Label struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// Labels scores the labels by one row of logits, best first. most limits how many; negative means all.
func Labels(logits []float32, names []string, f Function, most int) ([]Label, error) {
	if len(names) != len(logits) {
		return nil, fmt.Errorf("the model gives %d logits for %d labels", len(logits), len(names))
	}
	scores, err := f.Apply(logits)
	if err != nil {
		return nil, err
	}
	all := make([]Label, len(scores))
	for i := range scores {
		all[i] = Label{names[i], scores[i]}
	}
	slices.SortStableFunc(all, func(a, b Label) int { return cmp.Compare(b.Score, a.Score) })
	if most >= 0 {
		all = all[:min(most, len(all))]
	}
	return all, nil
}

// UsualFunction is what the text and image pipelines apply when nothing is asked for: text honours regression; several labels at once, and a
// single one, take the sigmoid.
func UsualFunction(problem string, labels int, text bool) Function {
	switch {
	case text && problem == "regression":
		return None
	case problem == "multi_label_classification" || labels == 1:
		return Sigmoid
	}
	return Softmax
}
