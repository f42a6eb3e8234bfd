//go:build cgo

package ortsession_test

import (
	"context"
	"fmt"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
)

// A graph of one's own, y = 2 x + 1, runs as the graphs of checkpoints do, which [model.Spec.Compile] makes.
func Example() {
	ctx := context.Background()
	session, err := ortsession.Open(ctx, model.Graph{Path: "testdata/affine.onnx"}, ortsession.Options{Threads: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	out, err := session.Run(ctx, []embed.Tensor{{Name: "x", Shape: []int64{2, 3}, F32: []float32{0, 1, 2, 3, 4, 5}}}) // two items of three numbers
	if err != nil {
		fmt.Println(err)
		return
	}
	y := out.Tensors[0]
	fmt.Println(y.Name, y.Shape, y.F32)
	// Output: y [2 3] [1 3 5 7 9 11]
}
