package graph

import "vecmill/model/onnx"

// textChoice is Data2VecTextForMultipleChoice: pooler and one score for each of an item's alternatives. Inputs are [B, choices, L]; in packed rows an alternative is a
// segment of its own, and has a row of the logits.
func (n *net) textChoice() error {
	h := n.cfg.Text.HiddenSize
	t := n.text()
	n.Scope("pooler")
	x := n.Tanh(n.exact(n.w.Backbone, n.first(t), "pooler.dense", h, h))
	n.Scope("classifier")
	scores := n.exact(n.w.Head, x, "classifier", h, 1)
	if n.choices() {
		scores = n.ReshapeTo(scores, n.Concat(0, n.items, n.Ints(-1)))
	}
	n.Output("logits", scores, onnx.Float32, n.single, onnx.Dyn("choices"))
	return nil
}
