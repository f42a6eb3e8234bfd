package checkpoint_test

import (
	"fmt"
	"log"
	"strings"

	"vecmill/model/checkpoint"
)

// A binding hands out weights by name and shape, and then says what was missing and what was left over.
func ExampleBinding() {
	c, err := checkpoint.Open("../golden/Data2VecAudioForCTC/base")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	b := c.Bind("data2vec_audio.", false)
	w := b.Head("lm_head.weight", 12, 16)
	v, err := w.Float32()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.DType, w.Shape, len(v))
	b.Head("lm_head.scale", 12)
	b.Ignore(func(name string) bool { return !strings.HasPrefix(name, "lm_head.") })
	fmt.Println(b.Verify())
	// Output:
	// F32 [12 16] 192
	// the weights in ../golden/Data2VecAudioForCTC/base do not fit its config.json: 1 missing: lm_head.scale; 1 surplus: lm_head.bias
}
