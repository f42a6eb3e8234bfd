package cli

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/status"
)

// What the live page advises names commands among other words: those behind a program that are its commands, and then flags and, in capitals, what they want.
var (
	knownRE   = regexp.MustCompile(`(?m)^  (?:worker|backfill) ([a-z]+)`)
	advisedRE = regexp.MustCompile(`\b(worker|backfill)((?: [a-z]+)+(?: --[a-z-]+| [A-Z]{2,})*)`)
)

// TestCommandsThatTheLivePageAdvisesAreWhole gives each to its program as it is written, with files that are not there: it gets as far as looking for one of them. What it does with files is not proved.
func TestCommandsThatTheLivePageAdvisesAreWhole(t *testing.T) {
	programs := map[string]func(...string) (int, string, string){
		"worker":   func(args ...string) (int, string, string) { return call(worker, args...) },
		"backfill": func(args ...string) (int, string, string) { return call(backfiller, args...) },
	}
	nowhere, found := t.TempDir(), map[string]bool{}
	for _, advice := range status.Advices() {
		for _, m := range advisedRE.FindAllStringSubmatch(advice, -1) {
			program, words := programs[m[1]], strings.Fields(m[2])
			_, usage, _ := program("help")
			if !slices.ContainsFunc(knownRE.FindAllStringSubmatch(usage, -1), func(known []string) bool { return known[1] == words[0] }) {
				continue
			}
			found[words[0]] = true
			for i, word := range words {
				if word == strings.ToUpper(word) {
					words[i] = filepath.Join(nowhere, word)
				}
			}
			if code, stdout, stderr := program(words...); code == 0 || stdout != "" || !strings.Contains(stderr, nowhere) {
				t.Errorf("%s: exit %d: %s%s", m[0], code, stdout, stderr)
			}
		}
	}
	if !found["config"] || !found["predict"] || !found["doctor"] {
		t.Errorf("the commands are %v", found)
	}
}
