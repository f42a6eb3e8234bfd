//go:build cgo

package ortsession_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
	"vecmill/model/onnx"
)

// count writes a graph that gives 0, 1, ... n-1 for n: its output's shape does not follow from its input's.
func count(t *testing.T) model.Graph {
	t.Helper()
	b := onnx.NewBuilder("count")
	n := b.Input("n", onnx.Int64, onnx.Fixed(1))
	b.Output("y", b.Arange(n), onnx.Int64, onnx.Dyn("n"))
	raw, err := b.Write(io.Discard, "none", nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "count.onnx")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return model.Graph{Path: path}
}

func prepared(t *testing.T, g model.Graph) *ortsession.Session {
	t.Helper()
	s, err := ortsession.Open(t.Context(), g, ortsession.Options{Threads: 1, Prepared: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOutputsAreTheSameInMemoryThatIsThereAlready(t *testing.T) {
	s := prepared(t, graph("affine"))
	var first *embed.Output
	for round := range 3 {
		for rows := int64(1); rows < 4; rows++ {
			x := make([]float32, 2*rows)
			for i := range x {
				x[i] = float32(10*round + i)
			}
			out, err := s.Run(t.Context(), []embed.Tensor{f32("x", []int64{rows, 2}, x...)})
			if err != nil {
				t.Fatal(err)
			}
			for i, y := range out.Tensors[0].F32 {
				if y != 2*x[i]+1 || !slices.Equal(out.Tensors[0].Shape, []int64{rows, 2}) {
					t.Fatalf("round %d, %d rows: %v of %v, shape %v", round, rows, out.Tensors[0].F32, x, out.Tensors[0].Shape)
				}
			}
			if first == nil {
				first = out
			}
		}
	}
	if !slices.Equal(first.Tensors[0].F32, []float32{1, 3}) {
		t.Errorf("an output was written to again: %v", first.Tensors[0].F32)
	}
}

func TestAShapeThatDoesNotFollowFromTheInputsIsNotTakenForGranted(t *testing.T) {
	s := prepared(t, count(t))
	for _, n := range []int64{3, 3, 5, 2, 5} {
		out, err := s.Run(t.Context(), []embed.Tensor{i64("n", []int64{1}, n)})
		if err != nil || len(out.Tensors[0].I64) != int(n) || out.Tensors[0].I64[n-1] != n-1 {
			t.Fatalf("%d: %+v, %v", n, out, err)
		}
	}
}

func TestKnownShapesFromManyCallersAtOnce(t *testing.T) {
	s := prepared(t, graph("affine"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				out, err := s.Run(t.Context(), []embed.Tensor{f32("x", []int64{1, 1}, float32(i))})
				if err != nil || out.Tensors[0].F32[0] != float32(2*i+1) {
					t.Errorf("%d: %+v, %v", i, out, err)
				}
			}
		})
	}
	wg.Wait()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ended, []embed.Tensor{f32("x", []int64{1, 1}, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context has ended: %v", err)
	}
}
