package embed_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/embed/ortsession"
	"vecmill/embed/text"
	"vecmill/model"
	"vecmill/schemas"
)

// Sentences become vectors of length 1, whose dot product is their cosine. Results do not depend on which of them share a batch.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	cache, err := os.MkdirTemp("", "graphs")
	must(err)
	defer os.RemoveAll(cache)
	spec, err := model.Open("../internal/demo/models/text-intent") // config.json, weights and tokenizer of a Hugging Face checkpoint
	must(err)
	graph, err := spec.Compile(ctx, cache, model.CompileOptions{})
	must(err)
	session, err := ortsession.Open(ctx, *graph, ortsession.Options{Threads: 1})
	must(err)
	defer session.Close()
	tokens, err := text.New(spec, text.Options{Long: text.Truncate})
	must(err)
	mean, err := heads.New(heads.Config{Name: "embedding", Task: schemas.TaskEmbedding, Pooling: heads.Mean}, spec, graph)
	must(err)
	engine, err := embed.NewEngine(embed.EngineConfig{
		Modality: schemas.Text, Preprocessor: 1, Batch: embed.BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 64},
	}, tokens, []embed.Session{session}, []embed.Head{mean})
	must(err)
	var running, open sync.WaitGroup
	running.Go(func() { engine.Run(ctx) })

	sentences := []string{"play some jazz", "put this song on my list", "add this tune to my playlist"}
	vectors := make([][]float32, len(sentences))
	for i, s := range sentences {
		open.Add(1)
		must(engine.Submit(ctx, embed.Job{Ref: schemas.Ref{ID: s}, Blob: []byte(s), Done: func(rows []schemas.Row, err error) {
			defer open.Done()
			must(err)
			vectors[i] = rows[0].Vector
		}}))
	}
	open.Wait()
	cancel()
	running.Wait()

	fmt.Println(len(vectors[0]), "numbers")
	fmt.Println("the second is nearer to the third than to the first:", cosine(vectors[1], vectors[2]) > cosine(vectors[1], vectors[0]))
	// Output:
	// 96 numbers
	// the second is nearer to the third than to the first: true
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func cosine(a, b []float32) (sum float32) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
