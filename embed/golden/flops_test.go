package golden_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/model"
)

// What a picture is said to take is what its graph multiplies, but for products with constant matrices: resizing and pooling are none of the model's.
func TestFLOPsOfPicturesAreThoseOfTheirGraphs(t *testing.T) {
	for _, c := range cases(t) {
		if !strings.Contains(c.Class, "Vision") {
			continue
		}
		t.Run(c.Class+"/"+filepath.Base(c.Dir), func(t *testing.T) {
			spec := open(t, c.Dir)
			g, err := spec.Compile(t.Context(), t.TempDir(), model.CompileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(g.Path)
			if err != nil {
				t.Fatal(err)
			}
			grid := spec.Vision.Grid(spec.Vision.ImageSize)
			got, want := spec.FLOPs(1+grid.H*grid.W), float64(read(t, raw).flops(t))
			if strings.Contains(c.Class, "Classification") {
				want -= 2 * float64(spec.Vision.HiddenSize*len(spec.Labels)) // once an item
			}
			if got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// flops counts the multiplications and additions of products and convolutions for one item of a graph of fixed shapes.
func (g *network) flops(t *testing.T) (total int) {
	t.Helper()
	dims, constant := g.dims, map[string]bool{}
	for name := range dims {
		constant[name] = strings.Contains(name, "const.")
	}
	for _, p := range g.inputs {
		d := []int{1}
		for _, axis := range p.Dims[1:] {
			d = append(d, axis.N)
		}
		dims[p.Name] = d
	}
	for _, n := range g.nodes {
		x := dims[n.in[0]]
		out := slices.Clone(x)
		switch n.op {
		case "Conv":
			w := dims[n.in[1]]
			out[1] = w[0]
			pads := append(n.numbers["pads"], 0, 0, 0, 0)
			for i, k := range n.numbers["kernel_shape"] {
				out[2+i] = (x[2+i]+2*pads[i]-k)/n.numbers["strides"][i] + 1
			}
			total += 2 * product(out) * product(w[1:])
		case "ConvTranspose":
			w := dims[n.in[1]]
			out[1], out[2], out[3] = w[1], 2*x[2], 2*x[3]
			total += 2 * product(x) * product(w[1:])
		case "MaxPool":
			out[2], out[3] = x[2]/2, x[3]/2
		case "MatMul", "com.microsoft.FusedMatMul":
			y := slices.Clone(dims[n.in[1]])
			if n.numbers["transB"] != nil {
				slices.Reverse(y[len(y)-2:])
			}
			if len(y) > len(x) {
				out = slices.Clone(y)
			}
			out[len(out)-2], out[len(out)-1] = x[len(x)-2], y[len(y)-1]
			if !constant[n.in[0]] && !constant[n.in[1]] {
				total += 2 * product(out) * x[len(x)-1]
			}
		case "Shape":
			out = []int{1}
			g.whole[n.out[0]] = x[n.numbers["start"][0]:n.numbers["end"][0]]
		case "Reshape":
			out = reshaped(x, g.whole[n.in[1]])
		case "Expand":
			out = g.whole[n.in[1]]
		case "Transpose":
			for i, from := range n.numbers["perm"] {
				out[i] = x[from]
			}
		case "Slice":
			axis := g.whole[n.in[3]][0]
			out[axis] = min(g.whole[n.in[2]][0], x[axis]) - g.whole[n.in[1]][0]
		case "Concat":
			axis := n.numbers["axis"][0]
			out[axis] = 0
			for _, in := range n.in {
				out[axis] += dims[in][axis]
				g.whole[n.out[0]] = append(g.whole[n.out[0]], g.whole[in]...)
			}
		case "ReduceSum", "ReduceMean":
			axis := g.whole[n.in[1]][0]
			out = slices.Delete(out, axis, axis+1)
		case "Gather":
			axis := n.numbers["axis"][0]
			out = slices.Delete(out, axis, axis+1)
		case "Add":
			if y := dims[n.in[1]]; product(y) > product(x) {
				out = slices.Clone(y)
			}
		case "Gelu", "Relu", "PRelu", "Softmax", "LayerNormalization", "Identity", "Mul", "Sigmoid":
		default:
			t.Fatalf("%s: its shape is not known here", n.op)
		}
		dims[n.out[0]] = out
	}
	return total
}

// reshaped is the shape that x gets by to, in which 0 keeps an axis and -1 is what is left.
func reshaped(x, to []int) []int {
	out, left := slices.Clone(to), product(x)
	for i, d := range to {
		if d == 0 {
			out[i] = x[i]
		}
		if d >= 0 {
			left /= out[i]
		}
	}
	if i := slices.Index(out, -1); i >= 0 {
		out[i] = left
	}
	return out
}

func product(x []int) int {
	p := 1
	for _, v := range x {
		p *= v
	}
	return p
}
