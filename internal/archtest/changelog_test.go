package archtest

import (
	"os"
	"strings"
	"testing"
)

// TestTheChangelogSaysEachThingOnce: a merge of two branches that both reworded an entry leaves both wordings. They begin alike.
func TestTheChangelogSaysEachThingOnce(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	const enough = 60 // characters, by which entries on one command differ
	seen := map[string]int{}
	for i, line := range strings.Split(string(text), "\n") {
		entry, ok := strings.CutPrefix(line, "* ")
		if !ok {
			continue
		}
		begins := entry[:min(enough, len(entry))]
		if first := seen[begins]; first > 0 {
			t.Errorf("lines %d and %d begin alike: %s", first, i+1, begins)
		}
		seen[begins] = i + 1
	}
	if len(seen) < 100 {
		t.Errorf("%d entries", len(seen))
	}
}
