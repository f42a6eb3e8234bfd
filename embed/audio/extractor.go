package audio

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"vecmill/model/config"
)

// extractor is what preprocessor_config.json says. PaddingValue and ReturnAttentionMask decide only what a batch looks like to the
// reference; here an item never sees its neighbours' padding, so they change no sample.
type extractor struct {
	Type                string  `json:"feature_extractor_type"`
	FeatureSize         int     `json:"feature_size"`
	SamplingRate        int     `json:"sampling_rate"`
	DoNormalize         bool    `json:"do_normalize"`
	PaddingValue        float64 `json:"padding_value"`
	ReturnAttentionMask bool    `json:"return_attention_mask"`
}

// readExtractor reads the settings of the checkpoint's feature extractor.
func readExtractor(dir string) (extractor, error) {
	p, err := config.ReadProcessor(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && p.Extractor == nil {
		return extractor{}, fmt.Errorf("%s has no preprocessor_config.json: an audio checkpoint needs it for its sampling rate and "+
			"normalisation; copy it from the model's repository", dir)
	}
	if err != nil {
		return extractor{}, err
	}
	return parseExtractor(p.Path, p.Extractor)
}

func parseExtractor(path string, raw []byte) (extractor, error) {
	x := extractor{FeatureSize: 1, SamplingRate: 16000, DoNormalize: true} // the class's defaults
	if err := json.Unmarshal(raw, &x); err != nil {
		return extractor{}, fmt.Errorf("reading %s: %w", path, err)
	}
	var given struct {
		DoNormalize json.RawMessage `json:"do_normalize"`
	}
	if err := json.Unmarshal(raw, &given); err != nil {
		return extractor{}, fmt.Errorf("reading %s: %w", path, err)
	}
	if string(given.DoNormalize) == "null" { // which is no silence: the reference keeps it, and it is false
		x.DoNormalize = false
	}
	switch {
	case x.Type != "" && x.Type != "Wav2Vec2FeatureExtractor":
		return extractor{}, fmt.Errorf("%s: feature_extractor_type %s is not Wav2Vec2FeatureExtractor", path, x.Type)
	case x.FeatureSize != 1:
		return extractor{}, fmt.Errorf("%s: feature_size %d, want 1 (raw samples)", path, x.FeatureSize)
	case x.SamplingRate < minRate || x.SamplingRate > maxRate:
		return extractor{}, fmt.Errorf("%s: sampling_rate %d is not between %d and %d", path, x.SamplingRate, minRate, maxRate)
	}
	return x, nil
}
