package docs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestWhatProseNamesExists looks at code spans, indented lines, commands and other blocks of all documents, at how the examples say that they are run, and at what alerts say: our programs have the commands and flags that are named.
func TestWhatProseNamesExists(t *testing.T) {
	s := newSite(t)
	dir := s.clone(t, document{})
	helps, looked := map[string]string{}, 0
	for _, d := range slices.Concat(documents(t), comments(t), []document{alerts(t)}) {
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

// ourCommandRE is how commands of ours begin.
var ourCommandRE = regexp.MustCompile(`\b(worker|backfill) (audit|config|demo|dlq|doctor|plan|predict|reembed|run|simulate|status)\b`)

// alerts are what the rules for Prometheus tell whoever is called, as prose. The reason of dead letters stands there as in the documents.
func alerts(t *testing.T) document {
	t.Helper()
	d := document{path: "../deploy/prometheus/alerts.yaml"}
	b, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Annotations map[string]string }
		}
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			for _, text := range r.Annotations {
				d.spans(t, strings.ReplaceAll(text, "{{ $labels.reason }}", "R"))
				if command := ourCommandRE.FindString(spanRE.ReplaceAllString(text, "")); command != "" {
					t.Errorf("%s: %s is to be a span of %s", d.path, command, text)
				}
			}
		}
	}
	for _, line := range d.prose { // prose may leave the configuration out; whoever is called at night has nothing but the line
		if commandOf(line) != "" && !strings.Contains(line, " --config ") {
			t.Errorf("%s: %s lacks --config", d.path, line)
		}
	}
	if len(d.commands) == 0 {
		t.Errorf("%s has no command", d.path)
	}
	return d
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
