package golden_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/model"
	"vecmill/model/onnx"
)

// kernel is a line of testdata/cuda-kernels.txt.
type kernel struct {
	since, from, to int // version of the operator, and those that the kernel is for
	open            bool
	types           []string
}

// finds says whether the runtime takes the kernel for the operator.
func (k *kernel) finds() bool {
	return k.since == k.from || !k.open && k.from <= k.since && k.since <= k.to
}

// kernels are those of the GPU library that is pinned.
func kernels(t *testing.T) map[string]kernel {
	t.Helper()
	raw, err := os.ReadFile("testdata/cuda-kernels.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]kernel{}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		switch f[0] {
		case "#":
			continue
		case "opset":
			if f[1] != fmt.Sprint(onnx.Opset) {
				t.Fatalf("the table is of opset %s, and graphs of %d: write it anew", f[1], onnx.Opset)
			}
			continue
		}
		k := kernel{types: f[3:]}
		from, to, closed := strings.Cut(strings.TrimSuffix(f[2], "+"), "-")
		k.open = !closed
		if _, err := fmt.Sscan(strings.Join([]string{f[1], from, max(to, "0")}, " "), &k.since, &k.from, &k.to); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[f[0]] = k
	}
	return all
}

// Every operator of every graph that a GPU may get has a kernel of CUDA: one without is computed on the processor, in the middle of the model. It proves nothing
// about what the runtime makes of a graph before it places the operators.
func TestEveryOperatorHasAKernelOnGPUs(t *testing.T) {
	table := kernels(t)
	seen := map[string]bool{}
	check := func(t *testing.T, raw []byte) {
		t.Helper()
		for _, n := range read(t, raw).nodes {
			k, known := table[n.op]
			seen[n.op] = true
			if !known || !k.finds() || !slices.Contains(k.types, n.typ.String()) {
				t.Errorf("%s of %s: %+v", n.op, n.typ, k)
			}
		}
	}
	for _, c := range cases(t) {
		t.Run(c.Class+"/"+filepath.Base(c.Dir), func(t *testing.T) {
			spec := open(t, c.Dir)
			ways := []model.CompileOptions{{}, {HeadOnly: true}}
			if spec.Packs() == nil {
				ways = append(ways, model.CompileOptions{Packed: true})
			}
			for _, r := range c.Runs {
				if _, o, err := r.Compatible(spec.Modality); err == nil {
					ways = append(ways, o)
				}
			}
			for _, o := range ways {
				o.Whole = true // as all graphs on devices
				for _, o.Precision = range []model.Precision{model.Single, model.Half} {
					g, err := spec.Compile(t.Context(), t.TempDir(), o)
					if err != nil {
						t.Fatal(err)
					}
					raw, err := os.ReadFile(g.Path)
					if err != nil {
						t.Fatal(err)
					}
					check(t, raw)
				}
			}
		})
	}
	for _, name := range []string{"gelu", "gelu_new", "gelu_10", "quick_gelu", "relu", "relu2", "relu6", "leaky_relu", "silu", "mish", "laplace", "sigmoid", "tanh", "linear"} {
		b := onnx.NewBuilder(name)
		y, err := b.Activation(name, b.Input("x", onnx.Float32, onnx.Dyn("n")))
		if err != nil {
			t.Fatal(err)
		}
		b.Output("y", y, onnx.Float32, onnx.Dyn("n"))
		raw, err := b.Write(&bytes.Buffer{}, "none", nil)
		if err != nil {
			t.Fatal(err)
		}
		check(t, raw)
	}
	for op, k := range table {
		if k.finds() && !seen[op] {
			t.Errorf("%s is in no graph", op)
		}
	}
}
