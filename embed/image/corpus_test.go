package image

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// The recipes of testdata/make.py.
const (
	recipeA = `{"image_processor_type": "BeitImageProcessor", "size": {"height": 32, "width": 40}, "do_center_crop": false}`
	recipeB = `{"feature_extractor_type": "BeitFeatureExtractor", "size": 48, "crop_size": 33, "do_center_crop": true, "resample": 2,
		"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}`
)

func newPreprocessor(t testing.TB, config string, o Options) *Preprocessor {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, configFile), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := New(visionSpec(dir), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func visionSpec(dir string) *model.Spec {
	return &model.Spec{
		Dir: dir, Class: "Data2VecVisionModel",
		Vision: &model.VisionConfig{NumChannels: 3, PatchSize: model.HW{H: 16, W: 16}, ImageSize: model.HW{H: 224, W: 224}},
	}
}

func picture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "pictures", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func digestF32(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return digest(b)
}

func pixelsOf(s source) []byte {
	w, h := s.Size()
	out := make([]byte, 3*w*h)
	for y := range h {
		s.Row(out[3*w*y:3*w*(y+1)], y)
	}
	return out
}

// expectation is a line of testdata/pictures.txt.
type expectation struct {
	name          string
	width, height int
	pixels, a, b  string
}

func corpus(t testing.TB) []expectation {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "pictures.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []expectation
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var e expectation
		if _, err := fmt.Sscan(lines.Text(), &e.name, &e.width, &e.height, &e.pixels, &e.a, &e.b); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if len(all) < 100 {
		t.Fatalf("only %d pictures", len(all))
	}
	return all
}

func TestPixelsEqualPillowsBitForBit(t *testing.T) {
	var s scratch
	for _, e := range corpus(t) {
		t.Run(e.name, func(t *testing.T) {
			b := picture(t, e.name)
			h, err := sniff(b)
			if err != nil {
				t.Fatal(err)
			}
			src, _, err := s.decode(t.Context(), h, b)
			if err != nil {
				t.Fatal(err)
			}
			if w, h := src.Size(); w != e.width || h != e.height {
				t.Fatalf("%d x %d, want %d x %d", w, h, e.width, e.height)
			}
			if digest(pixelsOf(src)) != e.pixels {
				t.Error("the pixels are not Pillow's")
			}
		})
	}
}

func TestPixelValuesEqualTheReferencesBitForBit(t *testing.T) {
	a, b := newPreprocessor(t, recipeA, Options{}), newPreprocessor(t, recipeB, Options{})
	for _, e := range corpus(t) {
		t.Run(e.name, func(t *testing.T) {
			blob := picture(t, e.name)
			for _, c := range []struct {
				p    *Preprocessor
				want string
				w, h int
			}{{a, e.a, 40, 32}, {b, e.b, 33, 33}} {
				samples, err := c.p.Preprocess(t.Context(), schemas.Ref{}, blob)
				if err != nil {
					t.Fatal(err)
				}
				checkSample(t, samples, c.w, c.h)
				if digestF32(samples[0].Inputs[0].F32) != c.want {
					t.Errorf("the values of %d x %d are not the reference's", c.w, c.h)
				}
			}
		})
	}
}

func checkSample(t *testing.T, samples []embed.Sample, w, h int) {
	t.Helper()
	if len(samples) != 1 || len(samples[0].Inputs) != 1 {
		t.Fatalf("%d samples", len(samples))
	}
	s := samples[0]
	in := s.Inputs[0]
	if in.Name != "pixel_values" || fmt.Sprint(in.Shape) != fmt.Sprint([]int{3, h, w}) || len(in.F32) != 3*h*w || in.I64 != nil {
		t.Fatalf("input %s of shape %v with %d values", in.Name, in.Shape, len(in.F32))
	}
	if want := 1 + (w/16)*(h/16); s.Cost != want {
		t.Errorf("cost %d, want %d", s.Cost, want)
	}
}
