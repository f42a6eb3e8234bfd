package config

import "math"

// FLOPs counts what models compute: two operations for each multiplication with its addition, of matrix products and convolutions alone, as it is usual in
// stating how much of a machine is used. Additions of biases, norms, activations and softmax are not counted, nor are heads that run once an item.

// layer is one transformer layer over n positions: the projections of queries, keys, values and the output, scores and what they weigh, two dense layers.
func layer(n, hidden, intermediate int) float64 {
	l, d, i := float64(n), float64(hidden), float64(intermediate)
	return 8*l*d*d + 4*l*l*d + 4*l*d*i
}

// FLOPs is the work for one recording of so many frames: the feature encoder, positions, layers, and an adapter.
func (c *Audio) FLOPs(frames int) float64 {
	total, positions := 0.0, float64(frames)
	for i := len(c.ConvDim) - 1; i >= 0; i-- {
		in := 1
		if i > 0 {
			in = c.ConvDim[i-1]
		}
		total += 2 * positions * float64(in*c.ConvKernel[i]) * float64(c.ConvDim[i])
		positions *= float64(c.ConvStride[i])
	}
	n, d := float64(frames), float64(c.HiddenSize)
	total += 2 * n * float64(c.ConvDim[len(c.ConvDim)-1]) * d
	total += 2 * n * d * d / float64(c.NumConvPosEmbeddingGroups) * float64(c.ConvPosKernelSize*c.NumConvPosEmbeddings)
	total += float64(c.NumHiddenLayers) * layer(frames, c.HiddenSize, c.IntermediateSize)
	if c.AddAdapter {
		out := float64(c.OutputHiddenSize)
		if c.OutputHiddenSize != c.HiddenSize {
			total += 2 * n * d * out
		}
		for range c.NumAdapterLayers {
			n /= float64(c.AdapterStride)
			total += 2 * n * out * float64(c.AdapterKernelSize) * 2 * out
		}
	}
	return total
}

// FLOPs is the work for one text of so many tokens, specials included: the layers.
func (c *Text) FLOPs(tokens int) float64 {
	return float64(c.NumHiddenLayers) * layer(tokens, c.HiddenSize, c.IntermediateSize)
}

// FLOPs is the work for one picture of so many patches: their projection and the layers, which have one position more.
func (c *Vision) FLOPs(patches int) float64 {
	patch := float64(c.NumChannels * c.PatchSize.H * c.PatchSize.W)
	return 2*float64(patches)*patch*float64(c.HiddenSize) + float64(c.NumHiddenLayers)*layer(patches+1, c.HiddenSize, c.IntermediateSize)
}

// adapted is how many of so many frames the adapter leaves, if there is one, and their width.
func (c *Audio) adapted(frames int) (n float64, width int) {
	if !c.AddAdapter {
		return float64(frames), c.HiddenSize
	}
	return float64(frames) / math.Pow(float64(c.AdapterStride), float64(c.NumAdapterLayers)), c.OutputHiddenSize
}

// CTCFLOPs is what the head of CTC adds for one recording of so many frames.
func (c *Audio) CTCFLOPs(frames int) float64 {
	n, width := c.adapted(frames)
	return 2 * n * float64(width) * float64(c.VocabSize)
}

// XVectorFLOPs is what the head of x-vectors adds for one recording of so many frames: the projector and the convolutions, over what the adapter leaves, but for a sum of layers.
func (c *Audio) XVectorFLOPs(frames int) float64 {
	n, _ := c.adapted(frames)
	if c.UseWeightedLayerSum {
		n = float64(frames)
	}
	total, in := 0.0, c.HiddenSize
	dense := func(taps, out int) {
		total += 2 * n * float64(in*taps) * float64(out)
		in = out
	}
	for i, out := range c.TDNNDim[:min(len(c.TDNNDim), len(c.TDNNKernel))] {
		if i == 0 {
			dense(1, out)
		}
		dense(c.TDNNKernel[i], out)
	}
	return total
}

// SegmentationFLOPs is what the head of segmentation adds for one picture of the checkpoint's own size, as graphs compute it: bottlenecks convolve a map before it
// is resized. Resizing and pooling are not counted.
func (c *Vision) SegmentationFLOPs(labels int) float64 {
	g, d := c.Grid(c.ImageSize), float64(c.HiddenSize)
	cells, small := float64(g.H*g.W), float64((g.H/2)*(g.W/2)) // of the grid, and of the smallest level
	conv := func(places float64, kernel int) float64 { return 2 * places * d * d * float64(kernel*kernel) }
	total := conv(cells, 2) + conv(4*cells, 2) + conv(cells, 2) // the first level is doubled twice, the second once
	levels := 16*cells + 4*cells + cells
	total += conv(levels, 1) + conv(levels, 3) + conv(levels+small, 3) // lateral, smoothing, and all four together
	scene := small
	for _, scale := range c.PoolScales {
		pooled := float64(scale * scale)
		total += conv(pooled, 1)
		scene += min(pooled, small)
	}
	return total + conv(scene, 3) + 2*16*cells*d*float64(labels)
}
