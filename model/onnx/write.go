package onnx

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"

	"vecmill/model/float16"
)

// alignment of each weight in the data file, in bytes: a cache line, as the runtime's kernels like it.
const alignment = 64

// FloatData is float32 values as a part of a weight.
type FloatData []float32

// WriteTo writes the values little-endian. It implements io.WriterTo.
func (d FloatData) WriteTo(w io.Writer) (int64, error) {
	const chunk = 16 << 10
	buf := make([]byte, 0, 4*min(chunk, len(d)))
	var total int64
	for len(d) > 0 {
		n := min(chunk, len(d))
		buf = buf[:0]
		for _, v := range d[:n] {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		k, err := w.Write(buf)
		total += int64(k)
		if err != nil {
			return total, err
		}
		d = d[n:]
	}
	return total, nil
}

// HalfData is values as a part of a weight in half precision, each rounded to the nearest. One that has none is an error.
type HalfData []float32

// WriteTo writes the values little-endian. It implements io.WriterTo.
func (d HalfData) WriteTo(w io.Writer) (int64, error) {
	raw := make([]byte, 0, 2*len(d))
	for i, v := range d {
		if !float16.Fits(float64(v)) {
			return 0, fmt.Errorf("number %d is %g, and half precision ends at %d", i, v, float16.Largest)
		}
		raw = binary.LittleEndian.AppendUint16(raw, float16.Bits(float64(v)))
	}
	n, err := w.Write(raw)
	return int64(n), err
}

// Stored is a part of a weight that some file holds already, byte for byte as WriteTo would write it.
type Stored interface {
	io.WriterTo
	Stored() (file string, at int64, ok bool) // the file's name and the part's first byte in it; ok: there is such a file
}

// Write streams the weights to data and returns the encoded model, which refers to them in a file called location beside its own. A weight
// that is [Stored] is not written if beside, which may be nil, gives its file a name beside the model's: the model then refers to that file.
// An error in the middle leaves data incomplete; the caller throws it away.
func (b *Builder) Write(data io.Writer, location string, beside func(file string) (name string, ok bool)) ([]byte, error) {
	w := &writer{counter{w: bufio.NewWriterSize(data, 64<<10)}, location, beside}
	graph := appendNodes(make([]byte, 0, 1<<16), b.name, b.nodes)
	for _, t := range b.inline {
		graph = appendBytes(graph, graphInitializer, t)
	}
	for _, t := range b.weights {
		m, err := w.weight(&t)
		if err != nil {
			return nil, fmt.Errorf("writing weight %s: %w", t.name, err)
		}
		graph = appendBytes(graph, graphInitializer, m)
	}
	if err := w.w.Flush(); err != nil {
		return nil, fmt.Errorf("writing weights: %w", err)
	}
	for _, p := range b.inputs {
		graph = appendBytes(graph, graphInput, p.encode())
	}
	for _, p := range b.outputs {
		graph = appendBytes(graph, graphOutput, p.encode())
	}
	model := appendInt(nil, modelIRVersion, IRVersion)
	model = appendString(model, modelProducer, "vecmill")
	model = appendBytes(model, modelOpsetImport, appendInt(appendString(nil, opsetDomain, ""), opsetVersion, Opset))
	if b.runtime {
		model = appendBytes(model, modelOpsetImport, appendInt(appendString(nil, opsetDomain, runtimeDomain), opsetVersion, runtimeVersion))
	}
	return appendBytes(model, modelGraph, graph), nil
}

// appendNodes is the beginning of a graph's encoding.
func appendNodes(graph []byte, name string, nodes [][]byte) []byte {
	for _, n := range nodes {
		graph = appendBytes(graph, graphNode, n)
	}
	return appendString(graph, graphName, name)
}

// counter counts what passes to the data file.
type counter struct {
	w *bufio.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// writer places weights.
type writer struct {
	counter
	location string
	beside   func(file string) (name string, ok bool)
}

// weight is the encoded description of a weight, which is written unless it lies beside the model already.
func (w *writer) weight(t *weight) ([]byte, error) {
	size := map[Type]int64{Float32: 4, Float16: 2, Int8: 1}[t.typ]
	for _, d := range t.shape {
		size *= int64(d)
	}
	if name, at, ok := w.stored(t); ok {
		return t.describe(name, at, size), nil
	}
	var zeros [alignment]byte
	if pad := int(-w.n & (alignment - 1)); pad > 0 {
		if _, err := w.Write(zeros[:pad]); err != nil {
			return nil, err
		}
	}
	at := w.n
	for _, p := range t.parts {
		if _, err := p.WriteTo(w); err != nil {
			return nil, err
		}
	}
	if w.n-at != size {
		return nil, fmt.Errorf("%d bytes for shape %v, want %d", w.n-at, t.shape, size)
	}
	return t.describe(w.location, at, size), nil
}

// stored finds a weight in a file beside the model. Floats that begin between two multiples of their size are none for the runtime.
func (w *writer) stored(t *weight) (name string, at int64, ok bool) {
	if w.beside == nil || len(t.parts) != 1 {
		return "", 0, false
	}
	p, ok := t.parts[0].(Stored)
	if !ok {
		return "", 0, false
	}
	file, at, ok := p.Stored()
	if !ok || at%4 != 0 {
		return "", 0, false
	}
	name, ok = w.beside(file)
	return name, at, ok
}

func (t *weight) describe(location string, at, size int64) []byte {
	m := appendTensorHead(nil, t.name, t.typ, t.shape)
	m = appendEntry(m, "location", location)
	m = appendEntry(m, "offset", strconv.FormatInt(at, 10))
	m = appendEntry(m, "length", strconv.FormatInt(size, 10))
	return appendInt(m, tensorDataLocation, external)
}

func (p *Port) encode() []byte {
	var shape []byte
	for _, d := range p.Dims {
		var dim []byte
		if d.Name != "" {
			dim = appendString(dim, dimParam, d.Name)
		} else {
			dim = appendInt(dim, dimValue, int64(d.N))
		}
		shape = appendBytes(shape, shapeDim, dim)
	}
	tensor := appendBytes(appendInt(nil, tensorElem, int64(p.Type)), tensorShape, shape)
	m := appendString(nil, valueInfoName, p.Name)
	return appendBytes(m, valueInfoType, appendBytes(nil, typeTensor, tensor))
}
