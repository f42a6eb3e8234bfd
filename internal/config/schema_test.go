package config

import (
	"strings"
	"testing"
)

// TestTheSchemaKnowsEverySetting compares it with the reference: each of its settings is there, with its words.
func TestTheSchemaKnowsEverySetting(t *testing.T) {
	var b strings.Builder
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(b.String()) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		found++
		if inSchema(strings.Trim(strings.TrimSpace(cells[1]), "`"))["type"] == nil {
			t.Errorf("%s is not in the schema", cells[1])
		}
	}
	if found < 100 {
		t.Errorf("the reference has %d settings only", found)
	}
}

// inSchema is what the schema says of a setting; nil: nothing.
func inSchema(path string) map[string]any {
	at := Schema()
	for name := range strings.SplitSeq(path, ".") {
		name, list := strings.CutSuffix(name, "[]")
		properties, _ := at["properties"].(map[string]any)
		at, _ = properties[name].(map[string]any)
		if list {
			at, _ = at["items"].(map[string]any)
		}
	}
	return at
}
