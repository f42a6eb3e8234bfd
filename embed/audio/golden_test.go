package audio

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// goldenRun is one call of Wav2Vec2FeatureExtractor in the shared suite.
type goldenRun struct {
	Name   string
	Init   json.RawMessage
	Kwargs struct {
		Truncation bool
		MaxLength  int `json:"max_length"`
	}
	Files   []string
	Outputs map[string]string
	Atol    float64
}

// TestSharedSuite compares with the reference's own runs where VECMILL_GOLDEN_DIR names the shared golden directory. Items are compared
// without their padding, as the model sees them; runs without an attention mask normalise over the padding, and
// runs with padding on the left over the wrong end, so of these only unpadded items are.
func TestSharedSuite(t *testing.T) {
	root := os.Getenv("VECMILL_GOLDEN_DIR")
	if root == "" {
		t.Skip("VECMILL_GOLDEN_DIR is not set")
	}
	dir := filepath.Join(root, "Wav2Vec2FeatureExtractor", "suite")
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var suite struct{ Runs []goldenRun }
	if err := json.Unmarshal(raw, &suite); err != nil {
		t.Fatal(err)
	}
	tensors := readTensors(t, filepath.Join(dir, "golden.safetensors"))
	compared := 0
	for _, r := range suite.Runs {
		t.Run(r.Name, func(t *testing.T) { compared += compareRun(t, dir, r, tensors) })
	}
	if compared < 14 {
		t.Errorf("only %d items compared", compared)
	}
}

func compareRun(t *testing.T, dir string, r goldenRun, tensors map[string]tensor) (compared int) {
	opts := Options{}
	if r.Kwargs.Truncation {
		opts = Options{MaxSeconds: float64(r.Kwargs.MaxLength) / 16000, Long: Truncate}
	}
	p := newPreprocessor(t, string(r.Init), opts)
	want := tensors[r.Outputs["input_values"]]
	mask, masked := tensors[r.Outputs["attention_mask"]]
	width := want.shape[1]
	left := bytes.Contains(r.Init, []byte(`"left"`))
	for i, name := range r.Files {
		blob, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got := prepare(t, p, blob)[0].Inputs[0].F32
		row := want.values[i*width : (i+1)*width]
		var real []float32
		for j, v := range row {
			if !masked || mask.values[i*width+j] != 0 {
				real = append(real, v)
			}
		}
		if (!masked || left) && len(got) != width {
			continue
		}
		if len(got) != len(real) {
			t.Errorf("%s: %d samples, want %d", name, len(got), len(real))
			continue
		}
		if d := largest(got, real); d > r.Atol {
			t.Errorf("%s differs by %g", name, d)
		}
		compared++
	}
	return compared
}

// tensor is one of a safetensors file, as float32.
type tensor struct {
	shape  []int
	values []float32
}

func readTensors(t *testing.T, path string) map[string]tensor {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var head map[string]json.RawMessage
	if err := json.Unmarshal(b[8:8+n], &head); err != nil {
		t.Fatal(err)
	}
	out := map[string]tensor{}
	for name, raw := range head {
		var e struct {
			Dtype   string
			Shape   []int
			Offsets [2]int `json:"data_offsets"`
		}
		if name == "__metadata__" {
			continue
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		data := b[int(8+n)+e.Offsets[0] : int(8+n)+e.Offsets[1]]
		values, err := asFloats(e.Dtype, data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = tensor{e.Shape, values}
	}
	return out
}

func asFloats(dtype string, b []byte) ([]float32, error) {
	var x []float32
	switch dtype {
	case "F32":
		for ; len(b) > 0; b = b[4:] {
			x = append(x, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case "I32":
		for ; len(b) > 0; b = b[4:] {
			x = append(x, float32(int32(binary.LittleEndian.Uint32(b))))
		}
	case "I64":
		for ; len(b) > 0; b = b[8:] {
			x = append(x, float32(int64(binary.LittleEndian.Uint64(b))))
		}
	default:
		return nil, fmt.Errorf("type %s", dtype)
	}
	return x, nil
}
