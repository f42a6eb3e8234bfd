package graph

import "vecmill/model/onnx"

// textTokens is Data2VecTextForTokenClassification: one dense layer on every token's state.
func (n *net) textTokens() error {
	h, labels := n.cfg.Text.HiddenSize, len(n.cfg.Labels)
	t := n.text()
	n.Scope("classifier")
	logits := n.exact(n.w.Head, t.last(), "classifier", h, labels)
	logits = n.ReshapeTo(logits, n.Concat(0, n.Slice(t.rows, 0, 0, 2), n.Ints(labels)))
	n.Output("logits", logits, onnx.Float32, n.batch, onnx.Dyn("tokens"), onnx.Fixed(labels))
	return nil
}

// textSpans is Data2VecTextForQuestionAnswering: two scores for every token, of being an answer's first and its last.
func (n *net) textSpans() error {
	t := n.text()
	n.Scope("qa_outputs")
	both := n.exact(n.w.Head, t.last(), "qa_outputs", n.cfg.Text.HiddenSize, 2)
	both = n.ReshapeTo(both, n.Concat(0, n.Slice(t.rows, 0, 0, 2), n.Ints(2)))
	for i, name := range []string{"start_logits", "end_logits"} {
		n.Output(name, n.Gather(both, n.Int(i), 2), onnx.Float32, n.batch, onnx.Dyn("tokens"))
	}
	return nil
}
