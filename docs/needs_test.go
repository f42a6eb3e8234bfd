package docs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWhatABuildNeedsIsNamed: of what CI installs where it is missing, a build takes the programs below, and who begins on a bare system is told their packages.
func TestWhatABuildNeedsIsNamed(t *testing.T) {
	ci, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, missing := range []string{"command -v make", "command -v gcc", "command -v git", "python3 -m pip"} {
		m := regexp.MustCompile(`(?m)^ *` + missing + `\b.*packages\+=\(([^)]+)\)`).FindSubmatch(ci)
		if m == nil {
			t.Fatalf("CI does not look for %s", missing)
		}
		want = append(want, strings.Fields(string(m[1]))...)
	}
	want = slices.DeleteFunc(want, func(p string) bool { return p == "python3" }) // pip's package brings it
	slices.Sort(want)
	for _, path := range []string{"../README.md", "quickstart.md"} {
		got := shellWords(span(t, path, "apt-get install "))[2:]
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: apt-get installs %v, want %v", path, got, want)
		}
	}
}
