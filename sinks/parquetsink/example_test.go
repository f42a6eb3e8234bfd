package parquetsink_test

import (
	"context"
	"fmt"

	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

func ExampleFormatSpans() {
	fmt.Println(parquetsink.FormatSpans([]schemas.Span{{First: 5, Next: 6}, {First: 9, Next: 13}}))
	// Output: 5,9-12
}

// A new process asks the files where to go on; a reader follows them from any offset.
func Example() {
	ctx := context.Background()
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Prefix, cfg.Tasks = sinktest.NewMemStore(), "embeddings", schemas.Tasks()
	source := schemas.SourceID{Pipeline: "speech", Topic: "refs", Partition: 0}

	for range 2 {
		sink, err := parquetsink.New(cfg)
		if err != nil {
			fmt.Println(err)
			return
		}
		next, known, err := sink.Resume(ctx, source, 0)
		fmt.Println("resume at", next, known, err)
		r, rows := sinktest.Make(source, next, next+12)
		err = sink.Write(ctx, r, rows, func(err error) { fmt.Println("durable up to", r.Next, err) })
		fmt.Println(err, sink.Close(ctx))
	}
	files, err := parquetsink.Chain(ctx, cfg.Store, cfg.Prefix, source, 0)
	for _, f := range files {
		fmt.Println(f.Name, "rows", f.Rows, "dead", parquetsink.FormatSpans(f.Range.Dead), "skipped", parquetsink.FormatSpans(f.Range.Skipped))
	}
	fmt.Println(err)
	// Output:
	// resume at 0 false <nil>
	// durable up to 12 <nil>
	// <nil> <nil>
	// resume at 12 true <nil>
	// durable up to 24 <nil>
	// <nil> <nil>
	// embeddings/speech/refs/0/00000000000000000000.parquet rows 12 dead 3,10 skipped 5
	// embeddings/speech/refs/0/00000000000000000012.parquet rows 13 dead 17 skipped 16
	// <nil>
}
