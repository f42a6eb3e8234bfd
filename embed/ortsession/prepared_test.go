//go:build cgo

package ortsession

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/onnx"
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

// picked is a graph that gives 0, 1 or 2 for that number, and fails for all others; its shapes are those of its input.
func picked(t *testing.T) *Session {
	t.Helper()
	b := onnx.NewBuilder("picked")
	at := b.Input("at", onnx.Int64, onnx.Dyn("n"))
	b.Output("y", b.Gather(b.Ints(0, 1, 2), at, 0), onnx.Int64, onnx.Dyn("n"))
	raw, err := b.Write(io.Discard, "none", nil)
	path := filepath.Join(t.TempDir(), "picked.onnx")
	if err == nil {
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), model.Graph{Path: path}, Options{Threads: 1, Prepared: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A run that fails with and without a place for its outputs says nothing about their shapes: they are known as before.
func TestAFailingRunLeavesShapesKnown(t *testing.T) {
	s := picked(t)
	at := []embed.Tensor{{Name: "at", Shape: []int64{1}, I64: []int64{1}}}
	k := dimensions([]*embed.Tensor{&at[0]})
	for _, pick := range []int64{1, 7, 2} {
		at[0].I64[0] = pick
		out, err := s.Run(t.Context(), at)
		if failed := err != nil; failed != (pick == 7) || !failed && out.Tensors[0].I64[0] != pick {
			t.Fatalf("%d: %+v, %v", pick, out, err)
		}
		if s.prepared(k) == nil {
			t.Errorf("after %d the outputs' shapes are not known", pick)
		}
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
