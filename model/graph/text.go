package graph

import (
	"strings"

	"vecmill/model/onnx"
)

// text is the backbone of the text classes after [net.text] has built it.
type text struct {
	states    []onnx.Value // [B*L, H] each: embeddings, then after every layer
	rows      onnx.Value   // int64 [3]: B, L, H
	distances onnx.Value   // int64 [L, L] rows of distance_embedding, with relative positions only
	att       attention
}

func (t *text) last() onnx.Value { return t.states[len(t.states)-1] }

// text builds embeddings and the encoder, and declares last_hidden_state.
func (n *net) text() *text {
	c := n.cfg.Text
	n.ignoreText()
	ids := n.Input("input_ids", onnx.Int64, n.batch, onnx.Dyn("tokens"))
	mask := n.Input("attention_mask", onnx.Int64, n.batch, onnx.Dyn("tokens"))
	batch, length := n.DimOf(ids, 0), n.DimOf(ids, 1)
	t := &text{rows: n.Concat(0, batch, length, n.Ints(c.HiddenSize))}
	t.att = attention{hidden: c.HiddenSize, heads: c.NumAttentionHeads}
	t.att.split = n.Concat(0, batch, length, n.Ints(c.NumAttentionHeads, t.att.width()))
	t.att.mask = n.textMask(mask, length)
	if c.PositionEmbeddingType != "absolute" {
		t.distances = n.textDistances(length)
	}
	x := n.Reshape(n.textEmbeddings(ids), -1, c.HiddenSize)
	t.states = []onnx.Value{x}
	for i := range c.NumHiddenLayers {
		x = n.textLayer(t, x, layer("encoder.layer", i))
		t.states = append(t.states, x)
	}
	n.Scope("")
	n.Output("last_hidden_state", n.ReshapeTo(x, t.rows), onnx.Float32, n.batch, onnx.Dyn("tokens"), onnx.Fixed(c.HiddenSize))
	n.hiddenStates(t.states, t.rows, n.batch, onnx.Dyn("tokens"), onnx.Fixed(c.HiddenSize))
	return t
}

// ignoreText accepts buffers of old files; the pooler where the class has none; and cross-attention, which without an encoder's states is
// skipped by the reference, too.
func (n *net) ignoreText() {
	cross := n.cfg.Text.AddCrossAttention
	n.w.Ignore(func(name string) bool {
		switch name {
		case "embeddings.position_ids", "embeddings.token_type_ids", "pooler.dense.weight", "pooler.dense.bias":
			return true
		}
		return cross && strings.Contains(name, ".crossattention.")
	})
}

// textMask is what to add to the scores: lowest float32 on keys that are padding and, in decoders, on keys behind the query.
func (n *net) textMask(mask, length onnx.Value) onnx.Value {
	n.Scope("attention_mask")
	hidden := n.Unsqueeze(n.Equal(mask, n.Int(0)), 1, 2)
	if n.cfg.Text.IsDecoder {
		i := n.Arange(length)
		behind := n.Less(n.Unsqueeze(i, 1), n.Unsqueeze(i, 0))
		hidden = n.Or(hidden, behind)
	}
	return n.Where(hidden, n.Scalar(negligible), n.Scalar(0))
}

// textDistances are rows of distance_embedding: query - key + max_position_embeddings - 1, [L, L]. The reference takes every query of a
// decoder that fills a cache, as it does by default, for the last one: its numbers then depend on the padded length, against G1.
func (n *net) textDistances(length onnx.Value) onnx.Value {
	c := n.cfg.Text
	keys := n.Arange(length)
	queries := keys
	if n.o.HFPadding && c.IsDecoder && c.UseCache {
		queries = n.Expand(n.Sub(length, n.Int(1)), length)
	}
	return n.Add(n.Sub(n.Unsqueeze(queries, 1), n.Unsqueeze(keys, 0)), n.Int(c.MaxPositionEmbeddings-1))
}

// textEmbeddings is LayerNorm(word + token type + position), [B, L, H].
func (n *net) textEmbeddings(ids onnx.Value) onnx.Value {
	c := n.cfg.Text
	get, h := n.w.Backbone, c.HiddenSize
	n.Scope("embeddings")
	x := n.Gather(n.stored(get, "embeddings.word_embeddings.weight", c.VocabSize, h), ids, 0)
	if n.takes("token_type_ids") {
		types := n.Input("token_type_ids", onnx.Int64, n.batch, onnx.Dyn("tokens"))
		x = n.Add(x, n.Gather(n.stored(get, "embeddings.token_type_embeddings.weight", c.TypeVocabSize, h), types, 0))
	} else {
		types := n.values(get, "embeddings.token_type_embeddings.weight", c.TypeVocabSize, h)
		x = n.Add(x, n.Floats([]int{h}, types[:h])) // type 0 everywhere
	}
	table := n.w.Backbone("embeddings.position_embeddings.weight", c.MaxPositionEmbeddings, h)
	positions := n.textPositions(ids)
	if c.PositionEmbeddingType == "absolute" { // the relative kinds carry the table and take position_ids, and use neither
		x = n.Add(x, n.Gather(n.Weight(table.Name, table.Shape, &table), positions, 0))
	}
	return n.norm(get, x, "embeddings.LayerNorm", h, c.LayerNormEps)
}

// textPositions counts the tokens that are not padding, from pad_token_id+1 on; padding is told by id, not by the mask, and gets pad_token_id.
func (n *net) textPositions(ids onnx.Value) onnx.Value {
	if n.takes("position_ids") {
		return n.Input("position_ids", onnx.Int64, onnx.Dyn("position_rows"), onnx.Dyn("tokens"))
	}
	pad := n.Int(n.cfg.Text.PadTokenID)
	real := n.Cast(n.Not(n.Equal(ids, pad)), onnx.Int64)
	return n.Add(n.Mul(n.CumSum(real, 1), real), pad)
}

// textLayer is one post-norm transformer layer on x [B*L, H].
func (n *net) textLayer(t *text, x onnx.Value, p string) onnx.Value {
	c := n.cfg.Text
	get, h := n.w.Backbone, c.HiddenSize
	n.Scope(strings.TrimSuffix(p, "."))
	y := n.textAttention(t, x, p+"attention.self.")
	y = n.Add(x, n.linear(get, y, p+"attention.output.dense", h, h))
	x = n.norm(get, y, p+"attention.output.LayerNorm", h, c.LayerNormEps)
	y = n.activation(c.HiddenAct, n.linear(get, x, p+"intermediate.dense", h, c.IntermediateSize))
	y = n.Add(x, n.linear(get, y, p+"output.dense", c.IntermediateSize, h))
	return n.norm(get, y, p+"output.LayerNorm", h, c.LayerNormEps)
}

// textAttention is self-attention; relative kinds add q*E[l-r], and q*E + k*E with relative_key_query, before the scaling.
func (n *net) textAttention(t *text, x onnx.Value, p string) onnx.Value {
	kind := n.cfg.Text.PositionEmbeddingType
	if kind == "absolute" {
		return n.selfAttention(&t.att, x, p, "query", "key", "value")
	}
	get, h := n.w.Backbone, t.att.hidden
	q := n.heads(&t.att, n.linear(get, x, p+"query", h, h))
	k := n.heads(&t.att, n.linear(get, x, p+"key", h, h))
	v := n.heads(&t.att, n.linear(get, x, p+"value", h, h))
	table := n.stored(get, p+"distance_embedding.weight", 2*n.cfg.Text.MaxPositionEmbeddings-1, t.att.width())
	e := n.Gather(table, t.distances, 0)
	scores := n.Add(n.MatMul(q, n.Transpose(k, 0, 1, 3, 2)), n.Einsum("bhld,lrd->bhlr", q, e))
	if kind == "relative_key_query" {
		scores = n.Add(scores, n.Einsum("bhrd,lrd->bhlr", k, e))
	}
	return n.attend(&t.att, n.Mul(scores, n.Scalar(t.att.scale())), onnx.Value{}, v)
}

// first is the state of each item's first token, [B, H].
func (n *net) first(t *text) onnx.Value {
	return n.Gather(n.ReshapeTo(t.last(), t.rows), n.Int(0), 1)
}

// textModel is Data2VecTextModel. Its pooler is an optional output, but its weights must be there.
func (n *net) textModel() error {
	h := n.cfg.Text.HiddenSize
	t := n.text()
	n.Scope("pooler")
	w, b := n.w.Backbone("pooler.dense.weight", h, h), n.w.Backbone("pooler.dense.bias", h)
	if n.wants("pooler_output") {
		pooled := n.Tanh(n.Linear(n.first(t), n.Weight(w.Name, w.Shape, &w), n.Weight(b.Name, b.Shape, &b)))
		n.Output("pooler_output", pooled, onnx.Float32, n.batch, onnx.Fixed(h))
	}
	return nil
}
