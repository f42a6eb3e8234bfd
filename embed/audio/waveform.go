package audio

import (
	"context"
	"slices"

	"vecmill/embed"
)

// Waveform decodes blob to mono samples at the model's rate, not normalised. Its errors are those of Preprocess, but it takes audio without
// one frame.
func (p *Preprocessor) Waveform(ctx context.Context, blob []byte) ([]float32, error) {
	x, _, err := p.read(ctx, blob)
	return x, err
}

// Prepare makes a sample of part of a waveform, normalised by itself as the reference does with each chunk. x is left as it is; it must have
// at least one frame.
func (p *Preprocessor) Prepare(x []float32) (embed.Sample, error) {
	if err := p.enough(len(x)); err != nil {
		return embed.Sample{}, err
	}
	return p.sample(slices.Clone(x), 0, 0, false), nil
}

// Masks says whether the reference's extractor gives an attention mask with a clip: return_attention_mask of preprocessor_config.json.
func (p *Preprocessor) Masks() bool { return p.extractor.ReturnAttentionMask }
