package parquetsink_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// BenchmarkVectors writes embeddings of 768 floats through the whole sink to a store in memory. It reports rows and encoded megabytes per second.
func BenchmarkVectors(b *testing.B) {
	for _, codec := range []parquetsink.Compression{parquetsink.Zstd, parquetsink.Snappy, parquetsink.None} {
		b.Run(string(codec), func(b *testing.B) {
			const perRange, ranges = 64, 128
			rows := vectors(perRange * ranges)
			var bytes int64
			for b.Loop() {
				rec := &recorder{}
				c := config(sinktest.NewMemStore())
				c.Compression, c.Observer = codec, rec
				s := open(b, c)
				if _, _, err := s.Resume(b.Context(), src(0), 0); err != nil {
					b.Fatal(err)
				}
				for i := range int64(ranges) {
					r := schemas.Range{Source: src(0), Span: schemas.Span{First: i * perRange, Next: (i + 1) * perRange}}
					if err := s.Write(b.Context(), r, rows[r.First:r.Next], func(error) {}); err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Close(context.Background()); err != nil {
					b.Fatal(err)
				}
				for _, f := range rec.written {
					bytes += f.Bytes
				}
			}
			b.ReportMetric(float64(b.N)*perRange*ranges/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(bytes)/1e6/b.Elapsed().Seconds(), "MB/s")
		})
	}
}

// vectors are normally distributed, as embeddings nearly are: they compress badly.
func vectors(n int) []schemas.Row {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]schemas.Row, n)
	for i := range rows {
		rows[i] = sinktest.Row(src(0), int64(i), 0)
		rows[i].Payload = schemas.Payload{Vector: make([]float32, 768)}
		rows[i].Task = schemas.TaskEmbedding
		rows[i].RowID = fmt.Sprintf("%032x", rng.Uint64())
		for j := range rows[i].Vector {
			rows[i].Vector[j] = float32(rng.NormFloat64()) / 27
		}
	}
	return rows
}

// BenchmarkSmallFiles writes files of ten rows, as quiet topics do.
func BenchmarkSmallFiles(b *testing.B) {
	for _, codec := range []parquetsink.Compression{parquetsink.Zstd, parquetsink.Snappy, parquetsink.None} {
		b.Run(string(codec), func(b *testing.B) {
			c := config(sinktest.NewMemStore())
			c.Compression = codec
			s := open(b, c)
			if _, _, err := s.Resume(b.Context(), src(0), 0); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			first := int64(0)
			for b.Loop() {
				r, rows := sinktest.Make(src(0), first, first+10)
				first += 10
				if err := s.Write(b.Context(), r, rows, func(error) {}); err != nil {
					b.Fatal(err)
				}
				if err := s.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
