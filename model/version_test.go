package model_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/model"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/graphs.txt anew")

// A graph that changes without a new compiler version would leave old ones in use in every cache. testdata/graphs.txt keeps the version and the digest
// of each compiled model file; a change needs a raised CompilerVersion, unless it changes no number, and -rewrite. It does not see a change in folded constants
// alone: those lie in the data file, whose last bits depend on the processor.
func TestAChangedGraphNeedsANewCompilerVersion(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(golden, "*", "*", "config.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "compiler %d\n", model.CompilerVersion)
	for _, d := range dirs {
		name, err := filepath.Rel(golden, filepath.Dir(d))
		if err != nil {
			t.Fatal(err)
		}
		spec := mustOpen(t, copyCase(t, name)) // a copy: one file system, so the weights are linked
		add := func(kind string, o model.CompileOptions) {
			g := mustCompile(t, spec, t.TempDir(), o)
			fmt.Fprintln(&b, strings.TrimSpace(filepath.ToSlash(name)+" "+kind), fmt.Sprintf("%x", sha256.Sum256(read(t, g.Path))))
		}
		for _, p := range []model.Precision{model.Single, model.Int8, model.Half} {
			add(string(p), model.CompileOptions{Precision: p})
		}
		if spec.Packs() == nil {
			add("packed", model.CompileOptions{Packed: true})
		}
	}
	const path = "testdata/graphs.txt"
	if *rewrite {
		write(t, path, []byte(b.String()))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() == string(want) {
		return
	}
	gotLines, wantLines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	if gotLines[0] == wantLines[0] {
		t.Errorf("graphs changed under the same compiler version: raise it in compile.go, unless the older ones give the very same numbers, then run this test with -rewrite\n%s", diff(gotLines, wantLines))
		return
	}
	t.Errorf("the compiler version changed: run this test with -rewrite and review\n%s", diff(gotLines, wantLines))
}

func diff(got, want []string) string {
	have := map[string]bool{}
	for _, w := range want {
		have[w] = true
	}
	var out []string
	for _, g := range got {
		if !have[g] {
			out = append(out, "now "+g)
		}
	}
	return strings.Join(out, "\n")
}
