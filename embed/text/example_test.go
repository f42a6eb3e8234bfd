package text_test

import (
	"context"
	"fmt"

	"vecmill/embed/text"
	"vecmill/model"
	"vecmill/schemas"
)

func Example() {
	spec := &model.Spec{
		Dir: "testdata/base", Class: "Data2VecTextModel", Modality: schemas.Text,
		Text: &model.TextConfig{VocabSize: 461, MaxPositionEmbeddings: 34, PadTokenID: 1},
	}
	p, err := text.New(spec, text.Options{Long: text.Window, MaxTokens: 6, Stride: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	samples, err := p.Preprocess(context.Background(), schemas.Ref{}, []byte("The boat's bell"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range samples {
		fmt.Printf("window %d: tokens %v to %v, cost %d, ids %v\n", s.Window, s.Start, s.End, s.Cost, s.Inputs[0].I64)
	}
	// Output:
	// window 0: tokens 0 to 4, cost 6, ids [0 316 268 412 269 2]
	// window 1: tokens 3 to 6, cost 5, ids [0 269 268 321 2]
}

func ExampleTokenizer_Encode() {
	t, err := text.Load("testdata/base")
	if err != nil {
		fmt.Println(err)
		return
	}
	e := t.Encode("mayor's café", text.Parse, 0)
	for i, id := range e.IDs {
		fmt.Printf("%q %v\n", t.Decode([]int32{id}, false), e.Offsets[i])
	}
	// Output:
	// "m" [0 1]
	// "ay" [1 3]
	// "or" [3 5]
	// "'s" [5 7]
	// " c" [8 9]
	// "af" [9 11]
	// "é" [11 12]
}
