package harness

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// InCI says whether a missing program must fail the test instead of skipping it: the environment has CI=true.
func InCI() bool { return os.Getenv("CI") == "true" }

// Missing ends the test because what is not on this machine: it skips on a person's machine and fails where CI=true.
// install is the command, or the sentence, that puts it there.
func Missing(tb testing.TB, what, install string) {
	tb.Helper()
	if InCI() {
		tb.Fatalf("not on this machine, and CI=true: %s: %s", what, install)
	}
	tb.Skipf("not on this machine: %s: %s", what, install)
}

// ModuleRoot is the directory of the go.mod above the test's working directory.
func ModuleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatalf("finding the module root: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatalf("finding the module root: no go.mod above the working directory")
		}
		dir = parent
	}
}

// fetched is the path that tools/<script> --check prints: where the script keeps what it fetches. The scripts alone know
// versions and places; they fetch nothing when asked to check.
func fetched(tb testing.TB, script, what string, args ...string) string {
	tb.Helper()
	cmd := exec.Command("bash", append([]string{filepath.Join(ModuleRoot(tb), "tools", script), "--check"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		tb.Fatalf("running tools/%s --check: %v", script, err)
	}
	if err != nil {
		Missing(tb, what, "run tools/"+script+" ("+strings.TrimSpace(stderr.String())+")")
	}
	return strings.TrimSpace(string(out))
}

// Readers is the directory, for PYTHONPATH, of pyarrow, duckdb and polars.
func Readers(tb testing.TB) string {
	tb.Helper()
	return fetched(tb, "fetch-readers.sh", "the Python packages pyarrow, duckdb and polars")
}

// Packages is the directory, for PYTHONPATH, of what the requirements.txt of the test's own directory names.
func Packages(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	return fetched(tb, "fetch-readers.sh", "the Python packages of "+dir, dir)
}

// DecodePeers is the directory of Python packages that decoding is measured against.
func DecodePeers(tb testing.TB) string {
	tb.Helper()
	return fetched(tb, "fetch-decode-peers.sh", "the libraries that decoding is measured against")
}

// OpenSearch is the directory of an OpenSearch node: lib/*.jar and classes/Main.class.
func OpenSearch(tb testing.TB) string {
	tb.Helper()
	return fetched(tb, "fetch-opensearch.sh", "OpenSearch")
}
