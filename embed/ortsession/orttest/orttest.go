// Package orttest builds shared libraries that say of themselves what a test wants to hear, with the C compiler that ortsession needs anyway: an ONNX Runtime that is too
// old, NVIDIA's libraries of some version. Nothing computes with them.
//
// Neighbours: ortsession asks libraries for their versions before it loads them for good; internal/wire's doctor prints what comes of it.
package orttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Compile builds the library at path from C code, with further arguments of the compiler and the linker.
func Compile(t testing.TB, path, code string, args ...string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "library.c")
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	cmd := exec.CommandContext(t.Context(), cc, append([]string{"-shared", "-fPIC", "-o", path, source}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compiling a library: %v: %s", err, out)
	}
}

// OldVersion is what the library of TooOld says that it is.
const OldVersion = "1.23.2"

// TooOld builds a library in dir that says it is ONNX Runtime 1.23.2, and gives its path.
func TooOld(t testing.TB, dir string) string {
	t.Helper()
	lib := filepath.Join(dir, "libonnxruntime.so."+OldVersion)
	Compile(t, lib, `static const void *api(unsigned v) { return 0; }
static const char *version(void) { return "`+OldVersion+`"; }
static const struct { const void *(*a)(unsigned); const char *(*b)(void); } base = {api, version};
const void *OrtGetApiBase(void) { return &base; }
`)
	return lib
}
