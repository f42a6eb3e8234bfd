package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vecmill/embed/image/resize"
)

// configFile holds the processor's settings in a checkpoint directory.
const configFile = "preprocessor_config.json"

// recipe is what to do with a decoded picture, in this order: resize, crop, table.
type recipe struct {
	resize        bool
	width, height int // of the resize
	filter        resize.Filter
	crop          bool
	cropWidth     int
	cropHeight    int
	table         [3][256]float32 // byte to value, by channel: rescaled and normalised
}

// output is the size of the result for a source of w x h.
func (r *recipe) output(w, h int) (width, height int) {
	switch {
	case r.crop:
		return r.cropWidth, r.cropHeight
	case r.resize:
		return r.width, r.height
	}
	return w, h
}

// flag is a switch of the settings, which may be missing, or null.
type flag struct{ given, null, on bool }

// UnmarshalJSON tells null from silence.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = flag{given: true, null: string(b) == "null"}
	return json.Unmarshal(b, &f.on)
}

// or is the switch, or what silence means. To the reference's slow class null is off, to the fast one it is silence.
func (f flag) or(silent, fast bool) bool {
	if !f.given || f.null && fast {
		return silent
	}
	return f.on
}

// processorConfig is preprocessor_config.json; nil where it is silent.
type processorConfig struct {
	ImageProcessorType   string          `json:"image_processor_type"`
	FeatureExtractorType string          `json:"feature_extractor_type"`
	DoResize             flag            `json:"do_resize"`
	Size                 json.RawMessage `json:"size"`
	Resample             *int            `json:"resample"`
	DoCenterCrop         flag            `json:"do_center_crop"`
	CropSize             json.RawMessage `json:"crop_size"`
	DoRescale            flag            `json:"do_rescale"`
	RescaleFactor        *float64        `json:"rescale_factor"`
	DoNormalize          flag            `json:"do_normalize"`
	ImageMean            json.RawMessage `json:"image_mean"`
	ImageStd             json.RawMessage `json:"image_std"`
}

// readRecipe reads the settings of a checkpoint directory.
func readRecipe(dir string) (*recipe, error) {
	path := filepath.Join(dir, configFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: it says how pictures are resized and normalised; copy it from the model's page to %s", configFile, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the image processor's settings: %w", err)
	}
	r, err := parseRecipe(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// parseRecipe reads the settings, with the defaults of the reference's class (BeitImageProcessor of transformers 4.55: 256, then a crop of
// 224) where they are silent. The fast class has other defaults (224, no crop).
func parseRecipe(b []byte) (*recipe, error) {
	var c processorConfig
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	size, crop, fast := 256, true, false
	switch class := first(c.ImageProcessorType, c.FeatureExtractorType); class {
	case "", "BeitImageProcessor", "BeitFeatureExtractor":
	case "BeitImageProcessorFast":
		size, crop, fast = 224, false, true
	default:
		return nil, fmt.Errorf("image processor %s is not one that Data2Vec models have: want BeitImageProcessor", class)
	}
	r := &recipe{resize: c.DoResize.or(true, fast), crop: c.DoCenterCrop.or(crop, fast), filter: resize.Filter(deref(c.Resample, int(resize.Bicubic)))}
	var err error
	if r.height, r.width, err = parseSize(c.Size, size); err != nil {
		return nil, fmt.Errorf("size: %w", err)
	}
	if r.cropHeight, r.cropWidth, err = parseSize(c.CropSize, 224); err != nil {
		return nil, fmt.Errorf("crop_size: %w", err)
	}
	if !r.filter.Valid() {
		return nil, fmt.Errorf("resample %d is not a filter: want 0 to 5", int(r.filter))
	}
	mean, err := parsePerChannel(c.ImageMean)
	if err != nil {
		return nil, fmt.Errorf("image_mean: %w", err)
	}
	std, err := parsePerChannel(c.ImageStd)
	if err != nil {
		return nil, fmt.Errorf("image_std: %w", err)
	}
	scale, normalize := deref(c.RescaleFactor, 1.0/255), c.DoNormalize.or(true, fast)
	if !c.DoRescale.or(true, fast) {
		scale = 1
	}
	for ch := range r.table {
		if normalize && float32(std[ch]) == 0 {
			return nil, fmt.Errorf("image_std: must not be 0")
		}
		for v := range r.table[ch] {
			// The reference's types: scaled in double precision, the rest in single. Without rescaling the factor of 1 changes nothing.
			x := float32(float64(v) * scale)
			if normalize {
				x = (x - float32(mean[ch])) / float32(std[ch])
			}
			r.table[ch][v] = x
		}
	}
	return r, nil
}

// parseSize reads n, [height, width] or {"height":, "width":}.
func parseSize(b json.RawMessage, silent int) (height, width int, err error) {
	height, width = silent, silent
	if !present(b) {
		return height, width, nil
	}
	var n int
	var pair []int
	var named struct{ Height, Width *int }
	switch {
	case json.Unmarshal(b, &n) == nil:
		height, width = n, n
	case json.Unmarshal(b, &pair) == nil && len(pair) == 2:
		height, width = pair[0], pair[1]
	case json.Unmarshal(b, &named) == nil && named.Height != nil && named.Width != nil:
		height, width = *named.Height, *named.Width
	default:
		return 0, 0, fmt.Errorf("%s is not a number, a pair, or an object of height and width", b)
	}
	if height < 1 || width < 1 || height > maxTarget || width > maxTarget {
		return 0, 0, fmt.Errorf("%d x %d is out of range: want 1 to %d", height, width, maxTarget)
	}
	return height, width, nil
}

// maxTarget bounds the sides that settings may ask for.
const maxTarget = 8192

// parsePerChannel reads a number for all channels or one for each.
func parsePerChannel(b json.RawMessage) ([3]float64, error) {
	if !present(b) {
		return [3]float64{0.5, 0.5, 0.5}, nil
	}
	var one float64
	if json.Unmarshal(b, &one) == nil {
		return [3]float64{one, one, one}, nil
	}
	var all []float64
	if err := json.Unmarshal(b, &all); err != nil || len(all) != 3 {
		return [3]float64{}, fmt.Errorf("%s is neither a number nor three", b)
	}
	return [3]float64(all), nil
}

func present(b json.RawMessage) bool { return len(b) > 0 && string(b) != "null" }

func deref[T any](p *T, silent T) T {
	if p == nil {
		return silent
	}
	return *p
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
