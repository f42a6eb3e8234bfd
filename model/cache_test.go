package model_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vecmill/model"
)

func ctcSpec(t *testing.T) *model.Spec {
	t.Helper()
	return mustOpen(t, copyCase(t, "Data2VecAudioForCTC/base"))
}

func TestASecondCompileTakesTheCachedGraph(t *testing.T) {
	s, cache := ctcSpec(t), t.TempDir()
	one := mustCompile(t, s, cache, model.CompileOptions{})
	before, err := os.Stat(one.Path)
	if err != nil {
		t.Fatal(err)
	}
	two := mustCompile(t, s, cache, model.CompileOptions{})
	after, err := os.Stat(two.Path)
	if err != nil {
		t.Fatal(err)
	}
	if one.Path != two.Path || digest(t, one) != digest(t, two) || !os.SameFile(before, after) {
		t.Errorf("compiled again: %+v, %+v", one, two)
	}
	if len(two.Inputs) != 2 || len(two.Outputs) != 2 || two.Inputs[0].Name != "input_values" {
		t.Errorf("the cached graph describes itself as %+v", two)
	}
}

func TestOptionsHaveGraphsOfTheirOwn(t *testing.T) {
	s, cache := ctcSpec(t), t.TempDir()
	seen := map[string]bool{}
	for _, o := range []model.CompileOptions{{}, {HFPadding: true}, {Outputs: []string{"extract_features"}}, {Inputs: []string{"mask_time_indices"}}, {Precision: model.Int8}, {Precision: model.Half}, {Packed: true}} {
		g := mustCompile(t, s, cache, o)
		if seen[g.Path] || seen[digest(t, g)] {
			t.Errorf("options %+v share a graph", o)
		}
		seen[g.Path], seen[digest(t, g)] = true, true
	}
}

// TestAGraphTellsItsWeights by the checkpoint's files: those that it uses as they lie, or fewer bytes of another precision. From the cache it tells the same.
func TestAGraphTellsItsWeights(t *testing.T) {
	s, cache := ctcSpec(t), t.TempDir()
	file, err := os.Stat(filepath.Join(s.Dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		single, int8 := mustCompile(t, s, cache, model.CompileOptions{}).Weights, mustCompile(t, s, cache, model.CompileOptions{Precision: model.Int8}).Weights
		if single != file.Size() || int8 <= 0 || int8 >= single {
			t.Errorf("%d bytes in float32, %d in int8, of a file of %d", single, int8, file.Size())
		}
	}
}

func TestADamagedGraphIsBuiltAgain(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"a flipped bit in the weights":  func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "weights.bin")) },
		"a flipped bit in the model":    func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "model.onnx")) },
		"weights cut short":             func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "weights.bin"), 100)) },
		"no weights":                    func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "weights.bin"))) },
		"no linked weights":             func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, external))) },
		"a copy for the linked weights": func(t *testing.T, dir string) { unlink(t, filepath.Join(dir, external)) },
		"no manifest":                   func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "manifest.json"))) },
		"an empty manifest":             func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "manifest.json"), 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			s, cache := mustOpen(t, copyCase(t, "Data2VecVisionModel/relative")), t.TempDir()
			g := mustCompile(t, s, cache, model.CompileOptions{})
			want := read(t, filepath.Join(filepath.Dir(g.Path), "weights.bin")) // folded position tables
			damage(t, filepath.Dir(g.Path))
			again := mustCompile(t, s, cache, model.CompileOptions{})
			if again.Path != g.Path || string(read(t, filepath.Join(filepath.Dir(g.Path), "weights.bin"))) != string(want) {
				t.Error("the graph is not what it was")
			}
			if n := len(entries(t, cache)); n != 5 { // a directory with four files
				t.Errorf("the cache holds %v", entries(t, cache))
			}
		})
	}
}

// unlink makes a file one of its own.
func unlink(t *testing.T, path string) {
	t.Helper()
	b := read(t, path)
	must(t, os.Remove(path))
	write(t, path, b)
}

func TestManyCompileTheSameGraphAtOnce(t *testing.T) {
	s, cache := ctcSpec(t), t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			g, err := s.Compile(context.Background(), cache, model.CompileOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			if b, err := os.ReadFile(g.Path); err != nil || len(b) == 0 {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		})
	}
	wg.Wait()
	if n := len(entries(t, cache)); n != 5 {
		t.Errorf("the cache holds %v", entries(t, cache))
	}
}

func TestCompileStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cache := t.TempDir()
	if _, err := ctcSpec(t).Compile(ctx, cache, model.CompileOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left := entries(t, cache); len(left) > 0 {
		t.Errorf("the cache keeps %v", left)
	}
}

func TestCompileNeedsADirectoryItCanWrite(t *testing.T) {
	if _, err := ctcSpec(t).Compile(t.Context(), "", model.CompileOptions{}); err == nil || !strings.Contains(err.Error(), "no cache directory") {
		t.Errorf("without a directory: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	if _, err := ctcSpec(t).Compile(t.Context(), file, model.CompileOptions{}); err == nil {
		t.Error("a file as cache directory works")
	}
}

func TestBuildsOfDeadProcessesAreSweptAfterADay(t *testing.T) {
	cache := t.TempDir()
	for name, age := range map[string]time.Duration{".building-old": 25 * time.Hour, ".damaged-old": 25 * time.Hour, ".building-new": time.Hour} {
		dir := filepath.Join(cache, name)
		must(t, os.MkdirAll(filepath.Join(dir, "x"), 0o755))
		must(t, os.Chtimes(dir, time.Time{}, time.Now().Add(-age)))
	}
	mustCompile(t, ctcSpec(t), cache, model.CompileOptions{})
	left, err := filepath.Glob(filepath.Join(cache, ".*-*"))
	must(t, err)
	if len(left) != 1 || filepath.Base(left[0]) != ".building-new" {
		t.Errorf("left are %v", left)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}

func flip(t *testing.T, path string) {
	t.Helper()
	b := read(t, path)
	b[len(b)/2] ^= 1
	write(t, path, b)
}
