package onnx

// Loop computes body for i = 0, 1, ... times-1, one after the other, and stacks what it gives along a new first axis. i is an int64 without axes, times one or a vector of one element, and body's
// results have one shape. What body reads besides may lie outside of it.
func (b *Builder) Loop(times Value, body func(i Value) Value) Value {
	outside := b.nodes
	b.nodes = nil
	i, more := b.fresh("i"), b.fresh("more")
	y := body(Value{name: i})
	again := b.Op("Identity", []Value{{name: more}})
	nodes := b.nodes
	b.nodes = outside

	g := appendNodes(nil, b.fresh("body"), nodes)
	for _, p := range []Port{{i, Int64, nil}, {more, Bool, nil}} {
		g = appendBytes(g, graphInput, p.encode())
	}
	g = appendBytes(g, graphOutput, (&Port{again.name, Bool, nil}).encode())
	g = appendBytes(g, graphOutput, shapeless(y))
	out := Value{b.fresh("Loop"), y.half}
	b.node("Loop", []Value{times, {}}, []string{out.name}, graphAttr("body", g))
	return out
}

// shapeless describes a value whose shape the runtime finds out.
func shapeless(v Value) []byte {
	t := Float32
	if v.half {
		t = Float16
	}
	m := appendString(nil, valueInfoName, v.name)
	return appendBytes(m, valueInfoType, appendBytes(nil, typeTensor, appendInt(nil, tensorElem, int64(t))))
}

func graphAttr(name string, g []byte) Attr {
	m := appendBytes(appendString(nil, attrName, name), attrGraph, g)
	return Attr{appendInt(m, attrType, typeGraph)}
}
