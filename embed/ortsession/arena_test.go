//go:build cgo && linux

package ortsession

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/model/onnx"
)

// doubled is a graph that gives what it takes as many times as it has columns, of any number of rows.
func doubled(t *testing.T, columns int) model.Graph {
	t.Helper()
	b := onnx.NewBuilder("doubled")
	x := b.Input("x", onnx.Float32, onnx.Dyn("n"), onnx.Fixed(1))
	ones := make([]float32, columns)
	for i := range ones {
		ones[i] = 1
	}
	b.Output("y", b.MatMul(x, b.Floats([]int{1, columns}, ones)), onnx.Float32, onnx.Dyn("n"), onnx.Fixed(columns))
	g, err := b.Write(io.Discard, "none.bin", nil) // there are no weights
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "doubled.onnx")
	if err := os.WriteFile(path, g, 0o600); err != nil {
		t.Fatal(err)
	}
	return model.Graph{Path: path}
}

func rowsOf(n int) []embed.Tensor {
	return []embed.Tensor{{Name: "x", Shape: []int64{int64(n), 1}, F32: make([]float32, n)}}
}

// TestTheArenaOfABatchIsTold has a graph whose result is all that it needs. What is told is the same each time, whatever else the process holds, and nothing of it is to be seen; sessions after it are what they were.
func TestTheArenaOfABatchIsTold(t *testing.T) {
	const columns = 256
	g := doubled(t, columns)
	for _, n := range []int{1000, 4000, 1000} {
		var bytes int64
		seen, err := standardError(func() (err error) {
			bytes, err = Arena(t.Context(), g, Options{Threads: 1}, rowsOf(n))
			return err
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(4 * n * columns); bytes < want || bytes > want+want/50 {
			t.Errorf("%d rows: %d bytes, want %d", n, bytes, want)
		}
		if len(seen) > 0 {
			t.Errorf("on standard error: %q", seen)
		}
	}
	s, err := Open(t.Context(), g, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := standardError(func() error { _, err := s.Run(t.Context(), rowsOf(5000)); return err }, nil)
	if err != nil || len(lines) > 0 {
		t.Errorf("afterwards %q, %v", lines, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheArenaOfWhatCannotRunIsNotTold(t *testing.T) {
	g := doubled(t, 4)
	if n, err := Arena(t.Context(), g, Options{Threads: 1}, nil); err == nil {
		t.Errorf("of no batch: %d bytes", n)
	}
	if n, err := Arena(t.Context(), g, Options{Provider: TensorRT}, rowsOf(4)); !errors.Is(err, ErrUntold) {
		t.Errorf("by TensorRT: %d bytes, %v", n, err)
	}
	if n, err := Arena(t.Context(), g, Options{Threads: 1}, rowsOf(400)); err != nil || n == 0 {
		t.Errorf("afterwards: %d bytes, %v", n, err)
	}
}

// TestArenasAreToldOneAtATime has several ask at once, beside one that observes: the process has one standard error.
func TestArenasAreToldOneAtATime(t *testing.T) {
	g := doubled(t, 64)
	var asking sync.WaitGroup
	for i := range 40 {
		asking.Go(func() {
			n := 1000 * (i%4 + 1)
			bytes, err := Arena(t.Context(), g, Options{Threads: 1}, rowsOf(n))
			if want := int64(4 * n * 64); err != nil || bytes < want || bytes > want+want/50 {
				t.Errorf("%d rows: %d bytes, %v", n, bytes, err)
			}
		})
	}
	asking.Go(func() {
		if _, err := Observe(t.Context(), g, Options{Threads: 1}, func(s embed.Session) error {
			_, err := s.Run(t.Context(), rowsOf(10))
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	asking.Wait()
}
