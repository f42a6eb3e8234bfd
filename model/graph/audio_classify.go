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
	logits := n.exact(n.w.Head, n.frameMean(a, x, p), "classifier", p, labels)
	n.Output("logits", logits, onnx.Float32, n.single, onnx.Fixed(labels))
	return nil
}

// frameMean is the mean of x [B*T, width] over each item's frames, [B, width].
func (n *net) frameMean(a *audio, x onnx.Value, width int) onnx.Value {
	if n.o.Packed {
		return n.segmentMean(n.members(n.packed.segments), x)
	}
	x = n.ReshapeTo(x, n.Concat(0, n.Slice(a.rows, 0, 0, 2), n.Ints(width)))
	sum := n.ReduceSum(n.Mul(x, a.mask), 1)             // G1: padding out of the mean
	count := n.Max(n.ReduceSum(a.mask, 1), n.Scalar(1)) // [B, 1]; an item without frames gets zeros, not NaN
	return n.Div(sum, count)
}
