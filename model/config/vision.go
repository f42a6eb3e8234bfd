package config

import (
	"encoding/json"
	"fmt"
)

// Vision is config.json of model_type data2vec-vision.
type Vision struct {
	HiddenSize                    int     `json:"hidden_size"`
	NumHiddenLayers               int     `json:"num_hidden_layers"`
	NumAttentionHeads             int     `json:"num_attention_heads"`
	IntermediateSize              int     `json:"intermediate_size"`
	HiddenAct                     string  `json:"hidden_act"`
	LayerNormEps                  float64 `json:"layer_norm_eps"`
	ImageSize                     HW      `json:"image_size"` // a number or [height, width]
	PatchSize                     HW      `json:"patch_size"` // a number or [height, width]
	NumChannels                   int     `json:"num_channels"`
	UseMaskToken                  bool    `json:"use_mask_token"`
	UseAbsolutePositionEmbeddings bool    `json:"use_absolute_position_embeddings"`
	UseRelativePositionBias       bool    `json:"use_relative_position_bias"`
	UseSharedRelativePositionBias bool    `json:"use_shared_relative_position_bias"`
	LayerScaleInitValue           float64 `json:"layer_scale_init_value"`
	UseMeanPooling                bool    `json:"use_mean_pooling"`
	PoolScales                    []int   `json:"pool_scales"`
	OutIndices                    []int   `json:"out_indices"`
	UseAuxiliaryHead              bool    `json:"use_auxiliary_head"`
	ProblemType                   string  `json:"problem_type"`
}

func defaultVision() *Vision {
	return &Vision{
		HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072, HiddenAct: "gelu", LayerNormEps: 1e-12,
		ImageSize: HW{224, 224}, PatchSize: HW{16, 16}, NumChannels: 3, LayerScaleInitValue: 0.1, UseMeanPooling: true,
		PoolScales: []int{1, 2, 3, 6}, OutIndices: []int{3, 5, 7, 11}, UseAuxiliaryHead: true,
	}
}

// Grid is the number of patches of a picture of the given size, down and across; remainders are cut off.
func (c *Vision) Grid(size HW) HW { return HW{size.H / c.PatchSize.H, size.W / c.PatchSize.W} }

func (c *Vision) finish() error {
	if err := positive(
		field{"hidden_size", c.HiddenSize},
		field{"num_attention_heads", c.NumAttentionHeads},
		field{"intermediate_size", c.IntermediateSize},
		field{"patch_size", min(c.PatchSize.H, c.PatchSize.W)},
		field{"patch_size", max(c.PatchSize.H, c.PatchSize.W)},
		field{"num_channels", c.NumChannels},
		field{"image_size height", c.ImageSize.H},
		field{"image_size width", c.ImageSize.W},
	); err != nil {
		return err
	}
	if err := counts(field{"num_hidden_layers", c.NumHiddenLayers}); err != nil {
		return err
	}
	if g := c.Grid(c.ImageSize); g.H == 0 || g.W == 0 {
		return fmt.Errorf("image_size %dx%d is smaller than patch_size %dx%d", c.ImageSize.H, c.ImageSize.W, c.PatchSize.H, c.PatchSize.W)
	}
	return divides(c.HiddenSize, c.NumAttentionHeads)
}

// HW is a height and a width in pixels.
type HW struct {
	H, W int
}

// UnmarshalJSON reads a number (a square) or [height, width].
func (s *HW) UnmarshalJSON(b []byte) error {
	var side int
	if err := json.Unmarshal(b, &side); err == nil {
		*s = HW{side, side}
		return nil
	}
	var pair []int
	if err := json.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
		return fmt.Errorf("a size is a number or [height, width], not %.60s", b)
	}
	*s = HW{pair[0], pair[1]}
	return nil
}

// MarshalJSON writes [height, width].
func (s HW) MarshalJSON() ([]byte, error) { return json.Marshal([]int{s.H, s.W}) }
