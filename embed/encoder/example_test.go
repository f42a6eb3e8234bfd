package encoder_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"os"

	"vecmill/embed/encoder"
	"vecmill/embed/heads"
	"vecmill/schemas"
)

// Sentences become vectors of length 1, whose dot product is their cosine.
func Example() {
	ctx := context.Background()
	e, err := encoder.Open(ctx, "../../internal/demo/models/text-intent", encoder.Options{}) // a directory as Hugging Face saves it
	must(err)
	defer e.Close()
	v, err := e.Texts(ctx, []string{"play some jazz", "put this song on my list", "add this tune to my playlist"})
	must(err)
	fmt.Println(len(v), "vectors of", len(v[0]))
	fmt.Println("the second is nearer to the third than to the first:", dot(v[1], v[2]) > dot(v[1], v[0]))
	// Output:
	// 3 vectors of 96
	// the second is nearer to the third than to the first: true
}

// What one input lacks costs no other its vector.
func ExampleInputErrors() {
	ctx := context.Background()
	e, err := encoder.Open(ctx, "../../internal/demo/models/vision-digits", encoder.Options{})
	must(err)
	defer e.Close()
	picture, err := os.ReadFile("../../internal/demo/samples/image/digit-01.png")
	must(err)
	v, err := e.Pictures(ctx, [][]byte{picture, []byte("no picture"), picture})
	faults, ok := errors.AsType[encoder.InputErrors](err)
	if !ok {
		must(err)
	}
	for _, f := range faults {
		reason, _ := schemas.Rejected(f)
		fmt.Println("input", f.Index, "has no vector:", reason)
	}
	fmt.Println(len(v[0]), len(v[1]), len(v[2]))
	// Output:
	// input 1 has no vector: decode
	// 96 0 96
}

// Recordings are files as they are: any format, rate and number of channels that embed/audio reads.
func ExampleEncoder_Recordings() {
	ctx := context.Background()
	e, err := encoder.Open(ctx, "../../internal/demo/models/audio-ctc", encoder.Options{Pooling: heads.Max})
	must(err)
	defer e.Close()
	var files [][]byte
	for _, name := range []string{"speech-01.wav", "speech-06.flac"} {
		b, err := os.ReadFile("../../internal/demo/samples/audio/" + name)
		must(err)
		files = append(files, b)
	}
	v, err := e.Recordings(ctx, files)
	must(err)
	fmt.Printf("%d vectors of %d, of length %.3f\n", len(v), len(v[0]), math.Sqrt(float64(dot(v[0], v[0]))))
	// Output: 2 vectors of 96, of length 1.000
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func dot(a, b []float32) (sum float32) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
