package exported_test

import (
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
	"vecmill/model/checkpoint"
	"vecmill/model/graph"
)

const fixtures = "testdata"

// Every class of torch has its export, and each gives torch's numbers.
func TestExportsOfEveryClassGiveTorchsNumbers(t *testing.T) {
	for _, class := range graph.Classes() {
		if strings.HasPrefix(class, "TF") { // TensorFlow's are not exported: their weights are read as they are
			continue
		}
		found, err := filepath.Glob(filepath.Join(fixtures, class, "*", "model.onnx"))
		if err != nil || len(found) == 0 {
			t.Errorf("%s has no export: %v", class, err)
		}
		for _, path := range found {
			dir := filepath.Dir(path)
			t.Run(class+"/"+filepath.Base(dir), func(t *testing.T) {
				s := open(t, dir)
				inputs, want := readCase(t, dir)
				out, err := s.Run(t.Context(), inputs)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range slices.Sorted(maps.Keys(want)) {
					got, ok := out.Tensor(name)
					if !ok {
						t.Fatalf("no output %s", name)
					}
					compare(t, name, got, want[name], 1e-5)
				}
			})
		}
	}
}

// open compiles or describes a model and loads it, on one thread.
func open(tb testing.TB, dir string) *ortsession.Session {
	tb.Helper()
	spec, err := model.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	g, err := spec.Compile(tb.Context(), tb.TempDir(), model.CompileOptions{HeadOnly: !strings.HasSuffix(spec.Class, "Model")}) // as exports are
	if err != nil {
		tb.Fatal(err)
	}
	s, err := ortsession.Open(tb.Context(), *g, ortsession.Options{Threads: 1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// readCase is what torch was fed and what it gave, by name.
func readCase(tb testing.TB, dir string) (inputs []embed.Tensor, want map[string]embed.Tensor) {
	tb.Helper()
	ck, err := checkpoint.OpenFile(filepath.Join(dir, "expected.safetensors"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := ck.Close(); err != nil {
			tb.Error(err)
		}
	}()
	want = map[string]embed.Tensor{}
	for _, key := range ck.Names() {
		stored, _ := ck.Tensor(key)
		x := embed.Tensor{}
		for _, d := range stored.Shape {
			x.Shape = append(x.Shape, int64(d))
		}
		if stored.DType == checkpoint.F32 {
			x.F32, err = stored.Float32()
		} else {
			x.I64, err = stored.Int64()
		}
		if err != nil {
			tb.Fatal(err)
		}
		name, output := strings.CutPrefix(key, "expected.")
		if x.Name = name; output {
			want[name] = x
		} else {
			inputs = append(inputs, x)
		}
	}
	return inputs, want
}

// lengths says that every row of a batch of sounds is as long as the batch.
func lengths(values embed.Tensor) embed.Tensor {
	all := slices.Repeat([]int64{values.Shape[1]}, int(values.Shape[0]))
	return embed.Tensor{Name: "lengths", Shape: values.Shape[:1], I64: all}
}

// compare allows a difference of so much of the largest value.
func compare(tb testing.TB, name string, got *embed.Tensor, want embed.Tensor, share float64) {
	tb.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		tb.Fatalf("%s has shape %v, want %v", name, got.Shape, want.Shape)
	}
	largest, worst := 0.0, 0.0
	for i, w := range want.F32 {
		largest = math.Max(largest, math.Abs(float64(w)))
		if d := math.Abs(float64(got.F32[i] - w)); !(d <= worst) {
			worst = d
		}
	}
	if !(worst <= share*math.Max(largest, 1)) {
		tb.Errorf("%s differs by %g where values reach %g", name, worst, largest)
	}
}
