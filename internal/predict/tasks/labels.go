package tasks

import (
	"vecmill/embed/heads"
	"vecmill/schemas"
)

// Label is one entry of text-classification, audio-classification and image-classification.
type Label = heads.ScoredLabel

// Labels scores the labels by one row of logits, best first. most limits how many; negative means all.
func Labels(logits []float32, names []string, f Function, most int) ([]Label, error) {
	return heads.BestLabels(logits, names, f, most)
}

// UsualFunction is what the text and image pipelines apply when nothing is asked for.
func UsualFunction(problem string, labels int, text bool) Function {
	if text {
		return heads.UsualFunction(problem, labels, schemas.Text)
	}
	return heads.UsualFunction(problem, labels, schemas.Image)
}
