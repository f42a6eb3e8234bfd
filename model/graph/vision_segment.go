package graph

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"vecmill/model/config"
	"vecmill/model/onnx"
)

// plane is a feature map [B, hidden, H, W] of known size.
type plane struct {
	x    onnx.Value
	size config.HW
}

// visionSegments is Data2VecVisionForSemanticSegmentation: four states as a pyramid of 4, 2, 1 and 1/2 times the grid, a UPerNet head,
// logits [B, labels, 4*H, 4*W]. The auxiliary head serves training alone and is left out.
func (n *net) visionSegments() error {
	n.w.Ignore(func(name string) bool {
		return strings.HasPrefix(name, "auxiliary_head.") || strings.HasPrefix(name, "pooler.layernorm.") || strings.HasSuffix(name, ".num_batches_tracked")
	})
	c := n.cfg.Vision
	v, err := n.vision()
	if err != nil {
		return err
	}
	if own := c.Grid(c.ImageSize); v.grid != own || own.H != own.W || own.H < 2 {
		return fmt.Errorf("segmentation needs the checkpoint's own grid, square and at least 2x2 patches (as in the reference): the input has %dx%d, image_size %dx%d",
			v.grid.H, v.grid.W, own.H, own.W)
	}
	levels, err := n.pyramid(v)
	if err != nil {
		return err
	}
	x, err := n.uperHead(levels)
	if err != nil {
		return err
	}
	n.Scope("decode_head.classifier")
	h, labels := c.HiddenSize, len(n.cfg.Labels)
	logits := n.Conv(x.x, n.stored(n.w.Head, "decode_head.classifier.weight", labels, h, 1, 1), n.stored(n.w.Head, "decode_head.classifier.bias", labels),
		onnx.Convolution{Kernel: []int{1, 1}, Strides: []int{1, 1}})
	n.Output("logits", logits, onnx.Float32, n.batch, onnx.Fixed(labels), onnx.Fixed(x.size.H), onnx.Fixed(x.size.W))
	return nil
}

// tensorFlow says whether the class is one of TensorFlow's. They are the same functions but for one line: see [net.pooledScenes].
func (n *net) tensorFlow() bool { return strings.HasPrefix(n.cfg.Class, "TF") }

// pyramid makes feature maps of the states that out_indices names: state i is chosen by i+1, in ascending order whatever the order there.
func (n *net) pyramid(v *vision) ([]plane, error) {
	c := n.cfg.Vision
	n.Scope("fpn")
	var levels []plane
	for i, s := range v.states {
		if slices.Contains(c.OutIndices, i+1) {
			x := n.Slice(n.Reshape(s, -1, v.tokens(), c.HiddenSize), 1, 1, v.tokens())
			levels = append(levels, plane{n.Reshape(n.Transpose(x, 0, 2, 1), 0, c.HiddenSize, v.grid.H, v.grid.W), v.grid})
		}
	}
	if len(c.OutIndices) != 4 || len(levels) != 4 {
		return nil, fmt.Errorf("out_indices %v must name four different states, from 1 to %d", c.OutIndices, len(v.states))
	}
	x := n.double(levels[0], "fpn1.0", n.batchNorm("fpn1.1"))
	levels[0] = n.double(plane{n.Gelu(x.x), x.size}, "fpn1.3", nil)
	levels[1] = n.double(levels[1], "fpn2.0", nil)
	levels[3] = plane{
		n.Op("MaxPool", []onnx.Value{levels[3].x}, onnx.IntsAttr("kernel_shape", 2, 2), onnx.IntsAttr("strides", 2, 2)),
		config.HW{H: v.grid.H / 2, W: v.grid.W / 2},
	}
	return levels, nil
}

// affine is a batch normalisation at inference: x*scale + shift, by channel.
type affine struct{ scale, shift []float32 }

func (n *net) batchNorm(name string) *affine {
	const eps = 1e-5
	h := n.cfg.Vision.HiddenSize
	get := func(part string) []float32 { return n.values(n.w.Head, name+"."+part, h) }
	a := &affine{get("weight"), get("bias")}
	mean, variance := get("running_mean"), get("running_var")
	for i := range a.scale {
		a.scale[i] = float32(float64(a.scale[i]) / math.Sqrt(float64(variance[i])+eps))
		a.shift[i] -= mean[i] * a.scale[i]
	}
	return a
}

// double is a transposed convolution of kernel and stride 2, the normalisation behind it folded in.
func (n *net) double(p plane, name string, norm *affine) plane {
	h := n.cfg.Vision.HiddenSize
	var w, b onnx.Value
	if norm == nil {
		w, b = n.stored(n.w.Head, name+".weight", h, h, 2, 2), n.stored(n.w.Head, name+".bias", h)
	} else {
		weights, bias := n.values(n.w.Head, name+".weight", h, h, 2, 2), n.values(n.w.Head, name+".bias", h)
		for i := range weights { // [in, out, 2, 2]
			weights[i] *= norm.scale[i/4%h]
		}
		for i := range bias {
			bias[i] = bias[i]*norm.scale[i] + norm.shift[i]
		}
		w, b = n.Weight(name+".weight.scaled", []int{h, h, 2, 2}, onnx.FloatData(weights)), n.Weight(name+".bias.scaled", []int{h}, onnx.FloatData(bias))
	}
	y := n.Op("ConvTranspose", []onnx.Value{p.x, w, b}, onnx.IntsAttr("kernel_shape", 2, 2), onnx.IntsAttr("strides", 2, 2))
	return plane{y, config.HW{H: 2 * p.size.H, W: 2 * p.size.W}}
}

// convModule is convolution, batch normalisation and ReLU: maps of in channels to maps of hidden ones, of the same size.
func (n *net) convModule(x onnx.Value, name string, in, kernel int) onnx.Value {
	n.Scope(name)
	w, shift := n.normed(name, in, kernel)
	return n.Relu(n.sameConv(x, name, w, shift, in, kernel))
}

// normed are the weights [hidden, in, kernel, kernel] of a convolution without bias, the normalisation behind it folded in, and what it adds.
func (n *net) normed(name string, in, kernel int) (weights, shift []float32) {
	w, a := n.values(n.w.Head, name+".conv.weight", n.cfg.Vision.HiddenSize, in, kernel, kernel), n.batchNorm(name+".bn")
	for i := range w {
		w[i] *= a.scale[i/(in*kernel*kernel)]
	}
	return w, a.shift
}

// sameConv is a convolution that leaves maps their size.
func (n *net) sameConv(x onnx.Value, name string, w, bias []float32, in, kernel int) onnx.Value {
	h, pad := n.cfg.Vision.HiddenSize, kernel/2
	return n.Conv(x, n.Weight(name+".conv.weight.scaled", []int{h, in, kernel, kernel}, onnx.FloatData(w)), n.Floats([]int{h}, bias),
		onnx.Convolution{Kernel: []int{kernel, kernel}, Strides: []int{1, 1}, Pads: []int{pad, pad, pad, pad}})
}

// uperHead joins the levels, the scene pooled at several scales among them, at the size of the first.
func (n *net) uperHead(levels []plane) (plane, error) {
	h := n.cfg.Vision.HiddenSize
	scene, err := n.pooledScenes(levels[3])
	if err != nil {
		return plane{}, err
	}
	lateral := make([]plane, 4)
	for i := range 3 {
		lateral[i] = plane{n.convModule(levels[i].x, "decode_head.lateral_convs."+strconv.Itoa(i), h, 1), levels[i].size}
	}
	lateral[3] = scene
	for i := 3; i > 0; i-- {
		lateral[i-1].x = n.Add(lateral[i-1].x, n.upsample(lateral[i], lateral[i-1].size))
	}
	for i := range 3 {
		lateral[i].x = n.convModule(lateral[i].x, "decode_head.fpn_convs."+strconv.Itoa(i), h, 3)
	}
	return n.bottleneck(lateral, "decode_head.fpn_bottleneck"), nil
}

// pooledScenes is the pyramid pooling module with its bottleneck. TensorFlow's class pools at every scale what came out of the scale before it
// (a variable that is not reset), torch's the map itself: checkpoints are trained with one or the other.
func (n *net) pooledScenes(p plane) (plane, error) {
	c := n.cfg.Vision
	h := c.HiddenSize
	parts, from := []plane{p}, p
	for i, scale := range c.PoolScales {
		if scale < 1 || scale > maxScale {
			return plane{}, fmt.Errorf("pool_scales %v: each must be from 1 to %d", c.PoolScales, maxScale)
		}
		name := "decode_head.psp_modules." + strconv.Itoa(i) + ".1"
		n.Scope(name)
		y := plane{n.adaptivePool(from, scale), config.HW{H: scale, W: scale}}
		y.x = n.convModule(y.x, name, h, 1)
		parts = append(parts, y)
		if n.tensorFlow() {
			from = y
		}
	}
	return n.bottleneck(parts, "decode_head.bottleneck"), nil
}

// maxScale bounds pool_scales, and with them the size of a folded pooling matrix.
const maxScale = 64

// adaptivePool averages windows of a map down (or up) to scale x scale: window i reaches from floor(i*in/scale) to
// ceil((i+1)*in/scale). As a product with a constant matrix, because no operator has such windows.
func (n *net) adaptivePool(p plane, scale int) onnx.Value {
	h, cells := n.cfg.Vision.HiddenSize, p.size.H*p.size.W
	m := make([]float32, cells*scale*scale)
	for i := range scale {
		for j := range scale {
			y0, y1 := window(i, p.size.H, scale)
			x0, x1 := window(j, p.size.W, scale)
			for y := y0; y < y1; y++ {
				for x := x0; x < x1; x++ {
					m[(y*p.size.W+x)*scale*scale+i*scale+j] = 1 / float32((y1-y0)*(x1-x0))
				}
			}
		}
	}
	flat := n.MatMul(n.Reshape(p.x, 0, h, cells), n.Floats([]int{cells, scale * scale}, m))
	return n.Reshape(flat, 0, h, scale, scale)
}

func window(i, in, out int) (from, to int) { return i * in / out, ((i+1)*in + out - 1) / out }

// upsample resizes a map, bilinear, corners not aligned; it also shrinks, without averaging, as the reference does. Of products with constant matrices there
// are kernels everywhere, of Resize there are not (see [onnx.Builder.Differ]).
func (n *net) upsample(p plane, to config.HW) onnx.Value {
	if p.size == to {
		return p.x
	}
	from := p.size
	columns, rows := make([]float32, from.W*to.W), make([]float32, to.H*from.H)
	resized(from.W, to.W, func(i, o int, w float32) { columns[i*to.W+o] += w })
	resized(from.H, to.H, func(i, o int, w float32) { rows[o*from.H+i] += w })
	x := n.MatMul(p.x, n.Floats([]int{from.W, to.W}, columns))
	return n.MatMul(n.Floats([]int{to.H, from.H}, rows), x)
}

// resized gives, along one axis, how much of place i of in is in place o of out after a bilinear resize.
func resized(in, out int, give func(i, o int, w float32)) {
	for o := range out {
		places, weights := linearTaps(o, in, out)
		for k, i := range places {
			give(i, o, weights[k])
		}
	}
}
