//go:build integration

package bench

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"vecmill/model"
	weightfile "vecmill/model/checkpoint"
	"vecmill/schemas"
)

var python = flag.String("structures", "", "make testdata/exports anew by this Python, which has tools/exports/requirements.txt")

const weightsFile = "model.safetensors"

// graphGate is a model whose graph must not fall behind torch's export of it.
type graphGate struct {
	name   string
	setup  setup
	layers int
	least  float64 // torch's CPU time over ours
}

func graphGates() []graphGate {
	return []graphGate{
		{"text", textSetup(24), 2, 0.85},
		{"audio", audioSetup(2), 2, 1},
		{"images", imageSetup(2), 2, 0.9},
	}
}

// TestGraphsHold is TestRatiosHold's gate for our graphs: the bare session of torch's export over that of ours, CPU time in turns on the same few batches. Torch is not there: its exports are committed without their weights, which
// are the checkpoint's, and must give what our graphs give. Smaller models than those of make bench-graphs, which has torch itself; the bounds are below what a busy machine gave.
func TestGraphsHold(t *testing.T) {
	for _, g := range graphGates() {
		t.Run(g.name, func(t *testing.T) {
			dir, items := checkpoint(t, demoModels(t), g.setup.modality, g.layers), corpus(t, g.setup.modality, 1, g.setup.items)
			ours := openBare(t, dir, t.TempDir(), model.Single, g.setup, items)
			theirs := openBare(t, exported(t, dir, g.setup.modality), "", model.Single, g.setup, items)
			alike(t, ours, theirs, 1e-4) // and the first runs, which are slower
			if t.Failed() {
				return
			}
			reach(t, "torch's export over our graph", g.least, func(string) float64 { return contest(t, 6, theirs.run, ours.run) })
		})
	}
}

// structures is where torch's exports of the gate's models lie, without their weights, each with the config.json that it was made of.
func structures(m schemas.Modality) string { return filepath.Join("testdata", "exports", string(m)) }

// recipe is weights.json of tools/exports/structure.py: what is in the file of weights that a structure takes.
type recipe struct {
	File    string
	Weights []struct {
		Tensor string // of the checkpoint
		Shape  []int  // there
		Rows   [2]int // the first that is taken, and the end
		Axes   []int  // in which order the export has them
		At     int64  // byte in the file
	}
}

// TestStructuresAreOfTheGatesModels wants torch's exports to be of the configurations that the gate has; with -structures they are made first.
func TestStructuresAreOfTheGatesModels(t *testing.T) {
	for _, g := range graphGates() {
		t.Run(g.name, func(t *testing.T) {
			dir := structures(g.setup.modality)
			want := configuration(t, g.setup.modality, g.layers)
			if *python != "" {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, "config.json"), want)
				if said, err := exec.CommandContext(t.Context(), *python, "-B", "../../tools/exports/structure.py", dir).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
			}
			got, err := os.ReadFile(filepath.Join(dir, "config.json"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("exported was %s, %v, and the gate has %s: make export-structures", got, err, want)
			}
		})
	}
}

// exported makes a directory like that of a checkpoint, with torch's export of it in place of the weights.
func exported(tb testing.TB, dir string, m schemas.Modality) string {
	tb.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	out := tb.TempDir()
	for _, f := range files {
		if f.Name() != weightsFile {
			copyFiles(tb, dir, out, f.Name())
		}
	}
	packed, err := os.Open(filepath.Join(structures(m), "model.onnx.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = packed.Close() }() // it was read
	r, err := gzip.NewReader(packed)
	if err != nil {
		tb.Fatal(err)
	}
	graph, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	write(tb, filepath.Join(out, "model.onnx"), graph)
	told, err := os.ReadFile(filepath.Join(structures(m), "weights.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var weights recipe
	if err := json.Unmarshal(told, &weights); err != nil {
		tb.Fatal(err)
	}
	weights.follow(tb, filepath.Join(dir, weightsFile), out)
	return out
}

// follow writes the file of weights into a directory, out of a checkpoint's.
func (r *recipe) follow(tb testing.TB, from, dir string) {
	tb.Helper()
	ck, err := weightfile.OpenFile(from)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = ck.Close() }() // it was read
	f, err := os.Create(filepath.Join(dir, r.File))
	if err != nil {
		tb.Fatal(err)
	}
	for _, w := range r.Weights {
		stored, ok := ck.Tensor(w.Tensor)
		if !ok || !slices.Equal(stored.Shape, w.Shape) {
			tb.Fatalf("the export takes %s of shape %v, which is not in the checkpoint: make export-structures", w.Tensor, w.Shape)
		}
		values, err := stored.Float32()
		if err != nil {
			tb.Fatal(err)
		}
		row := len(values) / w.Shape[0]
		shape := append([]int{w.Rows[1] - w.Rows[0]}, w.Shape[1:]...)
		if _, err := f.WriteAt(littleEndian(transposed(values[w.Rows[0]*row:w.Rows[1]*row], shape, w.Axes)), w.At); err != nil {
			tb.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
}

// transposed are a tensor's values with its axes in another order, as numpy's transpose has them.
func transposed(values []float32, shape, axes []int) []float32 {
	if slices.IsSorted(axes) {
		return values
	}
	strides := make([]int, len(shape))
	for i, n := len(shape)-1, 1; i >= 0; i-- {
		strides[i], n = n, n*shape[i]
	}
	out := make([]float32, 0, len(values))
	var along func(axis, at int)
	along = func(axis, at int) {
		if axis == len(axes) {
			out = append(out, values[at])
			return
		}
		for range shape[axes[axis]] {
			along(axis+1, at)
			at += strides[axes[axis]]
		}
	}
	along(0, 0)
	return out
}

func TestTransposedIsNumpysTranspose(t *testing.T) {
	all := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	for _, c := range []struct {
		shape, axes []int
		want        []float32
	}{
		{[]int{3, 4}, []int{0, 1}, all},
		{[]int{3, 4}, []int{1, 0}, []float32{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}},
		{[]int{2, 3, 2}, []int{2, 0, 1}, []float32{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}},
	} {
		if got := transposed(all, c.shape, c.axes); !slices.Equal(got, c.want) {
			t.Errorf("%v in order %v: %v, want %v", c.shape, c.axes, got, c.want)
		}
	}
}

func littleEndian(values []float32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// alike wants two sessions to give the same for the same samples, but for a share of the largest value. What is given for padding does not count.
func alike(t *testing.T, x, y *bare, share float64) {
	t.Helper()
	for i := range x.batches {
		p, err := x.session.Run(t.Context(), x.batches[i])
		if err != nil {
			t.Fatal(err)
		}
		q, err := y.session.Run(t.Context(), y.batches[i])
		if err != nil {
			t.Fatal(err)
		}
		for k := range p.Tensors {
			a := &p.Tensors[k]
			b, ok := q.Tensor(a.Name)
			if !ok || !slices.Equal(a.Shape, b.Shape) {
				t.Fatalf("%s of shape %v: the other session gives %+v", a.Name, a.Shape, b)
			}
			each, step := len(a.F32)/int(a.Shape[0]), len(a.F32)/int(a.Shape[0]*a.Shape[1])
			largest, worst := 0.0, 0.0
			for j, s := range x.samples[i] {
				for n := j * each; n < j*each+s.Cost*step; n++ {
					largest = max(largest, math.Abs(float64(a.F32[n])))
					worst = max(worst, math.Abs(float64(a.F32[n]-b.F32[n]))) // NaN stays
				}
			}
			t.Logf("%s of batch %d, %v: values to %.3g, largest difference %.2g", a.Name, i, a.Shape, largest, worst)
			if !(worst <= share*largest) {
				t.Errorf("%s of batch %d differs by %g where values reach %g", a.Name, i, worst, largest)
			}
		}
	}
}
