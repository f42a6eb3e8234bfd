package graph

import "vecmill/model/onnx"

// audioClassifier is Data2VecAudioForSequenceClassification: projector on every frame, mean over the item's frames, classifier.
func (n *net) audioClassifier() error {
	if err := n.noAdapter(); err != nil {
		return err
	}
	c := n.cfg.Audio
	p, labels := c.ClassifierProjSize, len(n.cfg.Labels)
	a := n.audio()
	n.audioOutput(a)
	x := n.layerSum(a)
	n.Scope("classifier")
	x = n.exact(n.w.Head, x, "projector", c.HiddenSize, p)
	x = n.ReshapeTo(x, n.Concat(0, n.Slice(a.rows, 0, 0, 2), n.Ints(p)))
	sum := n.ReduceSum(n.Mul(x, a.mask), 1)             // G1: padding out of the mean
	count := n.Max(n.ReduceSum(a.mask, 1), n.Scalar(1)) // [B, 1]; an item without frames gets zeros, not NaN
	logits := n.exact(n.w.Head, n.Div(sum, count), "classifier", p, labels)
	n.Output("logits", logits, onnx.Float32, n.batch, onnx.Fixed(labels))
	return nil
}
