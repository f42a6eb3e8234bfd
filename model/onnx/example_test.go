package onnx_test

import (
	"bytes"
	"fmt"
	"log"

	"vecmill/model/onnx"
)

// A graph reads like the formula that it computes: y = gelu(x W^T + b).
func Example() {
	b := onnx.NewBuilder("dense")
	x := b.Input("x", onnx.Float32, onnx.Dyn("rows"), onnx.Fixed(2))
	w := b.Weight("w", []int{1, 2}, onnx.FloatData{0.5, -0.5})
	bias := b.Weight("b", []int{1}, onnx.FloatData{1})
	b.Output("y", b.Gelu(b.Linear(x, w, bias)), onnx.Float32, onnx.Dyn("rows"), onnx.Fixed(1))

	var data bytes.Buffer
	model, err := b.Write(&data, "weights.bin", nil)
	if err != nil {
		log.Fatal(err)
	}
	d, err := onnx.Describe(model)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Inputs, d.Outputs, "opset", d.Opset, "data in", d.External)
	// Output: [{x float32 [{rows 0} { 2}]}] [{y float32 [{rows 0} { 1}]}] opset 20 data in [weights.bin]
}
