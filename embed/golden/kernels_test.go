package golden_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

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
		switch {
		case f[0] == "#":
			continue
		case f[0] == "opset":
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
		for _, n := range nodesOf(t, raw) {
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

// node is an operator of a graph, with the type of its data.
type node struct {
	op      string // behind its domain, if that is not ONNX's own
	typ     onnx.Type
	in, out []string
	to      onnx.Type // of Cast
}

// nodesOf reads the operators of an encoded model, and what types they take. The numbers are those of onnx.proto.
func nodesOf(t *testing.T, raw []byte) []node {
	t.Helper()
	types := map[string]onnx.Type{}
	d, err := onnx.Describe(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Inputs {
		types[p.Name] = p.Type
	}
	var nodes []node
	fields(t, raw, func(n protowire.Number, m []byte, _ uint64) {
		if n != 7 { // graph
			return
		}
		fields(t, m, func(n protowire.Number, m []byte, _ uint64) {
			switch n {
			case 1:
				nodes = append(nodes, nodeOf(t, m))
			case 5: // initializer
				var name string
				var typ onnx.Type
				fields(t, m, func(n protowire.Number, m []byte, v uint64) {
					switch n {
					case 2:
						typ = onnx.Type(v)
					case 8:
						name = string(m)
					}
				})
				types[name] = typ
			}
		})
	})
	for i := range nodes {
		n := &nodes[i]
		data := n.in[0]
		if n.op == "Where" {
			data = n.in[1]
		}
		n.typ = types[data]
		gives := n.typ
		switch n.op {
		case "Cast":
			gives = n.to
		case "Shape":
			gives = onnx.Int64
		case "Less", "Equal", "Or", "Not":
			gives = onnx.Bool
		}
		for _, out := range n.out {
			types[out] = gives
		}
	}
	return nodes
}

func nodeOf(t *testing.T, m []byte) (out node) {
	t.Helper()
	domain := ""
	fields(t, m, func(n protowire.Number, m []byte, _ uint64) {
		switch n {
		case 1:
			out.in = append(out.in, string(m))
		case 2:
			out.out = append(out.out, string(m))
		case 4:
			out.op = string(m)
		case 5:
			var name string
			var value uint64
			fields(t, m, func(n protowire.Number, m []byte, v uint64) {
				switch n {
				case 1:
					name = string(m)
				case 3:
					value = v
				}
			})
			if name == "to" {
				out.to = onnx.Type(value)
			}
		case 7:
			domain = string(m) + "."
		}
	})
	out.op = domain + out.op
	return out
}

// fields hands out the fields of a message: those of bytes as they are, and those of numbers.
func fields(t *testing.T, raw []byte, with func(n protowire.Number, m []byte, v uint64)) {
	t.Helper()
	for len(raw) > 0 {
		n, typ, head := protowire.ConsumeTag(raw)
		if head < 0 {
			t.Fatal(protowire.ParseError(head))
		}
		var m []byte
		var v uint64
		size := 0
		switch raw = raw[head:]; typ {
		case protowire.BytesType:
			m, size = protowire.ConsumeBytes(raw)
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(raw)
		default:
			size = protowire.ConsumeFieldValue(n, typ, raw)
		}
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		with(n, m, v)
		raw = raw[size:]
	}
}
