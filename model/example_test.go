package model_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"vecmill/model"
)

// A checkpoint directory becomes a graph that ONNX Runtime loads.
func Example() {
	spec, err := model.Open("golden/Data2VecAudioForCTC/base")
	if err != nil {
		log.Fatal(err)
	}
	cache, err := os.MkdirTemp("", "graphs")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(cache) }()
	g, err := spec.Compile(context.Background(), cache, model.CompileOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(spec.Class, spec.Modality)
	for _, p := range g.Inputs {
		fmt.Println("in ", p.Name, p.Type, p.Shape)
	}
	for _, p := range g.Outputs {
		fmt.Println("out", p.Name, p.Type, p.Shape)
	}
	// Output:
	// Data2VecAudioForCTC audio
	// in  input_values float32 [-1 -1]
	// in  lengths int64 [-1]
	// out last_hidden_state float32 [-1 -1 16]
	// out logits float32 [-1 -1 12]
}
