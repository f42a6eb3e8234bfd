//go:build cgo

package ortsession

import (
	"context"
	"testing"

	"vecmill/embed"
	"vecmill/model"
)

// wide is a row for the affine graph, with the session.
func wide(tb testing.TB) (*Session, []embed.Tensor) {
	tb.Helper()
	s, err := Open(context.Background(), model.Graph{Path: "testdata/affine.onnx"}, Options{Threads: 1, Prepared: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	const columns = 1 << 20
	return s, []embed.Tensor{{Name: "x", Shape: []int64{1, columns}, F32: make([]float32, columns)}}
}

// From the second run of a shape on, the session has a place for its outputs, and it is the one that they come back in.
func TestTheSecondRunHasAPlaceForItsOutputs(t *testing.T) {
	s, x := wide(t)
	k := dimensions([]*embed.Tensor{&x[0]})
	for run := range 3 {
		if known := s.prepared(k) != nil; known != (run > 0) {
			t.Errorf("before run %d: known %t", run, known)
		}
		if _, err := s.Run(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	if s.prepared(dimensions([]*embed.Tensor{{Shape: []int64{1 << 20, 1}}})) != nil {
		t.Error("another shape is taken for this one")
	}
}

// BenchmarkOutputs runs a graph that does next to nothing with 4 MB of output, into memory that is there already and into the library's.
func BenchmarkOutputs(b *testing.B) {
	for _, known := range []bool{true, false} {
		b.Run(map[bool]string{true: "known", false: "unknown"}[known], func(b *testing.B) {
			s, x := wide(b)
			for b.Loop() {
				if !known {
					s.shapes.forget(dimensions([]*embed.Tensor{&x[0]}))
				}
				if _, err := s.Run(context.Background(), x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
