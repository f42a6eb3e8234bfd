package config

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
