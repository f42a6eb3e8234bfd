//go:build cgo

package ortsession_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/embed/ortsession"
	"vecmill/embed/ortsession/orttest"
)

// TestUnusableLibraries opens a session in a process of its own, because a process loads the library once.
func TestUnusableLibraries(t *testing.T) {
	if os.Getenv("ORTSESSION_CHILD") != "" {
		_, err := ortsession.Open(t.Context(), graph("affine"), ortsession.Options{})
		_, again := ortsession.Open(t.Context(), graph("affine"), ortsession.Options{})
		if !errors.Is(err, ortsession.ErrNoLibrary) || !errors.Is(again, ortsession.ErrNoLibrary) {
			t.Fatalf("got %v, then %v", err, again)
		}
		t.Fatalf("OPEN: %v", err)
	}
	dir := t.TempDir()
	garbage := filepath.Join(dir, "libonnxruntime.so.1.24.4")
	if err := os.WriteFile(garbage, []byte("not an ELF file"), 0o700); err != nil {
		t.Fatal(err)
	}
	old := orttest.TooOld(t, dir)
	for _, c := range []struct {
		name  string
		env   []string
		parts []string
	}{
		{"a missing file", []string{"VECMILL_ORT_LIB=" + filepath.Join(dir, "none.so")}, []string{"VECMILL_ORT_LIB", "none.so", "make ort"}},
		{"garbage", []string{"VECMILL_ORT_LIB=" + garbage}, []string{garbage, "1.24", "make ort"}},
		{"an empty cache", []string{"VECMILL_ORT_LIB=", "VECMILL_CACHE=" + dir}, []string{"onnxruntime/1.24.4", "1.24", "make ort", "VECMILL_ORT_LIB"}},
		{"a library that is too old", []string{"VECMILL_ORT_LIB=" + old}, []string{old, "version " + orttest.OldVersion, "1.24 or newer", "make ort"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestUnusableLibraries$")
			cmd.Env = append(append(os.Environ(), "ORTSESSION_CHILD=1"), c.env...)
			out, err := cmd.CombinedOutput()
			if _, exited := errors.AsType[*exec.ExitError](err); !exited {
				t.Fatalf("the child ended with %v: %s", err, out)
			}
			_, said, ok := strings.Cut(string(out), "OPEN: ")
			if !ok {
				t.Fatalf("the child did not come to open: %s", out)
			}
			for _, part := range c.parts {
				if !strings.Contains(said, part) {
					t.Errorf("%q does not name %q", said, part)
				}
			}
		})
	}
}

func TestLibrarySaysWhatIsLoaded(t *testing.T) {
	path, version, err := ortsession.Library()
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := ortsession.Library()
	if err != nil || again != path || version == "" || !filepath.IsAbs(path) && os.Getenv("VECMILL_ORT_LIB") == "" {
		t.Errorf("%q version %q, then %q, %v", path, version, again, err)
	}
}

func TestALibraryThatTheOptionsAskForIsTheOneOrAnError(t *testing.T) {
	path, _, err := ortsession.Library()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "libonnxruntime.so")
	_, err = ortsession.Open(t.Context(), graph("affine"), ortsession.Options{Library: other})
	if !errors.Is(err, ortsession.ErrNoLibrary) || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), path) {
		t.Errorf("asked for %s with %s loaded: %v", other, path, err)
	}
	s, err := ortsession.Open(t.Context(), graph("affine"), ortsession.Options{Library: path})
	if err != nil {
		t.Fatalf("asked for the one that is loaded: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
