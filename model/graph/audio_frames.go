package graph

import "vecmill/model/onnx"

// audioFrames is Data2VecAudioForAudioFrameClassification: one dense layer on every frame.
func (n *net) audioFrames() error {
	if err := n.noAdapter(); err != nil {
		return err
	}
	h, labels := n.cfg.Audio.HiddenSize, len(n.cfg.Labels)
	a := n.audio()
	n.audioOutput(a)
	x := n.layerSum(a)
	n.Scope("classifier")
	logits := n.exact(n.w.Head, x, "classifier", h, labels)
	logits = n.ReshapeTo(logits, n.Concat(0, n.Slice(a.rows, 0, 0, 2), n.Ints(labels)))
	n.Output("logits", logits, onnx.Float32, n.batch, onnx.Dyn("frames"), onnx.Fixed(labels))
	return nil
}
