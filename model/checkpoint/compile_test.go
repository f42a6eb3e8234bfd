package checkpoint_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"vecmill/model"
	"vecmill/model/checkpoint"
)

// compiledGraph is the size and checksum of the weights that a compiled graph has for itself, its outputs, and how many files it uses as they lie.
type compiledGraph struct {
	data, outputs string
	links         int
}

func compiled(t *testing.T, dir string) compiledGraph {
	t.Helper()
	s, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	g, err := s.Compile(t.Context(), t.TempDir(), model.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(g.Path), "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Data, Outputs json.RawMessage
		Links         map[string]string
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	c := compiledGraph{data: string(m.Data), outputs: string(m.Outputs)}
	for _, name := range m.Links {
		if name != "" {
			c.links++
		}
	}
	return c
}

// It runs over the formats set beside VECMILL_GOLDEN_DIR if that is given. Half precision compiles to other weights, of course.
func TestForeignFormatsCompileToTheSameGraph(t *testing.T) {
	golden := os.Getenv("VECMILL_GOLDEN_DIR")
	if golden == "" {
		t.Log("VECMILL_GOLDEN_DIR is not set: nothing to compile")
		return
	}
	dirs, _ := filepath.Glob(filepath.Join(golden, "..", "formats", filepath.Base(golden), "*", "*", "config.json"))
	if len(dirs) == 0 {
		t.Fatal("no format cases beside VECMILL_GOLDEN_DIR")
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		class, format := filepath.Base(filepath.Dir(dir)), filepath.Base(dir)
		t.Run(class+"/"+format, func(t *testing.T) {
			switch format {
			case "base_noprefix":
				s, err := model.Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Compile(t.Context(), t.TempDir(), model.CompileOptions{})
				if m, ok := errors.AsType[*checkpoint.MismatchError](err); !ok || len(m.Missing) == 0 || len(m.Surplus)+len(m.Shapes) > 0 {
					t.Errorf("the head alone should be missing: %v", err)
				}
			case "fp16", "bf16":
				compiled(t, dir)
			default:
				got, want := compiled(t, dir), compiled(t, source(t, dir))
				// A file that must be copied and one that is used where it lies leave different data; that both hold the same is
				// TestForeignFormatsHoldTheSameWeights.
				if got.outputs != want.outputs || got.links == want.links && got.data != want.data {
					t.Errorf("compiled to %+v\nits source to %+v", got, want)
				}
			}
		})
	}
}

// source is the case that a format case was made from.
func source(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "..", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Source string }
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "..", "..", "..", "..", m.Source)
	if _, err := os.Stat(path); err != nil { // a set without its sources: its formats must agree with each other
		path = filepath.Join(dir, "..", "sharded_safetensors")
	}
	return path
}
