//go:build cgo

package ortsession_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
)

// absent is a GPU that no machine has.
const absent = 1000

// gpuBuild says whether the library is one that has GPU providers, which have words of their own for a device that is not there.
func gpuBuild(t *testing.T) bool {
	t.Helper()
	path, _, err := ortsession.Library()
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(filepath.Dir(path), "libonnxruntime_providers_cuda.so"))
	return err == nil
}

// A GPU that is not there is never a session on the CPU, and where the library has no GPU providers an error of ours that says what to do.
func TestAProviderThatCannotBeHadIsRefused(t *testing.T) {
	for _, p := range []ortsession.Provider{ortsession.CUDA, ortsession.TensorRT} {
		s, err := ortsession.Open(t.Context(), graph("affine"), ortsession.Options{Provider: p, GPU: ortsession.GPU{Device: absent}})
		if err == nil {
			_ = s.Close()
			t.Fatalf("%s: a session", p)
		}
		if gpuBuild(t) {
			continue
		}
		for _, want := range []string{"does not give provider " + string(p), "tools/fetch-ort-gpu.sh", "VECMILL_ORT_LIB", "model.provider: cpu"} {
			if !errors.Is(err, ortsession.ErrNoProvider) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", p, err, want)
			}
		}
	}
}

// What is observed here is the CPU's own, so all of it that computes numbers would be stray on a GPU.
func TestASessionIsObserved(t *testing.T) {
	var shape []int64
	seen, err := ortsession.Observe(t.Context(), graph("affine"), ortsession.Options{Threads: 1}, func(s embed.Session) error {
		out, err := s.Run(t.Context(), []embed.Tensor{{Name: "x", Shape: []int64{1, 2}, F32: []float32{1, 2}}})
		if err == nil {
			shape = out.Tensors[0].Shape
		}
		_, _ = os.Stderr.WriteString("running in Fallback mode\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(shape) == 0 || len(seen.Nodes) == 0 || len(seen.Strays()) != len(seen.Nodes) {
		t.Errorf("shape %v, nodes %+v, strays %+v", shape, seen.Nodes, seen.Strays())
	}
	for _, n := range seen.Nodes {
		if n.Provider != "CPUExecutionProvider" || n.Op == "" || n.Name == "" {
			t.Errorf("%+v", n)
		}
	}
	if !slices.Equal(seen.Slow(), []string{"running in Fallback mode"}) {
		t.Errorf("warnings %q", seen.Warnings)
	}
}
