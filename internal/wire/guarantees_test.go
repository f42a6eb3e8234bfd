package wire

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryTestThatIsNamedInTheGuaranteesExists keeps docs/guarantees.md, and what other documents name so: `package: TestName`, and in the same paragraph `TestName`
// alone, of the package that was named last.
func TestEveryTestThatIsNamedInTheGuaranteesExists(t *testing.T) {
	for document, least := range map[string]int{"guarantees.md": 40, "sinks.md": 10, "schemas.md": 4} {
		t.Run(document, func(t *testing.T) { testsNamedIn(t, document, least) })
	}
}

func testsNamedIn(t *testing.T, document string, least int) {
	t.Helper()
	root := filepath.Join("..", "..")
	b, err := os.ReadFile(filepath.Join(root, "docs", document))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(?:([a-z0-9/]+): )?((?:Test|Fuzz)[A-Z]\\w*)`")
	found := 0
	for paragraph := range strings.SplitSeq(string(b), "\n\n") {
		pkg := ""
		for _, m := range named.FindAllStringSubmatch(paragraph, -1) {
			if m[1] != "" {
				pkg = m[1]
			}
			if pkg == "" {
				t.Errorf("%s is named without its package", m[2])
				continue
			}
			if !tests(t, filepath.Join(root, filepath.FromSlash(pkg)), m[2]) {
				t.Errorf("there is no test %s in %s", m[2], pkg)
			}
			found++
		}
	}
	if found < least {
		t.Errorf("%d tests are named, which cannot be all: has the form of the document changed?", found)
	}
}

// tests says whether a package's tests have a function.
func tests(t *testing.T, dir, function string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nfunc "+function+"(") {
			return true
		}
	}
	return false
}
