package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var linkRE = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// anchor is what a heading is called in links, as on the usual hosts of repositories.
func anchor(heading string) string {
	heading = strings.ToLower(strings.Trim(heading, "# \n"))
	heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(heading, "")
	return strings.ReplaceAll(heading, " ", "-")
}

// TestEveryLinkLeadsSomewhere follows the links between files, and to headings within them. Addresses of the web are not asked.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	adr, err := filepath.Glob("adr/*.md")
	if err != nil {
		t.Fatal(err)
	}
	paths, followed := append(adr, "../CHANGELOG.md"), 0
	for _, d := range documents(t) {
		paths = append(paths, d.path)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range linkRE.FindAllStringSubmatch(string(b), -1) {
			to, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, ":") {
				continue
			}
			followed++
			target := filepath.Join(filepath.Dir(path), to)
			if to == "" {
				target = path
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if heading != "" && !hasHeading(t, target, heading) {
				t.Errorf("%s: %s has no heading #%s", path, target, heading)
			}
		}
	}
	if followed < 60 {
		t.Errorf("only %d links", followed)
	}
}

func hasHeading(t *testing.T, path, want string) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") && anchor(line) == want {
			return true
		}
	}
	return false
}
