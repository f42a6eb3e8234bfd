package graph

import (
	"errors"
	"strconv"

	"vecmill/model/onnx"
)

// Names of optional inputs and outputs that stand for more than one tensor, or for another form of one.
const (
	// PastKeyValues as an input adds past_key_values.0.key, past_key_values.0.value, ... [B, heads, P, H/heads], and attention_mask
	// covers P + L tokens; as an output it adds present.0.key, present.0.value, ... [B, heads, P+L, H/heads]. Decoders only.
	PastKeyValues = "past_key_values"
	// PairMask makes attention_mask a mask of pairs, float32 [B, L, L]: how much (1 or 0) each query sees of each key. Nothing is added to it.
	PairMask = "attention_mask[B,L,L]"
)

// cache is the keys and values of earlier tokens.
type cache struct {
	on         bool         // the graph takes or gives a cache
	keys, vals []onnx.Value // what comes in, by layer; empty in the graph for the first tokens
	past       onnx.Value   // int64 [1]: P; absent if nothing comes in
	total      onnx.Value   // int64 [1]: P + L; absent if nothing comes in
}

// openCache declares the inputs of the cache.
func (n *net) openCache(t *text, length onnx.Value) {
	c := n.cfg.Text
	t.cache.on = n.takes(PastKeyValues) || n.wants(PastKeyValues)
	if t.cache.on && !c.IsDecoder {
		n.err = errors.Join(n.err, errors.New(PastKeyValues+" is for decoders; config.json does not set is_decoder"))
	}
	if !n.takes(PastKeyValues) {
		return
	}
	dims := []onnx.Dim{n.batch, onnx.Fixed(c.NumAttentionHeads), onnx.Dyn("past"), onnx.Fixed(c.HiddenSize / c.NumAttentionHeads)}
	for i := range c.NumHiddenLayers {
		p := PastKeyValues + "." + strconv.Itoa(i)
		t.cache.keys = append(t.cache.keys, n.Input(p+".key", onnx.Float32, dims...))
		t.cache.vals = append(t.cache.vals, n.Input(p+".value", onnx.Float32, dims...))
	}
	if c.NumHiddenLayers > 0 {
		t.cache.past = n.DimOf(t.cache.keys[0], 2)
		t.cache.total = n.Add(t.cache.past, length)
	}
}

// spans are the places of queries [L] and keys [P+L] in the text.
func (n *net) spans(t *text, length onnx.Value) (queries, keys onnx.Value) {
	if t.cache.past == (onnx.Value{}) {
		keys = n.Arange(length)
		return keys, keys
	}
	return n.Add(n.Arange(length), t.cache.past), n.Arange(t.cache.total)
}

// remember puts a layer's keys and values [B, heads, L, width] behind those of the cache, and gives them out.
func (n *net) remember(t *text, layer int, k, v onnx.Value) (keys, values onnx.Value) {
	if t.cache.past != (onnx.Value{}) {
		k = n.Concat(2, t.cache.keys[layer], k)
		v = n.Concat(2, t.cache.vals[layer], v)
	}
	if n.wants(PastKeyValues) {
		p := "present." + strconv.Itoa(layer)
		dims := []onnx.Dim{n.batch, onnx.Fixed(t.att.heads), onnx.Dyn("keys"), onnx.Fixed(t.att.width())}
		n.Output(p+".key", k, onnx.Float32, dims...)
		n.Output(p+".value", v, onnx.Float32, dims...)
	}
	return k, v
}

// cross is what a decoder knows of an encoder. It is empty unless the graph takes encoder_hidden_states.
type cross struct {
	states onnx.Value // [B*S, H]
	split  onnx.Value // int64 [4]: B, S, heads, H/heads
	att    attention  // of the decoder's tokens, masked by the encoder's padding
}

// openCross declares the encoder's states [B, S, H] and, if asked for, their mask [B, S].
func (n *net) openCross(t *text, batch onnx.Value) {
	c := n.cfg.Text
	if n.takes("encoder_attention_mask") && !n.takes("encoder_hidden_states") {
		n.err = errors.Join(n.err, errors.New("encoder_attention_mask without encoder_hidden_states"))
	}
	if !n.takes("encoder_hidden_states") {
		return
	}
	if !c.IsDecoder || !c.AddCrossAttention {
		n.err = errors.Join(n.err, errors.New("encoder_hidden_states need is_decoder and add_cross_attention in config.json"))
	}
	n.Scope("crossattention")
	x := n.Input("encoder_hidden_states", onnx.Float32, n.batch, onnx.Dyn("states"), onnx.Fixed(c.HiddenSize))
	t.cross.split = n.Concat(0, batch, n.DimOf(x, 1), n.Ints(c.NumAttentionHeads, t.att.width()))
	t.cross.att = attention{hidden: t.att.hidden, heads: t.att.heads, split: t.att.split}
	if n.takes("encoder_attention_mask") {
		mask := n.Input("encoder_attention_mask", onnx.Int64, n.batch, onnx.Dyn("states"))
		t.cross.att.mask = n.Where(n.Unsqueeze(n.Differ(mask, n.Int(0)), 1, 2), n.Scalar(0), n.Scalar(negligible))
	}
	t.cross.states = n.Reshape(x, -1, c.HiddenSize)
}

// crossAttention attends from x [B*L, H] to the encoder's states; positions are absolute there whatever the configuration says.
func (n *net) crossAttention(t *text, x onnx.Value, p string) onnx.Value {
	c, a := n.cfg.Text, &t.cross.att
	get, h, s := n.w.Backbone, c.HiddenSize, p+"self."
	a.keep = t.att.keep
	q := n.heads(a, n.Mul(n.linear(x, s+"query", h, h), n.Scalar(a.scale())))
	k := n.Transpose(n.ReshapeTo(n.linear(t.cross.states, s+"key", h, h), t.cross.split), 0, 2, 3, 1)
	v := n.Transpose(n.ReshapeTo(n.linear(t.cross.states, s+"value", h, h), t.cross.split), 0, 2, 1, 3)
	y := n.attend(a, n.MatMul(q, k), onnx.Value{}, v)
	y = n.Add(x, n.linear(y, p+"output.dense", h, h))
	return n.norm(get, y, p+"output.LayerNorm", h, c.LayerNormEps)
}
