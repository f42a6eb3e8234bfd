package golden_test

import (
	"encoding/binary"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"vecmill/model/onnx"
)

// network is an encoded graph.
type network struct {
	inputs []onnx.Port
	nodes  []node
	dims   map[string][]int // of weights and constants
	whole  map[string][]int // values of constants that are whole numbers
}

// node is an operator of a graph, with the type of its data.
type node struct {
	op      string // behind its domain, if that is not ONNX's own
	typ     onnx.Type
	in, out []string
	numbers map[string][]int // attributes
}

// read reads an encoded model. The numbers are those of onnx.proto.
func read(t *testing.T, raw []byte) *network {
	t.Helper()
	d, err := onnx.Describe(raw)
	if err != nil {
		t.Fatal(err)
	}
	g := &network{inputs: d.Inputs, dims: map[string][]int{}, whole: map[string][]int{}}
	types := map[string]onnx.Type{}
	for _, p := range d.Inputs {
		types[p.Name] = p.Type
	}
	fields(t, raw, func(n protowire.Number, m []byte, _ uint64) {
		if n != 7 { // graph
			return
		}
		fields(t, m, func(n protowire.Number, m []byte, _ uint64) {
			switch n {
			case 1:
				g.nodes = append(g.nodes, nodeOf(t, m))
			case 5:
				name, typ := g.initializer(t, m)
				types[name] = typ
			}
		})
	})
	for i := range g.nodes {
		g.nodes[i].infer(types)
	}
	return g
}

func (g *network) initializer(t *testing.T, m []byte) (name string, typ onnx.Type) {
	t.Helper()
	var dims []int
	var raw []byte
	fields(t, m, func(n protowire.Number, m []byte, v uint64) {
		switch n {
		case 1:
			dims = append(dims, int(v))
		case 2:
			typ = onnx.Type(v)
		case 8:
			name = string(m)
		case 9:
			raw = m
		}
	})
	g.dims[name] = dims
	if typ == onnx.Int64 {
		for ; len(raw) > 0; raw = raw[8:] {
			g.whole[name] = append(g.whole[name], int(int64(binary.LittleEndian.Uint64(raw))))
		}
	}
	return name, typ
}

// infer says of what type the node's data is, and tells that of its outputs.
func (n *node) infer(types map[string]onnx.Type) {
	data := n.in[0]
	if n.op == "Where" {
		data = n.in[1]
	}
	n.typ = types[data]
	gives := n.typ
	switch n.op {
	case "Cast":
		gives = onnx.Type(n.numbers["to"][0])
	case "Shape":
		gives = onnx.Int64
	case "Less", "Equal", "Or", "Not":
		gives = onnx.Bool
	}
	for _, out := range n.out {
		types[out] = gives
	}
}

func nodeOf(t *testing.T, m []byte) node {
	t.Helper()
	out, domain := node{numbers: map[string][]int{}}, ""
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
			var values []int
			fields(t, m, func(n protowire.Number, m []byte, v uint64) {
				switch n {
				case 1:
					name = string(m)
				case 3, 8: // one, or several
					values = append(values, int(v))
				}
			})
			out.numbers[name] = values
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
