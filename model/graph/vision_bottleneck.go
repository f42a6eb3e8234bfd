package graph

import (
	"strconv"

	"vecmill/model/config"
	"vecmill/model/onnx"
)

// side is the width and the height of a bottleneck's kernel.
const side = 3

// bottleneck is a [net.convModule] of kernel 3 on maps side by side, all resized to the size of the first.
//
// Resizing mixes places and knows no channels, a tap of the kernel mixes channels and knows no places, so their order does not matter. A map
// smaller than the first goes through the taps at its own size, and what came out is resized and put in its place: of the products, a
// quarter for a map of half the sides. In a model of base size that is more than half of all products of the graph.
func (n *net) bottleneck(maps []plane, name string) plane {
	h, to := n.cfg.Vision.HiddenSize, maps[0].size
	n.Scope(name)
	w, shift := n.normed(name, len(maps)*h, side)
	var whole, small []int
	for i, p := range maps {
		if p.size.H < to.H && p.size.W < to.W {
			small = append(small, i)
		} else {
			whole = append(whole, i)
		}
	}
	x := make([]onnx.Value, len(whole))
	own := make([]float32, 0, h*len(whole)*h*side*side)
	for i, at := range whole {
		x[i] = n.upsample(maps[at], to)
	}
	for out := range h {
		for _, at := range whole {
			own = append(own, kernels(w, out, at, len(maps), h)...)
		}
	}
	y := n.sameConv(n.Concat(1, x...), name, own, shift, len(whole)*h, side)
	for _, at := range small {
		y = n.Add(y, n.resizedConv(maps[at], to, name+".conv.weight.taps."+strconv.Itoa(at), tapFirst(w, at, len(maps), h)))
	}
	return plane{n.Relu(y), to}
}

// kernels are those of the weights w [h, maps*h, side, side] that make channel out of map at, [h, side, side].
func kernels(w []float32, out, at, maps, h int) []float32 {
	return w[(out*maps+at)*h*side*side:][:h*side*side]
}

// tapFirst is the part of a kernel w [h, maps*h, side, side] for one of the maps as a matrix [side (x), h (out), side (y), h (in)].
func tapFirst(w []float32, at, maps, h int) []float32 {
	m := make([]float32, 0, side*h*side*h)
	for x := range side {
		for out := range h {
			k := kernels(w, out, at, maps, h)
			for y := range side {
				for in := range h {
					m = append(m, k[(in*side+y)*side+x])
				}
			}
		}
	}
	return m
}

// resizedConv is the convolution of a map resized, computed as a resize of the map convolved tap by tap with the matrix w of [tapFirst].
func (n *net) resizedConv(p plane, to config.HW, name string, w []float32) onnx.Value {
	h, from := n.cfg.Vision.HiddenSize, p.size
	columns, rows := make([]float32, side*from.W*to.W), make([]float32, to.H*side*from.H)
	resizedTaps(from.W, to.W, func(tap, i, o int, w float32) { columns[(tap*from.W+i)*to.W+o] += w })
	resizedTaps(from.H, to.H, func(tap, i, o int, w float32) { rows[(o*side+tap)*from.H+i] += w })

	x := n.Conv(p.x, n.Weight(name, []int{side * h * side, h, 1, 1}, onnx.FloatData(w)), onnx.Value{},
		onnx.Convolution{Kernel: []int{1, 1}, Strides: []int{1, 1}})
	x = n.MatMul(n.Reshape(x, 0, side, h*side*from.H, from.W), n.Floats([]int{side, from.W, to.W}, columns))
	x = n.Reshape(n.ReduceSum(x, 1), 0, h, side*from.H, to.W)
	return n.MatMul(n.Floats([]int{to.H, side * from.H}, rows), x)
}

// resizedTaps gives, along one axis, how much of place i of in a tap adds to place o of out after a bilinear resize: the tap looks at
// place o-1, o or o+1, of which those outside are zero.
func resizedTaps(in, out int, give func(tap, i, o int, w float32)) {
	resized(in, out, func(i, at int, w float32) {
		for tap := range side {
			if o := at - tap + side/2; o >= 0 && o < out {
				give(tap, i, o, w)
			}
		}
	})
}
