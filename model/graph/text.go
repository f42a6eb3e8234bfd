package graph

import (
	"errors"
	"strings"

	"vecmill/model/onnx"
)

// text is the backbone of the text classes after [net.text] has built it.
type text struct {
	states    []onnx.Value // [B*L, H] each: embeddings, then after every layer
	rows      onnx.Value   // int64 [3]: B, L, H
	distances onnx.Value   // int64 [L, keys] rows of distance_embedding, with relative positions only
	att       attention
	words     onnx.Value // word embeddings [V, H], once they are in the graph
	heads     onnx.Value // head_mask, if the graph takes one
	cross     cross
	cache     cache
	narrow    bool // the last state is of first tokens only, [B, H]
}

func (t *text) last() onnx.Value { return t.states[len(t.states)-1] }

// text builds embeddings and the encoder, and declares last_hidden_state.
func (n *net) text() *text {
	c := n.cfg.Text
	n.ignoreText()
	ids, mask := n.textInputs()
	batch, length := n.DimOf(ids, 0), n.DimOf(ids, 1)
	t := &text{rows: n.Concat(0, batch, length, n.Ints(c.HiddenSize))}
	t.heads = n.headMask(c.NumAttentionHeads)
	n.openCache(t, length)
	t.att = attention{hidden: c.HiddenSize, heads: c.NumAttentionHeads}
	t.att.split = n.Concat(0, batch, length, n.Ints(c.NumAttentionHeads, t.att.width()))
	t.att.mask = n.textMask(t, mask, length)
	if c.PositionEmbeddingType != "absolute" {
		t.distances = n.textDistances(t, length)
	}
	n.openCross(t, batch)
	x := n.Reshape(n.textEmbeddings(t, ids), -1, c.HiddenSize)
	t.states = []onnx.Value{x}
	t.narrow = Narrows(n.cfg, n.o)
	for i := range c.NumHiddenLayers {
		n.keep(&t.att, t.heads, i)
		x = n.textLayer(t, x, i)
		t.states = append(t.states, x)
	}
	n.Scope("")
	rows := n.batch
	if n.choices() {
		rows = onnx.Dyn("rows") // as in the reference: the states of all choices one below the other
	} else if !t.narrow && n.cfg.Class != choiceClass {
		n.Output("last_hidden_state", n.ReshapeTo(x, t.rows), onnx.Float32, n.batch, onnx.Dyn("tokens"), onnx.Fixed(c.HiddenSize))
	}
	n.hiddenStates(t.states, t.rows, rows, onnx.Dyn("tokens"), onnx.Fixed(c.HiddenSize))
	n.attentions("attentions", &t.att, onnx.Dyn("tokens"), onnx.Dyn("keys"))
	n.attentions("cross_attentions", &t.cross.att, onnx.Dyn("tokens"), onnx.Dyn("states"))
	return t
}

// choiceClass has items of several texts.
const choiceClass = "Data2VecTextForMultipleChoice"

// choices says whether items are rows of alternatives: inputs then have the axes [B, choices, L]. Packed, an alternative is an item.
func (n *net) choices() bool { return n.cfg.Class == choiceClass && !n.o.Packed }

// tokens declares an int64 input with one value for every token, as [rows, L].
func (n *net) tokens(name string, rows onnx.Dim) onnx.Value {
	if !n.choices() {
		return n.Input(name, onnx.Int64, rows, onnx.Dyn("tokens"))
	}
	x := n.Input(name, onnx.Int64, rows, onnx.Dyn("choices"), onnx.Dyn("tokens"))
	if name == "input_ids" {
		n.items = n.DimOf(x, 0)
	}
	return n.ReshapeTo(x, n.Concat(0, n.Ints(-1), n.DimOf(x, 2)))
}

// inputsEmbeds declares inputs_embeds, as [rows, L, H].
func (n *net) inputsEmbeds() onnx.Value {
	const name = "inputs_embeds"
	tokens, width := onnx.Dyn("tokens"), n.cfg.Text.HiddenSize
	if !n.choices() {
		return n.Input(name, onnx.Float32, n.batch, tokens, onnx.Fixed(width))
	}
	x := n.Input(name, onnx.Float32, n.batch, onnx.Dyn("choices"), tokens, onnx.Fixed(width))
	n.items = n.DimOf(x, 0)
	return n.ReshapeTo(x, n.Concat(0, n.Ints(-1), n.DimOf(x, 2), n.Ints(width)))
}

// textInputs declares what every text class takes. The first value is input_ids [rows, L] or, if the graph takes those instead,
// inputs_embeds [rows, L, H]; the second the mask, of tokens or of pairs of tokens, or in packed rows the segments.
func (n *net) textInputs() (ids, mask onnx.Value) {
	if n.takes("inputs_embeds") {
		ids = n.inputsEmbeds()
	} else {
		ids = n.tokens("input_ids", n.batch)
	}
	switch {
	case n.o.Packed:
		mask = n.openPacked("tokens")
	case n.takes(PairMask):
		mask = n.Input("attention_mask", onnx.Float32, n.batch, onnx.Dyn("tokens"), onnx.Dyn("keys"))
	case n.takes(PastKeyValues):
		mask = n.Input("attention_mask", onnx.Int64, n.batch, onnx.Dyn("keys"))
	default:
		mask = n.tokens("attention_mask", n.batch)
	}
	return ids, mask
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
func (n *net) textMask(t *text, mask, length onnx.Value) onnx.Value {
	n.Scope("attention_mask")
	if n.takes(PairMask) { // says all that is to be said: the reference adds no causal mask to it
		return n.Mul(n.Sub(n.Scalar(1), n.Unsqueeze(mask, 1)), n.Scalar(negligible))
	}
	var hidden onnx.Value
	if n.o.Packed {
		hidden = n.strangers(mask)
	} else {
		hidden = n.Unsqueeze(n.Equal(mask, n.Int(0)), 1, 2)
	}
	if n.cfg.Text.IsDecoder {
		queries, keys := n.spans(t, length)
		behind := n.Less(n.Unsqueeze(queries, 1), n.Unsqueeze(keys, 0))
		hidden = n.Or(hidden, behind)
	}
	return n.Where(hidden, n.Scalar(negligible), n.Scalar(0))
}

// textDistances are rows of distance_embedding: query - key + max_position_embeddings - 1, [L, keys]. The reference takes every query of a
// decoder that fills a cache, as it does by default, for the last one: its numbers then depend on the padded length, against G1.
func (n *net) textDistances(t *text, length onnx.Value) onnx.Value {
	c := n.cfg.Text
	queries, keys := n.spans(t, length)
	if n.o.HFPadding && c.IsDecoder && (c.UseCache || t.cache.on) {
		last := length
		if t.cache.total != (onnx.Value{}) {
			last = t.cache.total
		}
		queries = n.Expand(n.Sub(last, n.Int(1)), length)
	}
	apart := n.Sub(n.Unsqueeze(queries, 1), n.Unsqueeze(keys, 0))
	if n.o.Packed { // a row may be longer than any text; what is further apart than the table goes belongs to two
		most := c.MaxPositionEmbeddings - 1
		apart = n.Max(n.Op("Min", []onnx.Value{apart, n.Int(most)}), n.Int(-most))
	}
	return n.Add(apart, n.Int(c.MaxPositionEmbeddings-1))
}

// textEmbeddings is LayerNorm(word + token type + position), [B, L, H].
func (n *net) textEmbeddings(t *text, ids onnx.Value) onnx.Value {
	c := n.cfg.Text
	get, h := n.w.Backbone, c.HiddenSize
	n.Scope("embeddings")
	var x onnx.Value
	words := n.w.Backbone("embeddings.word_embeddings.weight", c.VocabSize, h)
	if n.takes("inputs_embeds") {
		x = ids
	} else {
		t.words = n.Weight(words.Name, words.Shape, &words)
		x = n.Gather(t.words, ids, 0)
	}
	if n.takes("token_type_ids") {
		types := n.tokens("token_type_ids", n.batch)
		x = n.Add(x, n.Gather(n.stored(get, "embeddings.token_type_embeddings.weight", c.TypeVocabSize, h), types, 0))
	} else {
		types := n.values(get, "embeddings.token_type_embeddings.weight", c.TypeVocabSize, h)
		x = n.Add(x, n.Floats([]int{h}, types[:h])) // type 0 everywhere
	}
	table := n.w.Backbone("embeddings.position_embeddings.weight", c.MaxPositionEmbeddings, h)
	positions := n.textPositions(t, ids)
	if c.PositionEmbeddingType == "absolute" { // the relative kinds carry the table and take position_ids, and use neither
		x = n.Add(x, n.Gather(n.Weight(table.Name, table.Shape, &table), positions, 0))
	}
	return n.norm(get, x, "embeddings.LayerNorm", h, c.LayerNormEps)
}

// textPositions counts the tokens that are not padding, from pad_token_id+1 on; padding is told by id, not by the mask, and gets pad_token_id.
// What is in the cache counts whole, padding too; without ids, so does every place: that is how the reference counts.
func (n *net) textPositions(t *text, ids onnx.Value) onnx.Value {
	if n.takes("position_ids") {
		return n.tokens("position_ids", onnx.Dyn("position_rows"))
	}
	if n.o.Packed { // they begin anew with each text
		return n.tokens("position_ids", n.batch)
	}
	if n.takes("inputs_embeds") {
		return n.Add(n.Unsqueeze(n.Arange(n.DimOf(ids, 1)), 0), n.Int(n.cfg.Text.PadTokenID+1))
	}
	pad := n.Int(n.cfg.Text.PadTokenID)
	real := n.Cast(n.Differ(ids, pad), onnx.Int64)
	count := n.CumSum(real, 1)
	if t.cache.past != (onnx.Value{}) {
		count = n.Add(count, t.cache.past)
	}
	return n.Add(n.Mul(count, real), pad)
}

// textLayer is one post-norm transformer layer on x [B*L, H].
func (n *net) textLayer(t *text, x onnx.Value, i int) onnx.Value {
	c := n.cfg.Text
	h, p := c.HiddenSize, layer("encoder.layer", i)
	n.Scope(strings.TrimSuffix(p, "."))
	var y onnx.Value
	if t.narrow && i == c.NumHiddenLayers-1 {
		x, y = n.firstAttention(t, x, p+"attention.self.")
	} else {
		y = n.textAttention(t, x, i, p+"attention.self.")
	}
	x = n.normSum(x, y, p+"attention.output.dense", h, h, p+"attention.output.LayerNorm", c.LayerNormEps)
	if t.cross.states != (onnx.Value{}) {
		x = n.crossAttention(t, x, p+"crossattention.")
	}
	y = n.activated(c.HiddenAct, x, p+"intermediate.dense", h, c.IntermediateSize, p+"intermediate.intermediate_act_fn")
	return n.normSum(x, y, p+"output.dense", c.IntermediateSize, h, p+"output.LayerNorm", c.LayerNormEps)
}

// textAttention is self-attention; relative kinds add q*E[l-r], and q*E + k*E with relative_key_query, before the scaling.
func (n *net) textAttention(t *text, x onnx.Value, layer int, p string) onnx.Value {
	kind := n.cfg.Text.PositionEmbeddingType
	if kind == "absolute" && !t.cache.on {
		return n.selfAttention(&t.att, x, p, "query", "key", "value")
	}
	get, h := n.w.Backbone, t.att.hidden
	q := n.heads(&t.att, n.linear(x, p+"query", h, h))
	k := n.heads(&t.att, n.linear(x, p+"key", h, h))
	v := n.heads(&t.att, n.linear(x, p+"value", h, h))
	k, v = n.remember(t, layer, k, v)
	if kind == "absolute" {
		scores := n.MatMul(n.Mul(q, n.Scalar(t.att.scale())), n.Transpose(k, 0, 1, 3, 2))
		return n.attend(&t.att, scores, onnx.Value{}, v)
	}
	table := n.stored(get, p+"distance_embedding.weight", 2*n.cfg.Text.MaxPositionEmbeddings-1, t.att.width())
	e := n.Gather(table, t.distances, 0)
	scores := n.Add(n.MatMul(q, n.Transpose(k, 0, 1, 3, 2)), n.Einsum("bhld,lrd->bhlr", q, e))
	if kind == "relative_key_query" {
		scores = n.Add(scores, n.Einsum("bhrd,lrd->bhlr", k, e))
	}
	return n.attend(&t.att, n.Mul(scores, n.Scalar(t.att.scale())), onnx.Value{}, v)
}

// firstAttention is self-attention of each item's first token to all of them, for layers whose other results nobody reads: those tokens and what
// comes of them, both [B, H].
func (n *net) firstAttention(t *text, x onnx.Value, p string) (first, y onnx.Value) {
	a := &t.att
	first = n.Gather(n.ReshapeTo(x, t.rows), n.Int(0), 1)
	one := n.Concat(0, n.Slice(t.rows, 0, 0, 1), n.Ints(1, a.heads, a.width()))
	q := n.Transpose(n.ReshapeTo(n.dense(first, p+"query", a.hidden, a.hidden), one), 0, 2, 1, 3)
	k := n.heads(a, n.dense(x, p+"key", a.hidden, a.hidden))
	v := n.heads(a, n.dense(x, p+"value", a.hidden, a.hidden))
	return first, n.attend(a, n.ScaledMatMulT(q, k, float64(a.scale())), onnx.Value{}, v)
}

// first is the state of each item's first token, [B, H].
func (n *net) first(t *text) onnx.Value {
	if t.narrow {
		return t.last()
	}
	if n.o.Packed {
		return n.Gather(t.last(), n.packed.firsts, 0)
	}
	return n.Gather(n.ReshapeTo(t.last(), t.rows), n.Int(0), 1)
}

// ErrNoPooler is of a checkpoint without the pooler that is asked for: one of a head class, or saved with add_pooling_layer=False.
var ErrNoPooler = errors.New("pooler_output takes pooler.dense.weight and pooler.dense.bias, and the checkpoint has neither: the reference would make them up")

// textModel is Data2VecTextModel. Its pooler is an optional output, whose weights may be missing where nobody asks for it.
func (n *net) textModel() error {
	h := n.cfg.Text.HiddenSize
	t := n.text()
	const weight, bias = "pooler.dense.weight", "pooler.dense.bias"
	if !n.w.HasBackbone(weight) && !n.w.HasBackbone(bias) {
		if n.wants("pooler_output") {
			return ErrNoPooler
		}
		return nil
	}
	n.Scope("pooler")
	w, b := n.w.Backbone(weight, h, h), n.w.Backbone(bias, h)
	if n.wants("pooler_output") {
		pooled := n.Tanh(n.Linear(n.first(t), n.Weight(w.Name, w.Shape, &w), n.Weight(b.Name, b.Shape, &b)))
		n.Output("pooler_output", pooled, onnx.Float32, n.single, onnx.Fixed(h))
	}
	return nil
}
