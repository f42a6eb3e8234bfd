package config

import "fmt"

// Audio is config.json of model_type data2vec-audio: the fields that shape the graph, with the class defaults of
// transformers where the file is silent.
type Audio struct {
	VocabSize                 int     `json:"vocab_size"`
	HiddenSize                int     `json:"hidden_size"`
	NumHiddenLayers           int     `json:"num_hidden_layers"`
	NumAttentionHeads         int     `json:"num_attention_heads"`
	IntermediateSize          int     `json:"intermediate_size"`
	HiddenAct                 string  `json:"hidden_act"`
	LayerNormEps              float64 `json:"layer_norm_eps"`
	FeatExtractActivation     string  `json:"feat_extract_activation"`
	ConvDim                   []int   `json:"conv_dim"`
	ConvStride                []int   `json:"conv_stride"`
	ConvKernel                []int   `json:"conv_kernel"`
	ConvBias                  bool    `json:"conv_bias"`
	ConvPosKernelSize         int     `json:"conv_pos_kernel_size"`
	NumConvPosEmbeddings      int     `json:"num_conv_pos_embeddings"` // number of layers in this family, not a width
	NumConvPosEmbeddingGroups int     `json:"num_conv_pos_embedding_groups"`
	MaskTimeProb              float64 `json:"mask_time_prob"`
	MaskFeatureProb           float64 `json:"mask_feature_prob"`
	AddAdapter                bool    `json:"add_adapter"`
	AdapterKernelSize         int     `json:"adapter_kernel_size"`
	AdapterStride             int     `json:"adapter_stride"`
	NumAdapterLayers          int     `json:"num_adapter_layers"`
	OutputHiddenSize          int     `json:"output_hidden_size"` // the hidden size where the file is silent
	UseWeightedLayerSum       bool    `json:"use_weighted_layer_sum"`
	ClassifierProjSize        int     `json:"classifier_proj_size"`
	TDNNDim                   []int   `json:"tdnn_dim"`
	TDNNKernel                []int   `json:"tdnn_kernel"`
	TDNNDilation              []int   `json:"tdnn_dilation"`
	XVectorOutputDim          int     `json:"xvector_output_dim"`
	PadTokenID                int     `json:"pad_token_id"`
}

func defaultAudio() *Audio {
	return &Audio{
		VocabSize: 32, HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072, HiddenAct: "gelu",
		LayerNormEps: 1e-5, FeatExtractActivation: "gelu",
		ConvDim:           []int{512, 512, 512, 512, 512, 512, 512},
		ConvStride:        []int{5, 2, 2, 2, 2, 2, 2},
		ConvKernel:        []int{10, 3, 3, 3, 3, 2, 2},
		ConvPosKernelSize: 19, NumConvPosEmbeddings: 5, NumConvPosEmbeddingGroups: 16,
		MaskTimeProb: 0.05, AdapterKernelSize: 3, AdapterStride: 2, NumAdapterLayers: 3, ClassifierProjSize: 256,
		TDNNDim: []int{512, 512, 512, 512, 1500}, TDNNKernel: []int{5, 3, 3, 1, 1}, TDNNDilation: []int{1, 2, 3, 1, 1},
		XVectorOutputDim: 512,
	}
}

// Frames is the number of encoder frames for n samples: L = (L-k)/s + 1 through the convolutions, 0 if n is too short for one.
func (c *Audio) Frames(n int) int {
	for i, k := range c.ConvKernel {
		if n < k {
			return 0
		}
		n = (n-k)/c.ConvStride[i] + 1
	}
	return n
}

// OutputFrames is the number of frames of last_hidden_state, and of CTC logits, for n samples: [Audio.Frames], and then
// through the adapter's convolutions where the checkpoint has one.
func (c *Audio) OutputFrames(n int) int {
	n = c.Frames(n)
	if !c.AddAdapter || n == 0 { // an adapter makes no frames of its padding alone
		return n
	}
	for range c.NumAdapterLayers {
		if n+2 < c.AdapterKernelSize {
			return 0
		}
		n = (n+2-c.AdapterKernelSize)/c.AdapterStride + 1
	}
	return n
}

// XVectorFrames is the number of frames that the x-vector of n samples is made of: what the dilated convolutions (TDNN) leave of the frames before
// them, 0 if those are too few. A weighted layer sum is of the states before the adapter.
func (c *Audio) XVectorFrames(n int) int {
	frames := c.OutputFrames(n)
	if c.UseWeightedLayerSum {
		frames = c.Frames(n)
	}
	return max(frames-c.TDNNLoss(), 0)
}

// TDNNLoss is by how many frames the dilated convolutions of x-vectors shorten a clip.
func (c *Audio) TDNNLoss() int {
	lost := 0
	for i := range min(len(c.TDNNKernel), len(c.TDNNDilation)) {
		lost += (c.TDNNKernel[i] - 1) * c.TDNNDilation[i]
	}
	return lost
}

// HopSamples is the number of samples from one encoder frame to the next: the product of the strides.
func (c *Audio) HopSamples() int {
	hop := 1
	for _, s := range c.ConvStride {
		hop *= s
	}
	return hop
}

// ReachSamples is the number of samples that one encoder frame is made of.
func (c *Audio) ReachSamples() int {
	reach, hop := 1, 1
	for i, k := range c.ConvKernel {
		reach += (k - 1) * hop
		hop *= c.ConvStride[i]
	}
	return reach
}

// MostSamples is the longest clip of so many encoder frames: one more sample makes one more frame.
func (c *Audio) MostSamples(frames int) int { return c.ReachSamples() + frames*c.HopSamples() - 1 }

// OutputHopSamples is the number of samples from one frame of last_hidden_state to the next, the adapter's strides included.
func (c *Audio) OutputHopSamples() int {
	hop := c.HopSamples()
	if c.AddAdapter {
		for range c.NumAdapterLayers {
			hop *= c.AdapterStride
		}
	}
	return hop
}

func (c *Audio) finish() error {
	if c.OutputHiddenSize == 0 {
		c.OutputHiddenSize = c.HiddenSize
	}
	if len(c.ConvDim) == 0 || len(c.ConvDim) != len(c.ConvStride) || len(c.ConvDim) != len(c.ConvKernel) {
		return fmt.Errorf("conv_dim, conv_stride and conv_kernel must have the same length, at least 1; they have %d, %d and %d",
			len(c.ConvDim), len(c.ConvStride), len(c.ConvKernel))
	}
	fields := []field{
		{"vocab_size", c.VocabSize},
		{"hidden_size", c.HiddenSize},
		{"num_attention_heads", c.NumAttentionHeads},
		{"intermediate_size", c.IntermediateSize},
		{"conv_pos_kernel_size", c.ConvPosKernelSize},
		{"num_conv_pos_embedding_groups", c.NumConvPosEmbeddingGroups},
		{"output_hidden_size", c.OutputHiddenSize},
		{"adapter_kernel_size", c.AdapterKernelSize},
		{"adapter_stride", c.AdapterStride},
		{"classifier_proj_size", c.ClassifierProjSize},
	}
	for i := range c.ConvDim {
		fields = append(fields, field{fmt.Sprintf("conv_dim[%d]", i), c.ConvDim[i]},
			field{fmt.Sprintf("conv_stride[%d]", i), c.ConvStride[i]}, field{fmt.Sprintf("conv_kernel[%d]", i), c.ConvKernel[i]})
	}
	if err := positive(fields...); err != nil {
		return err
	}
	if err := counts(field{"num_hidden_layers", c.NumHiddenLayers}, field{"num_conv_pos_embeddings", c.NumConvPosEmbeddings},
		field{"num_adapter_layers", c.NumAdapterLayers}, field{"pad_token_id", c.PadTokenID}); err != nil {
		return err
	}
	if c.HiddenSize%c.NumConvPosEmbeddingGroups != 0 {
		return fmt.Errorf("hidden_size %d is not divisible by num_conv_pos_embedding_groups %d", c.HiddenSize, c.NumConvPosEmbeddingGroups)
	}
	return divides(c.HiddenSize, c.NumAttentionHeads)
}
