package graph

import "vecmill/model/onnx"

// visionClassifier is Data2VecVisionForImageClassification: one dense layer on the pooled state; without labels the
// state itself.
func (n *net) visionClassifier() error {
	v, err := n.vision()
	if err != nil {
		return err
	}
	h, labels := n.cfg.Vision.HiddenSize, len(n.cfg.Labels)
	x := n.visionPool(v)
	n.Scope("classifier")
	if labels == 0 {
		n.Output("logits", x, onnx.Float32, n.batch, onnx.Fixed(h))
		return nil
	}
	n.Output("logits", n.exact(n.w.Head, x, "classifier", h, labels), onnx.Float32, n.batch, onnx.Fixed(labels))
	return nil
}
