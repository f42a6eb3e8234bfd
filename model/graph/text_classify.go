package graph

import "vecmill/model/onnx"

// textClassifier is Data2VecTextForSequenceClassification: dense, tanh and projection of the first token's state. Regression and
// multi-label differ only in what becomes of the logits.
func (n *net) textClassifier() error {
	h, labels := n.cfg.Text.HiddenSize, len(n.cfg.Labels)
	t := n.text()
	n.Scope("classifier")
	x := n.Tanh(n.exact(n.w.Head, n.first(t), "classifier.dense", h, h))
	n.Output("logits", n.exact(n.w.Head, x, "classifier.out_proj", h, labels), onnx.Float32, n.single, onnx.Fixed(labels))
	return nil
}
