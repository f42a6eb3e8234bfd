package image

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"vecmill/model"
	"vecmill/schemas"
)

// TestSharedGolden runs the suite of BeitImageProcessor cases that lies under VECMILL_GOLDEN_DIR (BeitImageProcessor/suite), beyond
// what is committed here. Tensors of bytes (neither rescaled nor normalised) are compared as numbers.
func TestSharedGolden(t *testing.T) {
	root := os.Getenv("VECMILL_GOLDEN_DIR")
	if root == "" {
		t.Skip("VECMILL_GOLDEN_DIR is not set: the committed corpus covers the same ground")
	}
	dir := filepath.Join(root, "BeitImageProcessor", "suite")
	var manifest struct {
		Runs []struct {
			Name    string
			Config  json.RawMessage `json:"preprocessor_config"`
			Outputs map[string]struct{ Key string }
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		t.Fatal(err)
	}
	want := readTensors(t, filepath.Join(dir, "golden.safetensors"))
	cases := 0
	for _, run := range manifest.Runs {
		if len(run.Outputs) == 0 {
			continue // segmentation maps
		}
		recipe, err := parseRecipe(run.Config)
		if err != nil {
			t.Fatalf("%s: %v", run.Name, err)
		}
		p, err := assemble(recipe, &model.VisionConfig{NumChannels: 3, PatchSize: model.HW{H: 1, W: 1}}, Options{})
		if err != nil {
			t.Fatalf("%s: %v", run.Name, err)
		}
		for file, o := range run.Outputs {
			cases++
			blob, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			samples, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
			if err != nil {
				t.Errorf("%s of %s: %v", run.Name, file, err)
				continue
			}
			compare(t, run.Name+" of "+file, samples[0].Inputs[0].F32, want[o.Key])
		}
	}
	if cases < 70 {
		t.Errorf("only %d cases", cases)
	}
	t.Logf("%d cases", cases)
}

func compare(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: value %d is %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}

// readTensors reads the float and byte tensors of a safetensors file.
func readTensors(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var index map[string]struct {
		Dtype   string
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &index); err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	for name, e := range index {
		data := b[8+int(n):][e.Offsets[0]:e.Offsets[1]]
		var v []float32
		switch e.Dtype {
		case "F32":
			for ; len(data) > 0; data = data[4:] {
				v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(data)))
			}
		case "U8":
			for _, x := range data {
				v = append(v, float32(x))
			}
		}
		out[name] = v
	}
	return out
}
