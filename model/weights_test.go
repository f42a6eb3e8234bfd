package model_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/model"
)

func TestACompiledGraphUsesTheWeightsWhereTheyLie(t *testing.T) {
	dir := copyCase(t, "Data2VecAudioForCTC/base")
	g := mustCompile(t, mustOpen(t, dir), t.TempDir(), model.CompileOptions{})
	source, err := os.Stat(filepath.Join(dir, "model.safetensors"))
	must(t, err)
	linked, err := os.Stat(filepath.Join(filepath.Dir(g.Path), external))
	must(t, err)
	if !os.SameFile(source, linked) {
		t.Error("the graph has a copy of the weights")
	}
	if data := read(t, filepath.Join(filepath.Dir(g.Path), "weights.bin")); len(data) > 2<<10 { // folded: convolutions over samples by tap, small constants
		t.Errorf("%d bytes of weights were written all the same", len(data))
	}
}

func TestAWeightFileBehindASymbolicLinkIsUsedToo(t *testing.T) {
	blob, dir := copyCase(t, "Data2VecAudioForCTC/base"), t.TempDir()
	for _, f := range []string{"config.json", "model.safetensors"} { // as in the cache of a hub
		must(t, os.Symlink(filepath.Join(blob, f), filepath.Join(dir, f)))
	}
	g := mustCompile(t, mustOpen(t, dir), t.TempDir(), model.CompileOptions{})
	if st, err := os.Lstat(filepath.Join(filepath.Dir(g.Path), external)); err != nil || !st.Mode().IsRegular() {
		t.Errorf("beside the graph lies %v, %v", st, err)
	}
}

func TestWeightsThatChangeAreNoticed(t *testing.T) {
	touch := func(t *testing.T, path string) { must(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))) }
	change := map[string]func(t *testing.T, path string){
		"written to": touch,
		"replaced":   unlink,
		"removed":    func(t *testing.T, path string) { must(t, os.Remove(path)) },
	}
	for name, change := range change {
		t.Run(name+" before compiling", func(t *testing.T) {
			dir := copyCase(t, "Data2VecAudioForCTC/base")
			s := mustOpen(t, dir)
			change(t, filepath.Join(dir, "model.safetensors"))
			if _, err := s.Compile(t.Context(), t.TempDir(), model.CompileOptions{}); err == nil || !strings.Contains(err.Error(), "model.safetensors") {
				t.Errorf("error %v", err)
			}
		})
		t.Run(name+" before the digest", func(t *testing.T) {
			dir := copyCase(t, "Data2VecAudioForCTC/base")
			g := mustCompile(t, mustOpen(t, dir), t.TempDir(), model.CompileOptions{})
			change(t, filepath.Join(dir, "model.safetensors"))
			if _, err := g.Digest(t.Context()); err == nil || !strings.Contains(err.Error(), "model.safetensors") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestOtherWeightsInTheSamePlaceGetAGraphOfTheirOwn(t *testing.T) {
	dir, cache := copyCase(t, "Data2VecVisionModel/relative"), t.TempDir()
	before := mustCompile(t, mustOpen(t, dir), cache, model.CompileOptions{})
	old := digest(t, before)
	for name, change := range map[string]func(path string){
		"another file": func(path string) {
			b := read(t, path)
			b[len(b)-2] ^= 1
			must(t, os.Remove(path))
			write(t, path, b)
		},
		"the same file written to, its time set back": func(path string) {
			st, err := os.Stat(path)
			must(t, err)
			flip(t, path)
			must(t, os.Chtimes(path, time.Time{}, st.ModTime()))
		},
	} {
		change(filepath.Join(dir, "model.safetensors"))
		g := mustCompile(t, mustOpen(t, dir), cache, model.CompileOptions{})
		if g.Path == before.Path || digest(t, g) == old {
			t.Errorf("%s: the old graph is used", name)
		}
		before, old = g, digest(t, g)
	}
}

// Neither stamp nor samples show every change of a large file. What they miss, the contents tell.
func TestAGraphOfOtherContentsIsForgotten(t *testing.T) {
	s, cache := ctcSpec(t), t.TempDir()
	g := mustCompile(t, s, cache, model.CompileOptions{})
	digest(t, g)
	write(t, filepath.Join(filepath.Dir(g.Path), "digest"), []byte(strings.Repeat("0", 64)))
	if _, err := g.Digest(t.Context()); err == nil || !strings.Contains(err.Error(), "built from other weights") {
		t.Errorf("error %v", err)
	}
	if left := entries(t, cache); len(left) > 0 {
		t.Errorf("the cache keeps %v", left)
	}
	digest(t, mustCompile(t, s, cache, model.CompileOptions{}))
}

func TestTheDigestStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ctcSpec(t).Digest(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestGraphsThatNobodyCanAskForAreSwept(t *testing.T) {
	for name, tc := range map[string]struct {
		age  time.Duration
		gone bool // the checkpoint is
		want bool // swept
	}{
		"used this month":                    {29 * 24 * time.Hour, false, false},
		"not used this month":                {31 * 24 * time.Hour, false, true},
		"of a checkpoint that is gone":       {2 * time.Hour, true, true},
		"of a checkpoint that has just gone": {time.Minute, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir, cache := copyCase(t, "Data2VecAudioForCTC/base"), t.TempDir()
			g := mustCompile(t, mustOpen(t, dir), cache, model.CompileOptions{})
			must(t, os.Chtimes(filepath.Join(filepath.Dir(g.Path), "manifest.json"), time.Time{}, time.Now().Add(-tc.age)))
			if tc.gone {
				must(t, os.Remove(filepath.Join(dir, "model.safetensors")))
			}
			mustCompile(t, ctcSpec(t), cache, model.CompileOptions{}) // another checkpoint's
			if _, err := os.Stat(g.Path); (err != nil) != tc.want {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
