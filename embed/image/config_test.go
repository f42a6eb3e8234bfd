package image

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed/image/resize"
	"vecmill/model"
)

func TestARecipeIsReadWithTheDefaultsOfItsClass(t *testing.T) {
	type shape struct {
		resize        bool
		height, width int
		filter        resize.Filter
		crop          bool
		cropH, cropW  int
	}
	for _, c := range []struct {
		name, config string
		want         shape
	}{
		{"a silent file is the slow class", `{}`, shape{true, 256, 256, resize.Bicubic, true, 224, 224}},
		{"the fast class has no crop", `{"image_processor_type": "BeitImageProcessorFast"}`, shape{true, 224, 224, resize.Bicubic, false, 224, 224}},
		{"a number is a square", `{"size": 98, "crop_size": 77}`, shape{true, 98, 98, resize.Bicubic, true, 77, 77}},
		{"an object names both sides", `{"size": {"height": 10, "width": 20}}`, shape{true, 10, 20, resize.Bicubic, true, 224, 224}},
		{"a pair is height, width", `{"size": [10, 20]}`, shape{true, 10, 20, resize.Bicubic, true, 224, 224}},
		{"null is silence", `{"size": null, "crop_size": null, "resample": null}`, shape{true, 256, 256, resize.Bicubic, true, 224, 224}},
		{
			"a legacy extractor", `{"feature_extractor_type": "BeitFeatureExtractor", "size": 224, "do_center_crop": false, "resample": 2, "reduce_labels": false}`,
			shape{true, 224, 224, resize.Bilinear, false, 224, 224},
		},
		{"but a switch that is null is off", `{"do_resize": null, "do_center_crop": null}`, shape{false, 256, 256, resize.Bicubic, false, 224, 224}},
		{"except to the fast class", `{"image_processor_type": "BeitImageProcessorFast", "do_resize": null, "do_center_crop": null}`, shape{true, 224, 224, resize.Bicubic, false, 224, 224}},
		{"everything off", `{"do_resize": false, "do_center_crop": false}`, shape{false, 256, 256, resize.Bicubic, false, 224, 224}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseRecipe([]byte(c.config))
			if err != nil {
				t.Fatal(err)
			}
			if got := (shape{r.resize, r.height, r.width, r.filter, r.crop, r.cropHeight, r.cropWidth}); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAWrongSettingIsNamed(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`[`, "JSON"},
		{`{"image_processor_type": "ViTImageProcessor"}`, "ViTImageProcessor"},
		{`{"size": {"shortest_edge": 224}}`, "size"},
		{`{"size": 0}`, "size"},
		{`{"size": 100000}`, "size"},
		{`{"crop_size": [1, 2, 3]}`, "crop_size"},
		{`{"resample": 6}`, "resample 6"},
		{`{"resample": -1}`, "resample -1"},
		{`{"image_mean": [0.5, 0.5]}`, "image_mean"},
		{`{"image_std": "x"}`, "image_std"},
		{`{"image_std": [1, 0, 1]}`, "image_std"},
	} {
		if _, err := parseRecipe([]byte(c.config)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a word of %q", c.config, err, c.want)
		}
	}
}

func TestValuesAreRescaledInDoubleAndNormalisedInSinglePrecision(t *testing.T) {
	for _, c := range []struct {
		config string
		value  byte
		want   float32
	}{
		{`{}`, 0, -1},
		{`{}`, 255, 1},
		{`{}`, 100, (float32(100*(1.0/255)) - 0.5) / 0.5},
		{`{"do_normalize": false}`, 100, 0.39215687},
		{`{"do_normalize": false, "do_rescale": false}`, 100, 100},
		{`{"do_normalize": null, "do_rescale": null}`, 100, 100},
		{`{"do_rescale": false, "image_mean": 100, "image_std": 4}`, 108, 2},
		{`{"rescale_factor": 0.5, "image_mean": [1, 1, 1], "image_std": [2, 2, 2]}`, 7, 1.25},
	} {
		r, err := parseRecipe([]byte(c.config))
		if err != nil {
			t.Fatal(err)
		}
		for ch := range r.table {
			if got := r.table[ch][c.value]; math.Float32bits(got) != math.Float32bits(c.want) {
				t.Errorf("%s: %d becomes %v, want %v", c.config, c.value, got, c.want)
			}
		}
	}
}

func TestNewRefusesWhatCannotWorkWithASentence(t *testing.T) {
	empty := t.TempDir()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, configFile), []byte(`{"size": 8, "do_center_crop": false}`), 0o600); err != nil {
		t.Fatal(err)
	}
	audio := visionSpec(full)
	audio.Vision = nil
	grey := visionSpec(full)
	grey.Vision.NumChannels = 1
	for _, c := range []struct {
		name    string
		spec    *model.Spec
		options Options
		want    string
	}{
		{"no settings", visionSpec(empty), Options{}, configFile + " is missing"},
		{"another modality", audio, Options{}, "takes no pictures"},
		{"one channel", grey, Options{}, "1 channels"},
		{"a picture smaller than a patch", visionSpec(full), Options{}, "8 x 8"},
		{"negative limits", visionSpec(full), Options{MaxPixels: -1}, "max_pixels"},
		{"negative bytes", visionSpec(full), Options{MaxBytes: -1}, "max_bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New(c.spec, c.options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want a word of %q", err, c.want)
			}
		})
	}
}

func TestTheDigestCoversEverySetting(t *testing.T) {
	seen := map[string]string{}
	for _, config := range []string{
		`{}`, `{"size": 224}`, `{"crop_size": 196}`, `{"resample": 2}`, `{"do_center_crop": false}`, `{"do_resize": false}`,
		`{"image_mean": 0.4}`, `{"image_std": 0.4}`, `{"do_rescale": false}`, `{"do_normalize": false}`,
	} {
		d := newPreprocessor(t, config, Options{}).Digest()
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have one digest", config, other)
		}
		seen[d] = config
	}
	a, b := newPreprocessor(t, `{"size": 224}`, Options{MaxPixels: 5}), newPreprocessor(t, `{"size": [224, 224], "resample": 3}`, Options{})
	if a.Digest() != b.Digest() || len(a.Digest()) != 64 {
		t.Errorf("two ways to say one recipe: %s, %s", a.Digest(), b.Digest())
	}
}

func FuzzParseRecipe(f *testing.F) {
	f.Add([]byte(recipeA))
	f.Add([]byte(recipeB))
	f.Add([]byte(`{"size": [1, 2], "image_std": 0.1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecipe(b)
		if err != nil {
			return
		}
		if w, h := r.output(5, 5); w < 1 || h < 1 || w > maxTarget || h > maxTarget {
			t.Errorf("output of %d x %d", w, h)
		}
	})
}
