//go:build cgo

package ortsession_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
)

// compiled is the graph of a small checkpoint, the first weight of which gets another sign if negated is set.
func compiled(t *testing.T, negated bool) model.Graph {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "internal", "demo", "models", "text-intent"))); err != nil {
		t.Fatal(err)
	}
	if path := filepath.Join(dir, "model.safetensors"); negated {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[8+binary.LittleEndian.Uint64(b)+3] ^= 0x80 // behind the header: the sign of a little-endian float32
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spec, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	g, err := spec.Compile(t.Context(), t.TempDir(), model.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *g
}

// Two checkpoints that differ in one weight give graphs of one file name and the same nodes, by which TensorRT knows an engine. Whoever opens a session, each has a directory of its own.
func TestEnginesOfAnotherModelAreNotTaken(t *testing.T) {
	engines := filepath.Join(t.TempDir(), "engines")
	o := ortsession.Options{Threads: 1, Provider: ortsession.TensorRT, GPU: ortsession.GPU{Engines: engines}}
	one, other := compiled(t, false), compiled(t, true)
	if filepath.Base(one.Path) != filepath.Base(other.Path) {
		t.Fatalf("%s and %s: the case proves nothing", one.Path, other.Path)
	}
	for step, c := range []struct {
		open func() error
		want int // directories from then on
	}{
		{func() error { return opens(t, one, o) }, 1},
		{func() error { return opens(t, other, o) }, 2},
		{func() error { return opens(t, one, o) }, 2},
		{func() error {
			_, err := ortsession.Observe(t.Context(), other, o, func(embed.Session) error { return nil })
			return err
		}, 2},
	} {
		if err := c.open(); err != nil { // where there is no TensorRT, or no GPU
			t.Logf("step %d: %v", step, err)
		}
		dirs, err := os.ReadDir(engines)
		if err != nil || len(dirs) != c.want {
			t.Errorf("step %d: %v, %v, want %d directories", step, dirs, err, c.want)
		}
	}
	if err := opens(t, graph("affine"), o); err == nil || !strings.Contains(err.Error(), "no compiler made it") {
		t.Errorf("engines of a graph that cannot be told from others: %v", err)
	}
}

func opens(t *testing.T, g model.Graph, o ortsession.Options) error {
	t.Helper()
	s, err := ortsession.Open(t.Context(), g, o)
	if err != nil {
		return err
	}
	return s.Close()
}
