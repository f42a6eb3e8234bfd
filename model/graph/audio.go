package graph

import (
	"errors"
	"strconv"
	"strings"

	"vecmill/model/onnx"
)

// audio is the backbone of the audio classes after [net.audio] has built it.
type audio struct {
	features onnx.Value   // [B, T, C]: normalised convolution features
	states   []onnx.Value // [B*T, H] each: after positions, then after every layer
	mask     onnx.Value   // [B, T, 1] float32: 1 on frames of the item, 0 on padding
	frames   onnx.Value   // int64 [B]: frames of each item
	shorter  onnx.Value   // int64 [B]: frames of each item behind the adapter; frames without one
	rows     onnx.Value   // int64 [3]: B, T, H
	att      attention
}

// last is the encoder's output, [B*T, H].
func (a *audio) last() onnx.Value { return a.states[len(a.states)-1] }

// audio builds convolutions, feature projection, positions and the encoder.
func (n *net) audio() *audio {
	c := n.cfg.Audio
	n.ignoreAudio()
	in := n.Input("input_values", onnx.Float32, n.batch, onnx.Dyn("samples"))
	var lengths onnx.Value
	if n.o.Packed {
		n.openPacked("frames")
	} else {
		lengths = n.Input("lengths", onnx.Int64, n.batch)
	}

	x := n.samples(in)
	last := c.ConvDim[len(c.ConvDim)-1]
	n.Scope("feature_projection")
	a := &audio{features: n.norm(n.w.Backbone, x, "feature_projection.layer_norm", last, c.LayerNormEps)}
	batch, time := n.DimOf(x, 0), n.DimOf(x, 1)
	a.rows = n.Concat(0, batch, time, n.Ints(c.HiddenSize))
	a.att = attention{hidden: c.HiddenSize, heads: c.NumAttentionHeads}
	a.att.split = n.Concat(0, batch, time, n.Ints(c.NumAttentionHeads, a.att.width()))
	if n.o.Packed {
		n.packedMask(a)
	} else {
		n.audioMask(a, lengths, time)
	}

	n.Scope("feature_projection")
	x = n.linear(n.Reshape(a.features, -1, last), "feature_projection.projection", last, c.HiddenSize)
	x = n.ReshapeTo(x, a.rows)
	if n.takes("mask_time_indices") {
		masked := n.flags("mask_time_indices", n.batch, onnx.Dyn("frames"))
		x = n.Where(n.Unsqueeze(masked, 2), n.stored(n.w.Backbone, "masked_spec_embed", c.HiddenSize), x)
	}
	x = n.Mul(x, a.mask) // G1: and what the reference does, too
	x = n.Add(x, n.positions(a, x))
	x = n.norm(n.w.Backbone, x, "encoder.layer_norm", c.HiddenSize, c.LayerNormEps)
	x = n.Reshape(x, -1, c.HiddenSize)
	a.states = []onnx.Value{x}
	for i := range c.NumHiddenLayers {
		x = n.audioLayer(a, x, layer("encoder.layers", i))
		a.states = append(a.states, x)
	}
	n.Scope("")
	if n.wants("extract_features") {
		n.Output("extract_features", a.features, onnx.Float32, n.batch, onnx.Dyn("frames"), onnx.Fixed(last))
	}
	n.hiddenStates(a.states, a.rows, n.batch, onnx.Dyn("frames"), onnx.Fixed(c.HiddenSize))
	n.attentions("attentions", &a.att, onnx.Dyn("frames"), onnx.Dyn("frames"))
	return a
}

// ignoreAudio accepts the SpecAugment vector, which inference uses only when asked to mask.
func (n *net) ignoreAudio() {
	n.w.Ignore(func(name string) bool { return name == "masked_spec_embed" })
}

// audioMask computes each item's frames from its samples, and the masks made of them.
func (n *net) audioMask(a *audio, lengths, time onnx.Value) {
	c := n.cfg.Audio
	n.Scope("frame_mask")
	frames := lengths
	for i, k := range c.ConvKernel {
		frames = n.convLength(frames, k, c.ConvStride[i])
	}
	a.frames = frames
	last := n.Sub(frames, n.Int(1))
	if n.o.HFPadding { // the reference indexes with frames-1, and an index below 0 counts from the end
		last = n.Where(n.Less(last, n.Int(0)), n.Add(last, time), last)
	}
	valid := n.Not(n.Less(n.Unsqueeze(last, 1), n.Unsqueeze(n.Arange(time), 0)))
	a.mask = n.Unsqueeze(n.Cast(valid, onnx.Float32), 2)
	a.att.mask = n.Where(n.Unsqueeze(valid, 1, 2), n.Scalar(0), n.Scalar(negligible))
}

// convLength is (length-k)/s + 1. The reference floors; for us what is shorter than one window has no frames.
func (n *net) convLength(length onnx.Value, k, s int) onnx.Value {
	over := n.Sub(length, n.Int(k))
	if n.o.HFPadding {
		over = n.Sub(over, n.Mod(over, n.Int(s))) // Div truncates; a multiple of s divides exactly
		return n.Add(n.Div(over, n.Int(s)), n.Int(1))
	}
	return n.Add(n.Div(n.Max(over, n.Int(-s)), n.Int(s)), n.Int(1))
}

// positions is the stack of grouped convolutions over frames, on x [B, T, H] whose padding is zero.
func (n *net) positions(a *audio, x onnx.Value) onnx.Value {
	c := n.cfg.Audio
	k := c.ConvPosKernelSize
	for i := range c.NumConvPosEmbeddings {
		p := layer("encoder.pos_conv_embed.layers", i) + "conv"
		n.Scope(strings.TrimSuffix(p, ".conv"))
		if i > 0 && !n.o.HFPadding {
			x = n.Mul(x, a.mask) // G1: LayerNorm and bias made padding non-zero again
		}
		x = n.reduced(x)
		w := n.weightFor(x, p+".weight", c.HiddenSize, c.HiddenSize/c.NumConvPosEmbeddingGroups, k)
		b := n.weightFor(x, p+".bias", c.HiddenSize)
		// The reference pads k/2 on both sides and drops the last frame if k is even.
		x = n.Conv(n.Transpose(x, 0, 2, 1), w, b, onnx.Convolution{
			Kernel: []int{k}, Strides: []int{1}, Pads: []int{k / 2, (k - 1) / 2}, Groups: c.NumConvPosEmbeddingGroups,
		})
		x = n.plainNorm(n.Transpose(x, 0, 2, 1), c.HiddenSize, torchEps)
		x = n.activation(c.FeatExtractActivation, x, strings.TrimSuffix(p, "conv")+"activation")
	}
	n.Scope("encoder")
	return x
}

// audioLayer is one post-norm transformer layer on x [B*T, H].
func (n *net) audioLayer(a *audio, x onnx.Value, p string) onnx.Value {
	c := n.cfg.Audio
	h := c.HiddenSize
	n.Scope(strings.TrimSuffix(p, "."))
	attended := n.attended
	if n.inPieces() && !n.wants("attentions") {
		attended = n.attendedInPieces
	}
	dense := func(name string) onnx.Value { return n.dense(x, p+"attention."+name, h, h) }
	y := attended(&a.att, dense("q_proj"), dense("k_proj"), dense("v_proj"), onnx.Value{})
	x = n.normSum(x, y, p+"attention.out_proj", h, h, p+"layer_norm", c.LayerNormEps)
	y = n.activated(c.HiddenAct, x, p+"feed_forward.intermediate_dense", h, c.IntermediateSize, p+"feed_forward.intermediate_act_fn")
	return n.normSum(x, y, p+"feed_forward.output_dense", c.IntermediateSize, h, p+"final_layer_norm", c.LayerNormEps)
}

// audioOutput applies the adapter, if there is one, and declares last_hidden_state. It returns the state as [B*T', width].
func (n *net) audioOutput(a *audio) (x onnx.Value, width int) {
	c := n.cfg.Audio
	out, width := n.ReshapeTo(a.last(), a.rows), c.HiddenSize
	a.shorter = a.frames
	if c.AddAdapter {
		width = c.OutputHiddenSize
		out = n.adapter(a, out)
	}
	n.Scope("")
	n.Output("last_hidden_state", out, onnx.Float32, n.batch, onnx.Dyn("frames"), onnx.Fixed(width))
	return n.Reshape(out, -1, width), width
}

// adapter shortens [B, T, H] to [B, T', D] by strided convolutions with gates.
func (n *net) adapter(a *audio, x onnx.Value) onnx.Value {
	c := n.cfg.Audio
	d := c.OutputHiddenSize
	n.Scope("adapter")
	if d != c.HiddenSize {
		x = n.linear(a.last(), "adapter.proj", c.HiddenSize, d)
		x = n.norm(n.w.Backbone, x, "adapter.proj_layer_norm", d, torchEps)
		x = n.ReshapeTo(x, n.Concat(0, n.Slice(a.rows, 0, 0, 2), n.Ints(d)))
	}
	x = n.Transpose(x, 0, 2, 1)
	frames := a.frames
	for i := range c.NumAdapterLayers {
		p := layer("adapter.layers", i) + "conv"
		n.Scope("adapter.layers." + strconv.Itoa(i))
		if !n.o.HFPadding { // G1
			valid := n.Less(n.Unsqueeze(n.Arange(n.DimOf(x, 2)), 0), n.Unsqueeze(frames, 1))
			x = n.Mul(x, n.Unsqueeze(n.Cast(valid, onnx.Float32), 1))
			frames = n.convLength(n.Add(frames, n.Int(2)), c.AdapterKernelSize, c.AdapterStride)
		}
		w := n.stored(n.w.Backbone, p+".weight", 2*d, d, c.AdapterKernelSize)
		b := n.stored(n.w.Backbone, p+".bias", 2*d)
		x = n.Conv(x, w, b, onnx.Convolution{Kernel: []int{c.AdapterKernelSize}, Strides: []int{c.AdapterStride}, Pads: []int{1, 1}})
		half := n.Split(x, 1, 2)
		x = n.Mul(half[0], n.Sigmoid(half[1]))
	}
	a.shorter = frames
	return n.Transpose(x, 0, 2, 1)
}

// audioModel is Data2VecAudioModel.
func (n *net) audioModel() error {
	n.audioOutput(n.audio())
	return nil
}

// layerSum is the encoder's last state or, with use_weighted_layer_sum, the softmax-weighted sum of all states.
func (n *net) layerSum(a *audio) onnx.Value {
	if !n.cfg.Audio.UseWeightedLayerSum {
		return a.last()
	}
	n.Scope("layer_sum")
	var sum onnx.Value
	for i, w := range softmax(n.values(n.w.Head, "layer_weights", len(a.states))) {
		term := n.Mul(a.states[i], n.Scalar(w))
		if i == 0 {
			sum = term
		} else {
			sum = n.Add(sum, term)
		}
	}
	return sum
}

// noAdapter refuses add_adapter in the classes where the reference does.
func (n *net) noAdapter() error {
	if n.cfg.Audio.AddAdapter {
		return errors.New("config.json sets add_adapter, which this class does not support (nor does the reference)")
	}
	return nil
}
