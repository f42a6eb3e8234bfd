package graph

import (
	"fmt"
	"strings"

	"vecmill/model/config"
	"vecmill/model/onnx"
)

// vision is the backbone of the image classes after [net.vision] has built it. N is 1 + patches: the first token is cls.
type vision struct {
	states []onnx.Value // [B*N, H] each: embeddings, then after every layer, without the final LayerNorm
	out    onnx.Value   // [B, N, H]: last_hidden_state
	size   config.HW
	grid   config.HW
	shared []float32  // [heads, N, N] bias of all layers, nil without
	common onnx.Value // that as a constant, which layers without a bias of their own have together; made by the first
	att    attention
}

func (v *vision) tokens() int { return 1 + v.grid.H*v.grid.W }

// vision builds patches, positions and the encoder, and declares last_hidden_state.
func (n *net) vision() (*vision, error) {
	c := n.cfg.Vision
	v := &vision{size: c.ImageSize, att: attention{hidden: c.HiddenSize, heads: c.NumAttentionHeads}}
	if n.o.ImageSize != (config.HW{}) {
		v.size = n.o.ImageSize
	}
	v.grid = c.Grid(v.size)
	if v.grid.H < 1 || v.grid.W < 1 {
		return nil, fmt.Errorf("an input of %dx%d is smaller than patch_size %dx%d", v.size.H, v.size.W, c.PatchSize.H, c.PatchSize.W)
	}
	n.ignoreVision()
	v.att.split = n.Ints(-1, v.tokens(), c.NumAttentionHeads, v.att.width())
	if c.UseSharedRelativePositionBias {
		v.shared = n.relativeBias(v, "encoder.relative_position_bias.")
	}
	x, err := n.patches(v)
	if err != nil {
		return nil, err
	}
	v.states = []onnx.Value{x}
	heads := n.headMask(c.NumAttentionHeads)
	for i := range c.NumHiddenLayers {
		n.keep(&v.att, heads, i)
		x = n.visionLayer(v, x, layer("encoder.layer", i))
		v.states = append(v.states, x)
	}
	n.Scope("")
	dims := []onnx.Dim{n.batch, onnx.Fixed(v.tokens()), onnx.Fixed(c.HiddenSize)}
	n.hiddenStates(v.states, n.Ints(-1, v.tokens(), c.HiddenSize), dims...)
	n.attentions("attentions", &v.att, dims[1], dims[1])
	if !c.UseMeanPooling { // with mean pooling the norm belongs to the pooler, and the states stay as they are
		x = n.norm(n.w.Backbone, x, "layernorm", c.HiddenSize, c.LayerNormEps)
	}
	v.out = n.Reshape(x, -1, v.tokens(), c.HiddenSize)
	n.Output("last_hidden_state", v.out, onnx.Float32, dims...)
	return v, nil
}

// ignoreVision accepts the index buffers of old files, and the mask token, which inference uses only when asked to mask.
func (n *net) ignoreVision() {
	n.w.Ignore(func(name string) bool {
		return name == "embeddings.mask_token" || strings.HasSuffix(name, ".relative_position_index")
	})
}

// patches is cls and the projected patches, with absolute positions where the checkpoint has them, [B*N, H].
func (n *net) patches(v *vision) (onnx.Value, error) {
	c := n.cfg.Vision
	get, h, p := n.w.Backbone, c.HiddenSize, c.PatchSize
	in := n.Input("pixel_values", onnx.Float32, n.batch, onnx.Fixed(c.NumChannels), onnx.Fixed(v.size.H), onnx.Fixed(v.size.W))
	n.Scope("embeddings")
	name := "embeddings.patch_embeddings.projection"
	in = n.reduced(in)
	x := n.Conv(in, n.weightFor(in, name+".weight", h, c.NumChannels, p.H, p.W), n.weightFor(in, name+".bias", h),
		onnx.Convolution{Kernel: []int{p.H, p.W}, Strides: []int{p.H, p.W}})
	x = n.full(n.Transpose(n.Reshape(x, 0, h, -1), 0, 2, 1)) // [B, patches, H]
	if n.takes("bool_masked_pos") {
		if !c.UseMaskToken {
			return x, fmt.Errorf("bool_masked_pos needs a checkpoint with use_mask_token")
		}
		masked := n.flags("bool_masked_pos", n.batch, onnx.Fixed(v.tokens()-1))
		x = n.Where(n.Unsqueeze(masked, 2), n.stored(get, "embeddings.mask_token", 1, 1, h), x)
	}
	cls := n.stored(get, "embeddings.cls_token", 1, 1, h)
	cls = n.Expand(cls, n.Concat(0, n.DimOf(x, 0), n.Ints(1, h)))
	x = n.Concat(1, cls, x)
	if c.UseAbsolutePositionEmbeddings {
		table, err := n.positionTable(v)
		if err != nil {
			return x, err
		}
		x = n.Add(x, n.Floats([]int{1, v.tokens(), h}, table))
	}
	return n.Reshape(x, -1, h), nil
}

// positionTable is the absolute positions for the input's grid: as stored if the grid is the checkpoint's and square, otherwise
// resized, bicubic, from a square one. The row of cls is kept.
func (n *net) positionTable(v *vision) ([]float32, error) {
	c := n.cfg.Vision
	h, own := c.HiddenSize, c.Grid(c.ImageSize)
	stored := own.H * own.W
	table := n.values(n.w.Backbone, "embeddings.position_embeddings", 1, 1+stored, h)
	if v.grid.H*v.grid.W == stored && v.size.H == v.size.W {
		return table, nil
	}
	side := intSqrt(stored)
	if side*side != stored {
		return nil, fmt.Errorf("use_absolute_position_embeddings with %d positions cannot be resized to %dx%d: the reference needs a square number", stored, v.grid.H, v.grid.W)
	}
	resized := bicubic(table[h:], config.HW{H: side, W: side}, v.grid, h)
	return append(table[:h:h], resized...), nil
}

// relativeBias reads a bias table and folds it to [heads, N, N] for the input's grid. One that Verify will refuse is not folded, and gives nil: sizes that no table bears out may be any.
func (n *net) relativeBias(v *vision, prefix string) []float32 {
	c := n.cfg.Vision
	w := c.Grid(c.ImageSize)
	rows := (2*w.H-1)*(2*w.W-1) + 3
	t := n.w.Backbone(prefix+"relative_position_bias_table", rows, c.NumAttentionHeads)
	table, err := t.Float32()
	if err != nil || len(table) != t.Elements() {
		return nil
	}
	return foldBias(table, w, v.grid, c.NumAttentionHeads)
}

// layerBias is the bias of one layer's scores, own and shared added; absent without either.
func (n *net) layerBias(v *vision, p string) onnx.Value {
	c := n.cfg.Vision
	constant := func(bias []float32) onnx.Value {
		if bias == nil {
			return onnx.Value{}
		}
		return n.Floats([]int{1, c.NumAttentionHeads, v.tokens(), v.tokens()}, bias)
	}
	if !c.UseRelativePositionBias {
		if v.common == (onnx.Value{}) {
			v.common = constant(v.shared)
		}
		return v.common
	}
	bias := n.relativeBias(v, p+"attention.attention.relative_position_bias.")
	for i := range min(len(bias), len(v.shared)) {
		bias[i] += v.shared[i]
	}
	return constant(bias)
}

// visionLayer is one pre-norm transformer layer with layer scale on x [B*N, H].
func (n *net) visionLayer(v *vision, x onnx.Value, p string) onnx.Value {
	c := n.cfg.Vision
	get, h := n.w.Backbone, c.HiddenSize
	n.Scope(strings.TrimSuffix(p, "."))
	var lambda1, lambda2 []float32
	if c.LayerScaleInitValue > 0 {
		lambda1, lambda2 = n.values(get, p+"lambda_1", h), n.values(get, p+"lambda_2", h)
	}
	y := n.norm(get, x, p+"layernorm_before", h, c.LayerNormEps)
	y = n.visionAttention(v, y, p)
	x = n.Add(x, n.scaledLinear(y, p+"attention.output.dense", h, h, lambda1))
	y = n.norm(get, x, p+"layernorm_after", h, c.LayerNormEps)
	y = n.activation(c.HiddenAct, n.dense(y, p+"intermediate.dense", h, c.IntermediateSize), p+"intermediate.intermediate_act_fn")
	return n.Add(x, n.scaledLinear(y, p+"output.dense", c.IntermediateSize, h, lambda2))
}

// visionAttention is self-attention whose key has no bias.
func (n *net) visionAttention(v *vision, x onnx.Value, p string) onnx.Value {
	h, a := v.att.hidden, &v.att
	s := p + "attention.attention."
	k := n.product(x, n.matrix(s+"key", h, h))
	return n.attended(a, n.dense(x, s+"query", h, h), k, n.dense(x, s+"value", h, h), n.layerBias(v, p))
}

// visionPool is the pooled state of each picture, [B, H]: LayerNorm of the patches' mean, or the cls state.
func (n *net) visionPool(v *vision) onnx.Value {
	c := n.cfg.Vision
	n.Scope("pooler")
	if !c.UseMeanPooling {
		return n.Gather(v.out, n.Int(0), 1)
	}
	mean := n.ReduceMean(n.Slice(v.out, 1, 1, v.tokens()), 1)
	if strings.TrimPrefix(n.cfg.Class, "TF") == "Data2VecVisionModel" && !n.w.HasBackbone("pooler.layernorm.weight") {
		// The class is saved without a pooler; the reference then adds a fresh norm, which is this one: nothing in it is random.
		return n.plainNorm(mean, c.HiddenSize, c.LayerNormEps)
	}
	return n.norm(n.w.Backbone, mean, "pooler.layernorm", c.HiddenSize, c.LayerNormEps)
}

// visionModel is Data2VecVisionModel. The reference builds it without a pooler unless told otherwise, so a checkpoint may have its
// weights or not.
func (n *net) visionModel() error {
	n.w.Ignore(func(name string) bool { return strings.HasPrefix(name, "pooler.layernorm.") })
	v, err := n.vision()
	if err != nil {
		return err
	}
	if n.wants("pooler_output") {
		n.Output("pooler_output", n.visionPool(v), onnx.Float32, n.batch, onnx.Fixed(n.cfg.Vision.HiddenSize))
	}
	return nil
}
