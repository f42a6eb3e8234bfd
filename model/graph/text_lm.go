package graph

import "vecmill/model/onnx"

// textLM is Data2VecTextForMaskedLM and Data2VecTextForCausalLM: dense, exact GELU whatever hidden_act says, LayerNorm, and a dense layer over
// the vocabulary whose weight is the word embeddings unless config.json unties it. Which tokens see which is the backbone's affair.
func (n *net) textLM() error {
	c := n.cfg.Text
	h, v := c.HiddenSize, c.VocabSize
	n.w.Ignore(func(name string) bool { // copies of tied weights
		return name == "lm_head.decoder.bias" || c.TieWordEmbeddings && name == "lm_head.decoder.weight"
	})
	t := n.text()
	n.Scope("lm_head")
	x := n.Gelu(n.exact(n.w.Head, t.last(), "lm_head.dense", h, h))
	x = n.norm(n.w.Head, x, "lm_head.layer_norm", h, c.LayerNormEps)
	bias := "lm_head.bias"
	if !n.w.HasBackbone(bias) && n.w.HasBackbone("lm_head.decoder.bias") {
		bias = "lm_head.decoder.bias"
	}
	words := t.words
	switch {
	case !c.TieWordEmbeddings:
		words = n.stored(n.w.Head, "lm_head.decoder.weight", v, h)
	case words == (onnx.Value{}): // the graph takes inputs_embeds
		words = n.stored(n.w.Backbone, "embeddings.word_embeddings.weight", v, h)
	}
	// Shaped before the product, because a Reshape that makes an output copies it: the logits are V/H times as large.
	logits := n.Linear(n.ReshapeTo(x, t.rows), words, n.stored(n.w.Head, bias, v))
	n.Output("logits", logits, onnx.Float32, n.batch, onnx.Dyn("tokens"), onnx.Fixed(v))
	return nil
}
