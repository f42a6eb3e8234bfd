package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pathRE is a path below one of the repository's directories, with or without a name in that package behind it.
var pathRE = regexp.MustCompile(`^(?:cmd|deploy|docs|embed|helm|integration|internal|model|schemas|sinks|stream|tools)(?:/[\w*.-]+)+/?$`)

// isThere says whether a span names a file or a directory of the repository, some by a pattern, or a name in a package of it. That there is such a name is not looked at.
func isThere(span string) bool {
	path := filepath.Join("..", span)
	if found, err := filepath.Glob(path); err == nil && len(found) > 0 {
		return true
	}
	dir, base := filepath.Split(path)
	pkg, name, ok := strings.Cut(base, ".")
	if !ok || name == "" || strings.ToUpper(name[:1]) != name[:1] {
		return false
	}
	st, err := os.Stat(filepath.Join(dir, pkg))
	return err == nil && st.IsDir()
}

// TestEveryPathThatIsNamedIsThere takes the paths of this repository in code spans: whoever adds a head, a sink or a modality goes by them.
func TestEveryPathThatIsNamedIsThere(t *testing.T) {
	named := 0
	for _, d := range documents(t) {
		for _, span := range d.prose {
			if !pathRE.MatchString(span) {
				continue
			}
			if named++; !isThere(span) {
				t.Errorf("%s names %s, which is not there", d.path, span)
			}
		}
	}
	if named < 60 {
		t.Errorf("only %d paths are named", named)
	}
	for span, want := range map[string]bool{"embed/batcher.go": true, "internal/audit.Output": true, "embed/heads": true, "docs/*.md": true, "embed/batch.go": false, "internal/nowhere.Output": false, "model/open.goo": false} {
		if !pathRE.MatchString(span) || isThere(span) != want {
			t.Errorf("%s is there: %v, want %v", span, !want, want)
		}
	}
}
