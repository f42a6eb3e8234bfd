package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// small is a graph of one dense layer.
func small(weight ...io.WriterTo) *Builder {
	b := NewBuilder("small")
	x := b.Input("x", Float32, Dyn("batch"), Fixed(3))
	w := b.Weight("w", []int{2, 3}, weight...)
	v := b.Weight("v", []int{2}, FloatData{7, 8})
	b.Output("y", b.Linear(x, w, v), Float32, Dyn("batch"), Fixed(2))
	return b
}

func TestAWrittenModelDescribesItself(t *testing.T) {
	var data bytes.Buffer
	model, err := small(FloatData{1, 2, 3}, FloatData{4, 5, 6}).Write(&data, "w.bin", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Describe(model)
	if err != nil {
		t.Fatal(err)
	}
	want := &Description{
		Inputs:   []Port{{"x", Float32, []Dim{Dyn("batch"), Fixed(3)}}},
		Outputs:  []Port{{"y", Float32, []Dim{Dyn("batch"), Fixed(2)}}},
		Opset:    Opset,
		External: []string{"w.bin"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("described as %+v, want %+v", got, want)
	}
}

func TestWeightsAreAlignedInTheDataFile(t *testing.T) {
	var data bytes.Buffer
	if _, err := small(FloatData{1, 2, 3, 4, 5, 6}).Write(&data, "w.bin", nil); err != nil {
		t.Fatal(err)
	}
	b := data.Bytes()
	if len(b) != alignment+8 {
		t.Fatalf("%d bytes, want the second weight at %d", len(b), alignment)
	}
	for off, want := range map[int]float32{0: 1, 20: 6, 24: 0, alignment: 7, alignment + 4: 8} {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(b[off:])); got != want {
			t.Errorf("byte %d holds %v, want %v", off, got, want)
		}
	}
}

func TestAWeightMustFillItsShape(t *testing.T) {
	for _, parts := range [][]io.WriterTo{nil, {FloatData{1}}, {FloatData{1, 2, 3, 4, 5, 6, 7}}} {
		_, err := small(parts...).Write(io.Discard, "w.bin", nil)
		if err == nil || !strings.Contains(err.Error(), "weight w") {
			t.Errorf("with %v: %v", parts, err)
		}
	}
}

type broken struct{}

func (broken) WriteTo(io.Writer) (int64, error) { return 0, errors.New("torn") }
func (broken) Write([]byte) (int, error)        { return 0, errors.New("full") }

func TestWriteReportsFailingEnds(t *testing.T) {
	if _, err := small(broken{}).Write(io.Discard, "w.bin", nil); err == nil || !strings.Contains(err.Error(), "torn") {
		t.Errorf("a source that fails: %v", err)
	}
	if _, err := small(FloatData{1, 2, 3, 4, 5, 6}).Write(broken{}, "w.bin", nil); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("a disk that fails: %v", err)
	}
	if _, err := small(FloatData(make([]float32, 6)), FloatData(make([]float32, 1<<17))).Write(broken{}, "w.bin", nil); err == nil {
		t.Error("a disk that fails early goes unseen")
	}
}

func TestTheSameGraphGivesTheSameBytes(t *testing.T) {
	one, err := small(FloatData(make([]float32, 6))).Write(io.Discard, "w.bin", nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := small(FloatData(make([]float32, 6))).Write(io.Discard, "w.bin", nil)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("%d and %d bytes, %v", len(one), len(two), err)
	}
}

func TestSmallConstantsAreSharedAndInline(t *testing.T) {
	b := NewBuilder("c")
	pair, one := b.Ints(1, 2), b.Scalar(1)
	if b.Ints(1, 2) != pair || b.Scalar(1) != one {
		t.Error("equal constants are written twice")
	}
	if b.Ints(1) == b.Int(1) || b.Scalar(0) == b.Floats([]int{1}, []float32{0}) {
		t.Error("constants of different shapes are one")
	}
	if len(b.weights) != 0 {
		t.Error("a scalar went to the data file")
	}
	b.Floats([]int{300}, make([]float32, 300))
	if len(b.weights) != 1 {
		t.Error("a large constant stayed in the model file")
	}
}

func TestDescribeRefusesWhatIsNoModel(t *testing.T) {
	model, err := small(FloatData(make([]float32, 6))).Write(io.Discard, "w.bin", nil)
	if err != nil {
		t.Fatal(err)
	}
	huge := appendBytes(nil, modelGraph, appendBytes(nil, graphOutput, appendBytes(nil, valueInfoType, appendBytes(nil, typeTensor,
		appendBytes(nil, tensorShape, appendBytes(nil, shapeDim, appendInt(nil, dimValue, math.MaxInt64)))))))
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("hello, world"), "a cut model": model[:len(model)/2], "no graph": appendInt(nil, modelIRVersion, 9),
		"a graph without outputs": appendBytes(nil, modelGraph, nil), "an axis of 2^63-1": huge,
	} {
		if d, err := Describe(b); err == nil || !strings.Contains(err.Error(), "not an ONNX model") {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// Older exporters list initializers among the inputs, and leave axes without value or name.
func TestDescribeReadsOtherPeoplesModels(t *testing.T) {
	in := func(name string) []byte {
		tensor := appendInt(nil, tensorElem, 1)
		tensor = appendBytes(tensor, tensorShape, appendBytes(nil, shapeDim, nil))
		tensor = protowire.AppendTag(tensor, 99, protowire.Fixed64Type)
		tensor = protowire.AppendFixed64(tensor, 1)
		return appendBytes(appendString(nil, valueInfoName, name), valueInfoType, appendBytes(nil, typeTensor, tensor))
	}
	g := appendBytes(nil, graphInput, in("x"))
	g = appendBytes(g, graphInput, in("w"))
	g = appendBytes(g, graphOutput, in("y"))
	g = appendBytes(g, graphInitializer, appendString(nil, tensorName, "w"))
	opsets := appendBytes(nil, modelOpsetImport, appendInt(appendString(nil, opsetDomain, "com.microsoft"), opsetVersion, 1))
	opsets = appendBytes(opsets, modelOpsetImport, appendInt(nil, opsetVersion, 17))
	d, err := Describe(appendBytes(opsets, modelGraph, g))
	if err != nil {
		t.Fatal(err)
	}
	if d.Opset != 17 || len(d.Inputs) != 1 || d.Inputs[0].Name != "x" || !slices.Equal(d.Inputs[0].Dims, []Dim{Dyn("?")}) {
		t.Errorf("described as %+v", d)
	}
}

func TestTypesHaveNames(t *testing.T) {
	for typ, want := range map[Type]string{Float32: "float32", Int64: "int64", Bool: "bool", 10: "float16", 6: "int32", 11: "float64", 99: "type 99"} {
		if typ.String() != want {
			t.Errorf("type %d is called %s", int(typ), typ)
		}
	}
}

func TestUnknownActivationsAreNamed(t *testing.T) {
	b := NewBuilder("a")
	x := b.Input("x", Float32, Dyn("n"))
	for _, name := range []string{"prelu", "xielu", ""} {
		if _, err := b.Activation(name, x); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	model, err := small(FloatData(make([]float32, 6))).Write(io.Discard, "w.bin", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(model)
	f.Add(model[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Describe(b)
		if err != nil {
			return
		}
		for _, p := range slices.Concat(d.Inputs, d.Outputs) {
			for _, a := range p.Dims {
				if a.N < 0 || a.N > math.MaxInt32 {
					t.Fatalf("axis %+v", a)
				}
			}
		}
	})
}

// What has no neighbour in half precision is refused by its weight's name: it would come out of the graph as NaN.
func TestWeightsBeyondHalfPrecisionAreRefused(t *testing.T) {
	for _, c := range []struct {
		x    float32
		want string
	}{{65519, ""}, {-65520, "weight w: number 1 is -65520, and half precision ends at 65504"}, {float32(math.NaN()), "number 1 is NaN"}} {
		b := NewBuilder("half")
		b.Output("y", b.HalfWeight("w", []int{2}, HalfData{1, c.x}), Float32, Fixed(2))
		var data bytes.Buffer
		_, err := b.Write(&data, "w.bin", nil)
		switch {
		case c.want == "" && (err != nil || !bytes.Equal(data.Bytes(), []byte{0x00, 0x3c, 0xff, 0x7b})):
			t.Errorf("%g: % x, %v", c.x, data.Bytes(), err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%g: %v, want %q", c.x, err, c.want)
		}
	}
}
