package audio

import "testing"

// TestNullIsNoNormalisation: null is no silence.
func TestNullIsNoNormalisation(t *testing.T) {
	for config, want := range map[string]bool{`{}`: true, `{"do_normalize": true}`: true, `{"do_normalize": false}`: false, `{"do_normalize": null}`: false} {
		x, err := parseExtractor("preprocessor_config.json", []byte(config))
		if err != nil || x.DoNormalize != want {
			t.Errorf("%s: normalised %v, %v", config, x.DoNormalize, err)
		}
	}
}

// FuzzParseExtractor proves that what is read of a checkpoint can be computed with.
func FuzzParseExtractor(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"feature_extractor_type":"Wav2Vec2FeatureExtractor","feature_size":1,"sampling_rate":8000,"do_normalize":false,"padding_value":0.0}`,
		`{"sampling_rate":-1}`, `{"sampling_rate":9999999999}`, `{"feature_size":2}`, `{"feature_extractor_type":"X"}`, `[]`, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := parseExtractor("preprocessor_config.json", raw)
		if err == nil && (x.SamplingRate < 1 || x.FeatureSize != 1) {
			t.Fatalf("%s is taken as %+v", raw, x)
		}
	})
}
