package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unraced are directories with goroutines whose tests make race leaves out, and why.
var unraced = map[string]string{
	"docs":              "its goroutines are servers that stand in for what the documents' commands ask, and the commands are other processes",
	"embed/golden":      "its goroutine is the engine's, which the tests of embed race",
	"integration":       "its goroutines are the tests' own: what they look at are other processes, of the program as it ships",
	"internal/cli":      "its tests run whole commands, many as other processes, and take 108 seconds of CPU time under the detector: what runs at once in these is internal/wire's and below, whose tests race it",
	"sinks/parquetfile": "its tests are of one goroutine, and take 31 seconds of CPU time under the detector: its lock and its pool are shared in the tests of sinks/parquetsink",
	"tools":             "a lock that keeps one goroutine on its thread",
}

// sharing are the imports of packages in which goroutines are started or share something.
var sharing = []string{"sync", "sync/atomic", "golang.org/x/sync/errgroup"}

// TestWhatRunsAtOnceIsRaced wants every package that starts goroutines, or guards what they share, in make race, if it has tests; of RACESOME, whose tests are run by their names, every test that
// starts goroutines. It does not see who guards nothing and is called from several: the callers' tests do.
func TestWhatRunsAtOnceIsRaced(t *testing.T) {
	whole, some, names := raced(t, "RACE ?="), raced(t, "RACESOME :="), regexp.MustCompile(setting(t, "RACETESTS :="))
	dirs, left := slices.Sorted(maps.Keys(unraced)), map[string]bool{}
	for _, p := range packages(t) {
		at := strings.TrimPrefix(p.ImportPath, "vecmill/")
		dir := slices.IndexFunc(dirs, func(dir string) bool { return below(at, dir) })
		files := parse(t, &p)
		switch why := concurrent(files); {
		case why == "" || len(p.TestGoFiles)+len(p.XTestGoFiles) == 0 || whole[p.ImportPath]:
		case dir >= 0:
			left[dirs[dir]] = true
		case some[p.ImportPath]:
			for _, name := range starters(files) {
				if !names.MatchString(name) {
					t.Errorf("%s: RACETESTS of the Makefile does not run %s, which starts goroutines", at, name)
				}
			}
		default:
			t.Errorf("%s is in neither RACE nor RACESOME of the Makefile: %s", at, why)
		}
	}
	for _, dir := range dirs {
		if !left[dir] {
			t.Errorf("%s needs no exception any more", dir)
		}
	}
}

// setting is what a line of the Makefile gives a variable.
func setting(t *testing.T, variable string) string {
	t.Helper()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, variable); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("the Makefile has no %s", variable)
	return ""
}

// raced are the packages that a variable of the Makefile names.
func raced(t *testing.T, variable string) map[string]bool {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, strings.Fields(setting(t, variable))...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list of %s: %v", variable, err)
	}
	all := map[string]bool{}
	for _, p := range strings.Fields(string(out)) {
		all[p] = true
	}
	return all
}

// parse reads a package's files, and its tests', by name.
func parse(t *testing.T, p *pkg) map[string]*ast.File {
	t.Helper()
	all := map[string]*ast.File{}
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = file
	}
	return all
}

// concurrent says which of some files has to do with goroutines that run at once; "" if none.
func concurrent(files map[string]*ast.File) string {
	for name, file := range files {
		for _, imp := range file.Imports {
			if path := strings.Trim(imp.Path.Value, `"`); slices.Contains(sharing, path) {
				return name + " imports " + path
			}
		}
		if starts(file) {
			return name + " starts a goroutine"
		}
	}
	return ""
}

// starters are the tests that start goroutines themselves.
func starters(files map[string]*ast.File) (names []string) {
	for name, file := range files {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") && starts(f) {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

// starts says whether something starts a goroutine: by a go statement, or by the method Go of a group.
func starts(n ast.Node) (yes bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			yes = true
		case *ast.SelectorExpr:
			yes = yes || n.Sel.Name == "Go"
		}
		return !yes
	})
	return yes
}
