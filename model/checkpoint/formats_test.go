package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/model/checkpoint/hdf5"
)

// formatsDir holds cases of foreign writers: [set/]class/format/, each with a manifest.json in its class directory that names the source of the values.
func formatsDir() string {
	if dir := os.Getenv("VECMILL_GOLDEN_DIR"); dir != "" {
		return filepath.Join(dir, "..", "formats", filepath.Base(dir))
	}
	return ""
}

// equalWeights compares every weight of want with got: by any spelling, with or without prefix.
func equalWeights(t *testing.T, got, want *Checkpoint, prefix string, tol float64) {
	t.Helper()
	compared := 0
	for _, name := range want.Names() {
		w, _ := want.Tensor(name)
		g, ok := lookup(got, name, prefix)
		if !ok || got.Format() == Fairseq && strings.Contains(name, "token_type_embeddings") { // the training code has none
			continue
		}
		compared++
		if !slices.Equal(g.Shape, w.Shape) {
			t.Errorf("%s is %v, want %v", name, g.Shape, w.Shape)
			continue
		}
		if w.floating() != nil {
			continue
		}
		a, err := g.Float32()
		if err != nil {
			t.Error(err)
			continue
		}
		b, err := w.Float32()
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			if math.Abs(float64(a[i]-b[i])) > tol*math.Abs(float64(b[i]))+tol*1e-3 {
				t.Errorf("%s[%d] is %v, want %v", name, i, a[i], b[i])
				break
			}
		}
	}
	if compared < len(want.Names())/2 {
		t.Errorf("only %d of %d weights were found", compared, len(want.Names()))
	}
}

func lookup(c *Checkpoint, name, prefix string) (Tensor, bool) {
	for _, s := range spellings(name) {
		for _, full := range []string{s, strings.TrimPrefix(s, prefix), prefix + s} {
			if x, ok := c.Tensor(full); ok {
				return x, true
			}
		}
	}
	return Tensor{}, false
}

func mustOpen(t *testing.T, dir string) *Checkpoint {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// It runs over the formats set beside VECMILL_GOLDEN_DIR if that is given; our own fixtures are in TestEveryFormatHoldsTheSameWeights.
func TestForeignFormatsHoldTheSameWeights(t *testing.T) {
	root := formatsDir()
	if root == "" {
		t.Log("VECMILL_GOLDEN_DIR is not set: nothing to compare beyond our own fixtures")
		return
	}
	manifests, _ := filepath.Glob(filepath.Join(root, "*", "manifest.json"))
	if len(manifests) == 0 {
		t.Fatalf("%s holds no format cases", root)
	}
	for _, path := range manifests {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Source  string
			Formats map[string]string
		}
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		class := filepath.Base(filepath.Dir(path))
		prefix := map[string]string{"A": "data2vec_audio.", "T": "data2vec_text.", "V": "data2vec_vision."}[class[8:9]]
		source := filepath.Join(root, "..", "..", m.Source)
		if _, err := os.Stat(source); err != nil { // a set without its sources: its formats must agree with each other
			source = filepath.Join(filepath.Dir(path), "sharded_safetensors")
		}
		for format := range m.Formats {
			t.Run(class+"/"+format, func(t *testing.T) {
				tol := map[string]float64{"fp16": 1e-3, "bf16": 8e-3}[format]
				equalWeights(t, mustOpen(t, filepath.Join(filepath.Dir(path), format)), mustOpen(t, source), prefix, cmp.Or(tol, 0))
			})
		}
	}
}

func TestForeignKerasFilesHoldTheTorchWeights(t *testing.T) {
	root := os.Getenv("VECMILL_GOLDEN_DIR")
	files, _ := filepath.Glob(filepath.Join(root, "TF*", "*", TensorFlowFile))
	if root != "" && len(files) == 0 {
		t.Logf("%s holds no Keras files", root)
	}
	for _, f := range files {
		t.Run(filepath.Base(filepath.Dir(f)), func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(f), "manifest.json"))
			if err != nil {
				t.Fatal(err)
			}
			var m struct {
				Source string `json:"source_pt_case"`
			}
			if err := json.Unmarshal(b, &m); err != nil {
				t.Fatal(err)
			}
			want := mustOpen(t, filepath.Join(root, "..", m.Source))
			equalWeights(t, mustOpen(t, filepath.Dir(f)), want, "data2vec_vision.", 0)
			equalWeights(t, mustOpen(t, safetensorsOf(t, f)), want, "data2vec_vision.", 0)
		})
	}
}

// safetensorsOf is a directory with the weights of a Keras file as TensorFlow's classes save them to safetensors.
func safetensorsOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []stored
	err = eachKerasWeight(b, func(name string, d *hdf5.Dataset) error {
		all = append(all, stored{scoped(name), kerasTypes[d.Kind], d.Shape, d.Raw})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, SingleFile, encodeFor(t, "tf", all...))
	return dir
}

// The names are those of one reader, the file's mark decides whether they are Keras': a file of torch may have any.
func TestOnlyMarkedSafetensorsAreTensorFlows(t *testing.T) {
	kernel := f32("scope/dense/kernel:0", []int{1, 2}, 1, 2)
	for mark, want := range map[string]string{"tf": "scope.dense.weight", "pt": kernel.name, "": kernel.name} {
		dir := t.TempDir()
		write(t, dir, SingleFile, encodeFor(t, mark, kernel))
		c := mustOpen(t, dir)
		x, ok := c.Tensor(want)
		if !ok || (mark == "tf") != slices.Equal(x.Shape, []int{2, 1}) || (mark == "tf") != (c.Format() == TensorFlow) {
			t.Errorf("marked %q: %v of shape %v, format %s", mark, c.Names(), x.Shape, c.Format())
		}
		if f, err := FormatOf(dir); err != nil || f != c.Format() {
			t.Errorf("marked %q: format %s before and %s after it is open, %v", mark, f, c.Format(), err)
		}
		plain, err := OpenFile(filepath.Join(dir, SingleFile))
		if err != nil {
			t.Fatal(err)
		}
		if names := plain.Names(); !slices.Equal(names, []string{kernel.name}) {
			t.Errorf("as a file that is no checkpoint it has %v", names)
		}
		if err := plain.Close(); err != nil {
			t.Error(err)
		}
	}
	dir := t.TempDir()
	write(t, dir, SingleFile, encodeFor(t, "tf", kernel, f32("scope/dense/embeddings:0", []int{1}, 1)))
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "are both scope.dense.weight") {
		t.Errorf("two weights of one name: %v", err)
	}
}

// The fixtures are those of tools/golden/formats.py: torch and h5py wrote them.
func TestEveryFormatHoldsTheSameWeights(t *testing.T) {
	const dir = "testdata/formats"
	for format, source := range map[string]string{
		"bin_zip": "expected", "bin_zip_protocol4": "expected", "bin_legacy": "expected", "bin_sharded": "expected",
		"keras": "expected_keras", "keras_variable": "expected_keras", "keras_split": "expected_keras", "keras_latest": "expected_keras", "keras_chunked": "expected_keras",
		"keras_latest_chunked": "expected_keras",
		"keras_safetensors":    "expected_keras", "keras_shards": "expected_keras",
		"training": "expected_training", "training_legacy": "expected_training",
	} {
		t.Run(format, func(t *testing.T) {
			got, want := mustOpen(t, filepath.Join(dir, format)), mustOpen(t, filepath.Join(dir, source))
			if !slices.Equal(got.Names(), want.Names()) {
				t.Errorf("weights %v, want %v", got.Names(), want.Names())
			}
			equalWeights(t, got, want, "", 0)
			if f := got.Format(); (f == TensorFlow) != strings.HasPrefix(format, "keras") || f == Safetensors {
				t.Errorf("format %s", f)
			}
			for _, name := range want.Names() {
				sameBytes(t, got, want, name)
			}
		})
	}
}

// sameBytes compares what is written for a weight, or its integers.
func sameBytes(t *testing.T, got, want *Checkpoint, name string) {
	t.Helper()
	g, _ := got.Tensor(name)
	w, _ := want.Tensor(name)
	if w.floating() != nil {
		a, err := g.Int64()
		b, err2 := w.Int64()
		if err != nil || err2 != nil || !slices.Equal(a, b) {
			t.Errorf("%s reads %v, want %v: %v, %v", name, a, b, err, err2)
		}
		return
	}
	var a, b bytes.Buffer
	_, err := g.WriteTo(&a)
	_, err2 := w.WriteTo(&b)
	if err != nil || err2 != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("%s is written as other bytes than its copy: %v, %v", name, err, err2)
	}
}
