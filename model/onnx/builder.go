package onnx

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Opset is the version of the default operator set that the graphs import; IRVersion the file format's.
const (
	Opset     = 20
	IRVersion = 9
)

// Type is the element type of a tensor.
type Type int

// The element types, with ONNX's numbers.
const (
	Float32 Type = 1
	Uint8   Type = 2
	Int8    Type = 3
	Int64   Type = 7
	Bool    Type = 9
	Float16 Type = 10
)

// String is the type's name in model.Port.
func (t Type) String() string {
	switch t {
	case Float32:
		return "float32"
	case Uint8:
		return "uint8"
	case Int8:
		return "int8"
	case Int64:
		return "int64"
	case Bool:
		return "bool"
	case Float16:
		return "float16"
	case 6:
		return "int32"
	case 11:
		return "float64"
	}
	return "type " + strconv.Itoa(int(t))
}

// Value names a tensor of the graph. The zero Value is an absent optional input.
type Value struct {
	name string
	half bool
}

// Half says whether the value is float16. Operators give what they take, but for [Builder.Cast] and those that compare.
func (v Value) Half() bool { return v.half }

// Dim is one axis of an input or output: a number, or a name where it is dynamic.
type Dim struct {
	Name string // dynamic if not empty
	N    int    // elements; of a fixed axis alone
}

// Dyn is a dynamic axis.
func Dyn(name string) Dim { return Dim{Name: name} }

// Fixed is an axis of n elements.
func Fixed(n int) Dim { return Dim{N: n} }

// Port is one input or output of a model.
type Port struct {
	Name string // unique among the model's inputs and outputs
	Type Type   // of its elements
	Dims []Dim  // none of a scalar
}

// Builder collects a graph. Methods that compute return the new Value; nothing is evaluated. It is not safe for concurrent use.
type Builder struct {
	name    string
	scope   string
	next    int
	nodes   [][]byte
	inputs  []Port
	outputs []Port
	runtime bool     // a node is of the runtime's own domain
	inline  [][]byte // small initializers, encoded
	weights []weight
	consts  map[string]Value // small constants by content
}

type weight struct {
	name  string
	typ   Type // Float32, Float16 or Int8
	shape []int
	parts []io.WriterTo
}

// NewBuilder begins an empty graph.
func NewBuilder(name string) *Builder { return &Builder{name: name, consts: map[string]Value{}} }

// Scope names the part of the model that the following nodes belong to: it prefixes their names, which is what profilers and
// error messages of the runtime show.
func (b *Builder) Scope(name string) { b.scope = name }

// Input declares a graph input.
func (b *Builder) Input(name string, t Type, dims ...Dim) Value {
	b.inputs = append(b.inputs, Port{name, t, dims})
	return Value{name: name, half: t == Float16}
}

// Output declares v as a graph output under a name. A value in half precision is widened if t is Float32.
func (b *Builder) Output(name string, v Value, t Type, dims ...Dim) {
	if v.half && t == Float32 {
		b.node("Cast", []Value{v}, []string{name}, castTo(t))
	} else {
		b.node("Identity", []Value{v}, []string{name})
	}
	b.outputs = append(b.outputs, Port{name, t, dims})
}

// Inputs are the declared inputs, in order.
func (b *Builder) Inputs() []Port { return b.inputs }

// Outputs are the declared outputs, in order.
func (b *Builder) Outputs() []Port { return b.outputs }

// Weight is a float32 initializer in the data file. The parts are written one behind the other and must fill the shape.
func (b *Builder) Weight(name string, shape []int, parts ...io.WriterTo) Value {
	b.weights = append(b.weights, weight{name, Float32, shape, parts})
	return Value{name: name}
}

// HalfWeight is a float16 initializer in the data file, which part writes.
func (b *Builder) HalfWeight(name string, shape []int, part io.WriterTo) Value {
	b.weights = append(b.weights, weight{name, Float16, shape, []io.WriterTo{part}})
	return Value{name, true}
}

// Int8Weight is an int8 initializer in the data file, which part writes.
func (b *Builder) Int8Weight(name string, shape []int, part io.WriterTo) Value {
	b.weights = append(b.weights, weight{name, Int8, shape, []io.WriterTo{part}})
	return Value{name: name}
}

// inlineLimit is the size in bytes up to which a constant goes into the model file itself.
const inlineLimit = 1024

// Floats is a float32 constant of the given shape; large ones go to the data file.
func (b *Builder) Floats(shape []int, values []float32) Value {
	if 4*len(values) > inlineLimit {
		return b.Weight(b.fresh("const"), shape, FloatData(values))
	}
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return b.constant(Float32, shape, raw)
}

// Scalar is a float32 constant without axes.
func (b *Builder) Scalar(v float32) Value { return b.Floats(nil, []float32{v}) }

// Ints is an int64 constant vector.
func (b *Builder) Ints(values ...int) Value { return b.ints([]int{len(values)}, values) }

// Int is an int64 constant without axes.
func (b *Builder) Int(v int) Value { return b.ints(nil, []int{v}) }

func (b *Builder) ints(shape, values []int) Value {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return b.constant(Int64, shape, raw)
}

func (b *Builder) constant(t Type, shape []int, raw []byte) Value {
	key := fmt.Sprintf("%d %v %x", t, shape, raw)
	if v, ok := b.consts[key]; ok {
		return v
	}
	v := Value{name: b.fresh("const")}
	m := appendTensorHead(nil, v.name, t, shape)
	b.inline = append(b.inline, appendBytes(m, tensorRaw, raw))
	b.consts[key] = v
	return v
}

func appendTensorHead(m []byte, name string, t Type, shape []int) []byte {
	for _, d := range shape {
		m = appendInt(m, tensorDims, int64(d))
	}
	m = appendInt(m, tensorDataType, int64(t))
	return appendString(m, tensorName, name)
}

func (b *Builder) fresh(what string) string {
	b.next++
	if b.scope == "" {
		return what + "." + strconv.Itoa(b.next)
	}
	return b.scope + "/" + what + "." + strconv.Itoa(b.next)
}

// Attr is an attribute of a node.
type Attr struct{ encoded []byte }

// Attribute types of onnx.proto.
const (
	typeFloat  = 1
	typeInt    = 2
	typeString = 3
	typeGraph  = 5
	typeInts   = 7
)

// IntAttr is an integer attribute.
func IntAttr(name string, v int) Attr {
	m := appendInt(appendString(nil, attrName, name), attrInt, int64(v))
	return Attr{appendInt(m, attrType, typeInt)}
}

// FloatAttr is a float attribute.
func FloatAttr(name string, v float64) Attr {
	m := appendFloat(appendString(nil, attrName, name), attrFloat, float32(v))
	return Attr{appendInt(m, attrType, typeFloat)}
}

// StringAttr is a string attribute.
func StringAttr(name, v string) Attr {
	m := appendString(appendString(nil, attrName, name), attrString, v)
	return Attr{appendInt(m, attrType, typeString)}
}

// IntsAttr is an attribute that lists integers.
func IntsAttr(name string, v ...int) Attr {
	m := appendString(nil, attrName, name)
	for _, i := range v {
		m = appendInt(m, attrInts, int64(i))
	}
	return Attr{appendInt(m, attrType, typeInts)}
}

// Op adds a node of any operator of the default domain with one output.
func (b *Builder) Op(op string, inputs []Value, attrs ...Attr) Value {
	out := b.fresh(op)
	b.node(op, inputs, []string{out}, attrs...)
	return Value{out, halved(op, inputs)}
}

// Ops adds a node with n outputs.
func (b *Builder) Ops(op string, n int, inputs []Value, attrs ...Attr) []Value {
	names, values := make([]string, n), make([]Value, n)
	for i := range names {
		names[i] = b.fresh(op)
		values[i] = Value{names[i], halved(op, inputs)}
	}
	b.node(op, inputs, names, attrs...)
	return values
}

// runtimeDomain is the domain of ONNX Runtime's own operators, which fuse several of the standard ones; runtimeVersion is its only version.
const (
	runtimeDomain  = "com.microsoft"
	runtimeVersion = 1
)

// fused adds a node of one of the runtime's own operators with one output.
func (b *Builder) fused(op string, inputs []Value, attrs ...Attr) Value {
	out := b.fresh(op)
	b.runtime = true
	b.add(runtimeDomain, op, inputs, []string{out}, attrs...)
	return Value{out, halved(op, inputs)}
}

// halved says whether an operator gives half precision: it does if it takes any, unless its result has a type of its own.
func halved(op string, inputs []Value) bool {
	switch op {
	case "Shape", "Cast", "Less":
		return false
	}
	return slices.ContainsFunc(inputs, Value.Half)
}

func (b *Builder) node(op string, inputs []Value, outputs []string, attrs ...Attr) {
	b.add("", op, inputs, outputs, attrs...)
}

func (b *Builder) add(domain, op string, inputs []Value, outputs []string, attrs ...Attr) {
	var m []byte
	if domain != "" {
		m = appendString(m, nodeDomain, domain)
	}
	for _, v := range inputs {
		m = appendString(m, nodeInput, v.name)
	}
	for _, o := range outputs {
		m = appendString(m, nodeOutput, o)
	}
	m = appendString(m, nodeName, b.fresh(op))
	m = appendString(m, nodeOpType, op)
	for _, a := range attrs {
		m = appendBytes(m, nodeAttribute, a.encoded)
	}
	b.nodes = append(b.nodes, m)
}
