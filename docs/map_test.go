package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// packageDirs are the directories of all Go packages of the repository, modules of their own included, relative to its root.
func packageDirs(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel("..", path) // both are relative
		switch {
		case err != nil:
			return err
		case d.IsDir() && rel != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"shared", "dist", "bin", "demo-out"}, rel)):
			return filepath.SkipDir
		case filepath.Ext(path) == ".go" && !slices.Contains(dirs, filepath.Dir(rel)):
			dirs = append(dirs, filepath.Dir(rel))
		}
		return nil
	})
	if err != nil || len(dirs) < 100 {
		t.Fatalf("%d packages, %v", len(dirs), err)
	}
	return dirs
}

// TestTheMapNamesEveryPackage holds the file map of architecture.md: what stands on the left is there, once, and every package stands on the left, or is named on the right of the directory above it.
func TestTheMapNamesEveryPackage(t *testing.T) {
	b, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	named, lines := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(b)) {
		left, right, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !ok || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, dir := range spanRE.FindAllStringSubmatch(left, -1) {
			if st, err := os.Stat(filepath.Join("..", dir[1])); err != nil || !st.IsDir() {
				t.Errorf("the map has %s, which is no directory", dir[1])
			}
			if lines[dir[1]] {
				t.Errorf("the map has %s twice", dir[1])
			}
			named[dir[1]], lines[dir[1]] = true, true
			for _, below := range spanRE.FindAllStringSubmatch(right, -1) {
				named[below[1]], named[dir[1]+"/"+below[1]] = true, true
			}
		}
	}
	for _, dir := range packageDirs(t) {
		if !named[dir] {
			t.Errorf("the map lacks %s", dir)
		}
	}
}

// TestDecisionsHaveTheirParts holds the form of docs/adr: a name with its day, a title, and four parts in order.
func TestDecisionsHaveTheirParts(t *testing.T) {
	all, err := filepath.Glob("adr/*")
	if err != nil || len(all) < 40 {
		t.Fatalf("%d decisions, %v", len(all), err)
	}
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^20\d{6}-[a-z0-9-]+\.md$`).MatchString(filepath.Base(path)) || !strings.HasPrefix(string(b), "# ") {
			t.Errorf("%s: want YYYYMMDD-slug.md with a title", path)
		}
		rest := string(b)
		for _, part := range []string{"Context", "Decision", "Alternatives", "Consequences"} {
			at := regexp.MustCompile(`(?m)^(## ` + part + `\b|\*\*` + part + `\b)`).FindStringIndex(rest)
			if at == nil {
				t.Errorf("%s: no %s, or not in its place", path, part)
				break
			}
			rest = rest[at[1]:]
		}
	}
}
