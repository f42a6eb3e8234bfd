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
	cases := []struct {
		name  string
		env   []string
		parts []string
	}{
		{"a missing file", []string{"VECMILL_ORT_LIB=" + filepath.Join(dir, "none.so")}, []string{"VECMILL_ORT_LIB", "none.so", "make ort"}},
		{"garbage", []string{"VECMILL_ORT_LIB=" + garbage}, []string{garbage, "1.24", "make ort"}},
		{"an empty cache", []string{"VECMILL_ORT_LIB=", "VECMILL_CACHE=" + dir}, []string{"onnxruntime/1.24.4", "1.24", "make ort", "VECMILL_ORT_LIB"}},
	}
	if lib := tooOld(t, dir); lib != "" {
		cases = append(cases, struct {
			name  string
			env   []string
			parts []string
		}{"a library that is too old", []string{"VECMILL_ORT_LIB=" + lib}, []string{lib, "version 1.23.2", "1.24 or newer", "make ort"}})
	}
	for _, c := range cases {
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

// tooOld builds a library that says it is ONNX Runtime 1.23.2, if there is a C compiler (there is: this file needs cgo).
func tooOld(t *testing.T, dir string) string {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	source, lib := filepath.Join(dir, "old.c"), filepath.Join(dir, "old.so")
	code := `static const void *api(unsigned v) { return 0; }
static const char *version(void) { return "1.23.2"; }
static const struct { const void *(*a)(unsigned); const char *(*b)(void); } base = {api, version};
const void *OrtGetApiBase(void) { return &base; }
`
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), cc, "-shared", "-fPIC", "-o", lib, source).CombinedOutput(); err != nil {
		t.Fatalf("compiling a library: %v: %s", err, out)
	}
	return lib
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
