package graph

import "vecmill/model/onnx"

// audioCTC is Data2VecAudioForCTC: one dense layer over the vocabulary per frame. Logits are raw, as in the reference.
func (n *net) audioCTC() error {
	v := n.cfg.Audio.VocabSize
	a := n.audio()
	x, width := n.audioOutput(a)
	n.Scope("lm_head")
	logits := n.exact(n.w.Head, x, "lm_head", width, v)
	logits = n.ReshapeTo(logits, n.Concat(0, n.Slice(a.rows, 0, 0, 1), n.Ints(-1, v))) // T is free: an adapter shortens it
	n.Output("logits", logits, onnx.Float32, n.batch, onnx.Dyn("frames"), onnx.Fixed(v))
	return nil
}
