package graph

import "vecmill/model/onnx"

// What a recording goes through in pieces, one after the other, with the same numbers: what lies between two operators is small enough for a core's caches then, and of half a minute not a third of a gigabyte.
const (
	// pieceSamples is about how many samples the first convolutions take at once, and pieceStride the most of them to a step of their output: what is behind is small enough, and long enough for a product.
	pieceSamples, pieceStride = 4000, 80
	// pieceQueries is the most frames that look at all others at once.
	pieceQueries = 192
)

// inPieces says whether recordings are taken in pieces: packed rows are not, and what a device computes, which would wait for the next piece to be asked for; nor is half precision, of which the runtime
// leaves casts out between operators of one graph.
func (n *net) inPieces() bool {
	return n.o.Precision != Half && !n.o.Packed && !n.o.Whole && n.o.Without != Pieces && n.o.Without != Taps
}

// pieces are the first layers of [net.convolve] on x [B, N, 1], by pieces of x that overlap by what a step sees, and how many layers those are. y is [B, T, C].
func (n *net) pieces(x onnx.Value) (y onnx.Value, layers int) {
	c := n.cfg.Audio
	stride := 1
	for layers < len(c.ConvDim) && (layers == 0 || stride*c.ConvStride[layers] <= pieceStride) {
		stride *= c.ConvStride[layers]
		layers++
	}
	sees := 1 // samples of one step
	for i := layers - 1; i >= 0; i-- {
		sees = (sees-1)*c.ConvStride[i] + c.ConvKernel[i]
	}

	n.Scope("feature_extractor.pieces")
	length := n.DimOf(x, 1)
	over := n.Max(n.Sub(length, n.Ints(sees-stride)), n.Ints(0)) // of a recording that no step sees whole it is below a stride
	total := n.Div(over, n.Ints(stride))
	pieces, steps := n.division(total, max(pieceSamples/stride, 1))
	samples := n.Mul(steps, n.Ints(stride)) // from piece to piece
	missing := n.Max(n.Sub(n.Add(n.Mul(pieces, samples), n.Ints(sees-stride)), length), n.Ints(0))
	x = n.Concat(1, x, n.zeros(n.DimOf(x, 0), missing, n.Ints(1))) // the last piece is as long as the others
	y = n.Loop(pieces, func(i onnx.Value) onnx.Value {
		n.Scope("feature_extractor.pieces")
		from := n.Mul(n.Reshape(i, 1), samples)
		return n.convolve(n.SliceTo(x, 1, from, n.Add(from, n.Add(samples, n.Ints(sees-stride)))), 0, layers)
	})
	n.Scope("feature_extractor.pieces")
	y = n.Reshape(n.Transpose(y, 1, 0, 2, 3), 0, -1, c.ConvDim[layers-1])
	return n.SliceTo(y, 1, n.Ints(0), total), layers
}

// attendedInPieces is [net.attended], for some queries at a time.
func (n *net) attendedInPieces(a *attention, q, k, v, bias onnx.Value) onnx.Value {
	q, k, v = n.heads(a, q), n.heads(a, k), n.heads(a, v)
	time := n.Slice(a.split, 0, 1, 2)
	pieces, steps := n.division(time, pieceQueries)
	missing := n.Sub(n.Mul(steps, pieces), time)
	q = n.Concat(2, q, n.like(n.zeros(n.Slice(a.split, 0, 0, 1), n.Ints(a.heads), missing, n.Ints(a.width())), q))
	y := n.Loop(pieces, func(i onnx.Value) onnx.Value {
		from := n.Mul(n.Reshape(i, 1), steps)
		scores := n.ScaledMatMulT(n.SliceTo(q, 2, from, n.Add(from, steps)), k, float64(a.scale()))
		return n.ReshapeTo(n.attend(a, scores, bias, v), n.Concat(0, n.Slice(a.split, 0, 0, 1), steps, n.Ints(a.hidden)))
	})
	y = n.Reshape(n.Transpose(y, 1, 0, 2, 3), 0, -1, a.hidden)
	return n.Reshape(n.SliceTo(y, 1, n.Ints(0), time), -1, a.hidden)
}

// division is how many pieces make up of, and how long each is: at most most, and no longer than they have to be, as all are of one length, which the last may not fill. All three are int64 vectors of one element.
func (n *net) division(of onnx.Value, most int) (pieces, each onnx.Value) {
	of = n.Max(of, n.Ints(1))
	pieces = n.Div(n.Add(of, n.Ints(most-1)), n.Ints(most))
	return pieces, n.Div(n.Sub(n.Add(of, pieces), n.Ints(1)), pieces)
}

// zeros have the axes whose lengths are given, int64 vectors.
func (n *net) zeros(axes ...onnx.Value) onnx.Value {
	return n.Expand(n.Scalar(0), n.Concat(0, axes...))
}
