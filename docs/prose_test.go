package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestWhatProseNamesExists looks at code spans, indented lines, commands and other blocks of all documents, and at how the examples say that they are run: our programs have the commands and flags that are named.
func TestWhatProseNamesExists(t *testing.T) {
	s := newSite(t)
	dir := s.clone(t, document{})
	helps, looked := map[string]string{}, 0
	for _, d := range append(documents(t), comments(t)...) {
		all := lines(d)
		for _, b := range d.blocks {
			all = append(all, strings.Split(b.text, "\n")...)
		}
		for _, line := range all {
			for part := range strings.SplitSeq(line, " && ") {
				if name := commandOf(part); name != "" {
					s.named(t, dir, d.path, name, shellWords(part), helps)
					looked++
				}
			}
		}
	}
	if looked < 80 {
		t.Errorf("only %d looked at", looked)
	}
}

// comments are the indented comments of the examples and of what docker reads, as prose.
func comments(t *testing.T) (all []document) {
	t.Helper()
	for _, path := range append(examples(t), "../deploy/Dockerfile", "../deploy/Dockerfile.cuda", "../deploy/compose.yaml") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := document{path: path}
		for line := range strings.Lines(string(b)) {
			if text, ok := strings.CutPrefix(line, "#   "); ok {
				d.prose = append(d.prose, strings.TrimSpace(text))
			}
		}
		if len(d.prose) == 0 {
			t.Errorf("%s does not say how it is run", path)
		}
		all = append(all, d)
	}
	return all
}

// withoutSettings leaves out settings of the environment before a command, and what substitutes it.
func withoutSettings(words []string) []string {
	for len(words) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
		words = words[1:]
	}
	if len(words) > 1 && words[0] == "eval" {
		words = shellWords(strings.Trim(words[1], "$()"))
	}
	return words
}

// named holds the flags of a command against the program's help, which has to know it.
func (s *site) named(t *testing.T, dir, path, name string, words []string, helps map[string]string) {
	t.Helper()
	help, ok := helps[name]
	if !ok {
		var err error
		if help, err = s.run(t, dir, "bin/"+name+" --help"); err != nil && name != "worker config reference" && name != "worker version" {
			t.Errorf("%s: %s: %v\n%s", path, name, err, help)
		}
		helps[name] = help
	}
	for _, w := range words {
		if flag, ok := strings.CutPrefix(strings.TrimLeft(w, "["), "--"); ok && flag != "" && flag != "help" {
			flag, _, _ = strings.Cut(strings.TrimRight(flag, "].,"), "=")
			if !regexp.MustCompile(`(?m)^  -` + flag + `\b`).MatchString(help) {
				t.Errorf("%s: %s has no flag --%s", path, name, flag)
			}
		}
	}
}
