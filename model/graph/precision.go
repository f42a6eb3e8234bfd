package graph

import (
	"fmt"
	"io"
	"math"

	"vecmill/model/checkpoint"
	"vecmill/model/onnx"
)

// Precision is the arithmetic of the encoder's dense layers and strided convolutions, which is where the time goes. Norms, softmax and heads are in
// single precision always; what attention multiplies and the other convolutions are, too, in whole numbers.
type Precision string

// The precisions.
const (
	Single Precision = "" // float32
	Half   Precision = "fp16"
	Int8   Precision = "int8"
)

// known says whether there is such a precision.
func (p Precision) known() error {
	switch p {
	case Single, Half, Int8:
		return nil
	}
	return fmt.Errorf("precision %q is not one of fp32 (%q), %s, %s", string(p), Single, Half, Int8)
}

// matrix is a weight [out, in] of the encoder.
type matrix struct {
	name    string
	out, in int
	data    io.WriterTo      // float32, as the graph takes it
	values  func() []float32 // the same numbers
}

// matrix is the weight of a dense layer as it lies in the checkpoint.
func (n *net) matrix(name string, in, out int) matrix {
	t := n.w.Backbone(name+".weight", out, in)
	return matrix{t.Name, out, in, &t, func() []float32 { return numbers(&t) }}
}

// scaled is the matrix, under a name of its own, with each row multiplied by its factor.
func (m matrix) scaled(name string, factors []float32) matrix {
	values := func() []float32 {
		w := m.values()
		for i, f := range factors {
			for j := i * m.in; j < (i+1)*m.in; j++ {
				w[j] *= f
			}
		}
		return w
	}
	return matrix{name, m.out, m.in, floats(values), values}
}

// tap is one tap of a convolution's weight [out, in, taps].
func (n *net) tap(weight string, in, out, tap, taps int) matrix {
	t := n.w.Backbone(weight, out, in, taps)
	values := func() []float32 {
		w, part := numbers(&t), make([]float32, out*in)
		for i := range part {
			part[i] = w[i*taps+tap]
		}
		return part
	}
	return matrix{fmt.Sprintf("%s.tap.%d", weight, tap), out, in, floats(values), values}
}

// product is x * w^T in the graph's precision, for x [..., in].
func (n *net) product(x onnx.Value, w matrix) onnx.Value {
	if n.o.Precision == Half {
		return n.halfProduct(x, w)
	}
	if !n.inWholeNumbers(w.out) {
		return n.MatMulT(x, n.Weight(w.name, []int{w.out, w.in}, w.data))
	}
	return n.wholeProduct(n.wholeNumbers(x), w)
}

// inWholeNumbers says whether products of out numbers a row are computed in whole numbers. ONNX Runtime 1.24 gives a wrong row for 17 to 31 numbers more
// than a multiple of 32 on processors with AMX (its pull request 27671 mends that); real models have multiples of 16.
func (n *net) inWholeNumbers(out int) bool { return n.o.Precision == Int8 && out%16 == 0 }

// wholeNumbers are the rows of x [rows, in], once for all products that take x.
func (n *net) wholeNumbers(x onnx.Value) onnx.Quantised {
	q, ok := n.whole[x]
	if !ok {
		q = n.QuantiseRows(x)
		n.whole[x] = q
	}
	return q
}

// wholeProduct is x * w^T with w in whole numbers, each row by its own scale.
func (n *net) wholeProduct(x onnx.Quantised, w matrix) onnx.Value {
	scale := rowScales(w.values(), w.in)
	return n.QuantisedMatMul(x, n.Int8Weight(w.name+".int8", []int{w.in, w.out}, &int8Data{w, scale}), n.Floats([]int{w.out}, scale))
}

// mostInt8 is the largest weight in whole numbers: 7 bits with a sign. Processors without instructions for products of bytes add two of them in 16
// bits, which 255 * 64 * 2 still fits into, so that every processor gives the same numbers.
const mostInt8 = 64

// rowScales are what the whole numbers of each row are to be multiplied by.
func rowScales(w []float32, in int) []float32 {
	scales := make([]float32, len(w)/in)
	for i := range scales {
		top := 0.0
		for _, v := range w[i*in : (i+1)*in] {
			top = max(top, math.Abs(float64(v)))
		}
		scales[i] = float32(top / mostInt8)
	}
	return scales
}

// int8Data writes a matrix [out, in] in whole numbers as [in, out].
type int8Data struct {
	matrix
	scale []float32
}

// WriteTo implements io.WriterTo.
func (d *int8Data) WriteTo(w io.Writer) (int64, error) {
	raw := make([]byte, d.in*d.out)
	values := d.values()
	for i, s := range d.scale {
		if s == 0 || math.IsNaN(float64(s)) || math.IsInf(float64(s), 0) {
			continue // a row of zeros; or one that is no number, which its scale says, and which processors round each in their own way
		}
		for j, v := range values[i*d.in : (i+1)*d.in] {
			raw[j*d.out+i] = byte(int8(math.RoundToEven(float64(v) / float64(s))))
		}
	}
	n, err := w.Write(raw)
	return int64(n), err
}

// floats writes what the function gives.
type floats func() []float32

// WriteTo implements io.WriterTo.
func (f floats) WriteTo(w io.Writer) (int64, error) { return onnx.FloatData(f()).WriteTo(w) }

// numbers are those of a weight. One that Verify will refuse reads as zeros.
func numbers(t *checkpoint.Tensor) []float32 {
	v, err := t.Float32()
	if err != nil || len(v) != t.Elements() {
		return make([]float32, t.Elements())
	}
	return v
}
