package graph

import (
	"fmt"

	"vecmill/model/onnx"
)

// audioXVector is Data2VecAudioForXVector: projector, dilated convolutions over frames (TDNN), mean and standard deviation over an item's
// frames, and two dense layers, the first of which gives the x-vector.
func (n *net) audioXVector() error {
	c := n.cfg.Audio
	layers, e := len(c.TDNNDim), c.XVectorOutputDim
	if layers == 0 || layers != len(c.TDNNKernel) || layers != len(c.TDNNDilation) {
		return fmt.Errorf("tdnn_dim, tdnn_kernel and tdnn_dilation must have the same length, at least 1; they have %d, %d and %d",
			layers, len(c.TDNNKernel), len(c.TDNNDilation))
	}
	for i := range layers {
		if min(c.TDNNDim[i], c.TDNNKernel[i], c.TDNNDilation[i], e) < 1 {
			return fmt.Errorf("tdnn layer %d has %d channels, kernel %d and dilation %d, xvector_output_dim is %d: all must be positive",
				i, c.TDNNDim[i], c.TDNNKernel[i], c.TDNNDilation[i], e)
		}
	}
	n.w.Ignore(func(name string) bool { return name == "objective.weight" }) // the loss's own
	a := n.audio()
	x, width := n.audioOutput(a)
	if width != c.HiddenSize {
		return fmt.Errorf("output_hidden_size %d does not fit the projector, which takes hidden_size %d (nor does it in the reference)", width, c.HiddenSize)
	}
	shape := n.Concat(0, n.Slice(a.rows, 0, 0, 1), n.Ints(-1, c.TDNNDim[0]))
	frames := a.shorter
	if c.UseWeightedLayerSum { // of the states before the adapter
		x, frames = n.layerSum(a), a.frames
	}
	n.Scope("projector")
	x = n.ReshapeTo(n.exact(n.w.Head, x, "projector", c.HiddenSize, c.TDNNDim[0]), shape)
	x = n.tdnn(x)
	var pooled onnx.Value
	if n.o.Packed {
		pooled = n.segmentStatistics(x, c.TDNNDim[layers-1], c.TDNNLoss())
	} else {
		pooled = n.statistics(x, n.tdnnFrames(a, frames))
	}
	n.Scope("xvector")
	vector := n.exact(n.w.Head, pooled, "feature_extractor", 2*c.TDNNDim[layers-1], e)
	n.Output("logits", n.exact(n.w.Head, vector, "classifier", e, e), onnx.Float32, n.single, onnx.Fixed(e))
	n.Output("embeddings", vector, onnx.Float32, n.single, onnx.Fixed(e))
	return nil
}

// tdnn convolves x [B, T, C] to [B, T, D]. The weights are those of dense layers on the values of all taps. Zeros behind the row keep its
// length, so that a batch of clips shorter than the convolutions is no error: their frames are none ([net.tdnnFrames]).
func (n *net) tdnn(x onnx.Value) onnx.Value {
	c := n.cfg.Audio
	in := c.TDNNDim[0]
	for i, out := range c.TDNNDim {
		name, k := fmt.Sprintf("tdnn.%d.kernel", i), c.TDNNKernel[i]
		n.Scope(name)
		if tail := n.tail(i); tail > 0 {
			x = n.Concat(1, x, n.zeros(n.DimOf(x, 0), n.Ints(tail), n.Ints(in)))
		}
		if k > 1 {
			x = n.Concat(2, n.taps(x, k, 1, c.TDNNDilation[i])...)
		}
		x = n.Relu(n.exact(n.w.Head, x, name, in*k, out))
		in = out
	}
	return x
}

// tail is how many zeros go behind the input of a layer: what the layer shortens it by, none where the reference's lengths are wanted.
func (n *net) tail(layer int) int {
	if n.o.HFPadding {
		return 0
	}
	return (n.cfg.Audio.TDNNKernel[layer] - 1) * n.cfg.Audio.TDNNDilation[layer]
}

// tdnnFrames is how many frames of the last convolution belong to each item, int64 [B]. The reference forgets the dilations, and
// that a layer sum does not pass the adapter, when it is given a mask: items then include frames that saw padding.
func (n *net) tdnnFrames(a *audio, frames onnx.Value) onnx.Value {
	c := n.cfg.Audio
	n.Scope("tdnn_frames")
	lost := 0
	for i, k := range c.TDNNKernel {
		if n.o.HFPadding {
			lost += k - 1
		} else {
			lost += n.tail(i)
		}
	}
	if !n.o.HFPadding {
		return n.Max(n.Sub(frames, n.Int(lost)), n.Int(0))
	}
	frames = a.frames
	if c.AddAdapter {
		for range c.NumAdapterLayers {
			frames = n.convLength(frames, 1, c.AdapterStride)
		}
	}
	return n.Sub(frames, n.Int(lost))
}

// statistics is the mean and the unbiased standard deviation over the first frames of each row of x [B, T, D], as [B, 2*D].
// Without frames it is NaN. The deviation of a single one is NaN in the reference, and 0 here by default.
func (n *net) statistics(x, frames onnx.Value) onnx.Value {
	n.Scope("statistics")
	time := n.DimOf(x, 1)
	if n.o.HFPadding { // Python's slice: a negative bound counts from the end
		frames = n.Where(n.Less(frames, n.Int(0)), n.Add(frames, time), frames)
		frames = n.Max(n.Op("Min", []onnx.Value{frames, time}), n.Int(0))
	}
	inside := n.Cast(n.Less(n.Unsqueeze(n.Arange(time), 0), n.Unsqueeze(frames, 1)), onnx.Float32)
	inside = n.Unsqueeze(inside, 2)
	count := n.Cast(n.Unsqueeze(frames, 1), onnx.Float32) // [B, 1]
	mean := n.Div(n.ReduceSum(n.Mul(x, inside), 1), count)
	off := n.Mul(n.Sub(x, n.Unsqueeze(mean, 1)), inside)
	free := n.Sub(count, n.Scalar(1))
	if !n.o.HFPadding {
		free = n.Max(free, n.Scalar(1))
	}
	deviation := n.Op("Sqrt", []onnx.Value{n.Div(n.ReduceSum(n.Mul(off, off), 1), free)})
	return n.Concat(1, mean, deviation)
}
