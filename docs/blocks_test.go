package docs

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/goccy/go-yaml"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/stream/refcodec/celmap"
)

// TestEveryBlockIsHeld looks at the blocks that are neither commands nor files for these: each is of a kind that something here, or a test elsewhere, understands.
func TestEveryBlockIsHeld(t *testing.T) {
	looked := 0
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			looked++
			switch b.kind {
			case "yaml":
				if err := settings(b.text); err != nil {
					t.Errorf("%s: %v in\n%s", d.path, err, b.text)
				}
			case "json":
				for line := range strings.Lines(b.text) {
					if _, err := schemas.ParseRef([]byte(line)); err != nil {
						t.Errorf("%s: %v in %s", d.path, err, line)
					}
				}
			case "cel":
				if _, err := celmap.NewMapping(d.path, b.text); err != nil {
					t.Errorf("%s: %v in\n%s", d.path, err, b.text)
				}
			case "text":
				for _, word := range strangeWords(t, b.text) {
					t.Errorf("%s: no program prints %q of\n%s", d.path, word, b.text)
				}
			case "sql": // by duckdb
				if !hasTest(t, "../integration/sinks", "TestTheDocumentsQueries") {
					t.Errorf("%s: no test runs\n%s", d.path, b.text)
				}
			default:
				t.Errorf("%s: nothing holds a block of kind %q:\n%s", d.path, b.kind, b.text)
			}
		}
	}
	if looked < 4 {
		t.Errorf("only %d blocks", looked)
	}
}

// printers are what prints what blocks of text show: progress, its stages, audits and classes of dead letters.
var printers = []string{"../internal/wire/audit.go", "../internal/cli/status.go", "../internal/progress/text.go", "../internal/progress/against.go", "../internal/status/status.go", "../schemas/reason.go"}

// strangeWords are the words of a block of text that are in no printer's source; names of the example are not looked for.
func strangeWords(t *testing.T, text string) (all []string) {
	t.Helper()
	var source strings.Builder
	for _, path := range printers {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	text = strings.NewReplacer("s3://lake/rows", "", "s3://lake/enriched", "").Replace(text)
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && r != '-' }) {
		if len(word) > 2 && !slices.Contains([]string{"calls", "plan", "refs", "speech"}, word) && !strings.Contains(source.String(), word) {
			all = append(all, word)
		}
	}
	return all
}

// settings wants a part of a configuration: of a worker's file, of one pipeline, or of the chart's values.
func settings(text string) error {
	text = strings.ReplaceAll(text, ", ...}", "}") // and so on
	file := yaml.UnmarshalWithOptions([]byte(text), config.NewDefaultConfig(), yaml.Strict())
	pipeline := yaml.UnmarshalWithOptions([]byte(text), new(config.Pipeline), yaml.Strict())
	if file == nil || pipeline == nil {
		return nil
	}
	b, err := os.ReadFile("../helm/vecmill/values.yaml")
	if err != nil {
		return err
	}
	var chart, part map[string]any
	if err := yaml.Unmarshal(b, &chart); err != nil {
		return err
	}
	if err := yaml.Unmarshal([]byte(text), &part); err != nil {
		return err
	}
	if unknown := strangers("", part, chart); unknown != "" {
		return fmt.Errorf("no pipeline has it (%w), and the chart has no %s", pipeline, unknown)
	}
	return nil
}

// strangers is the first key of part that all has not. What is empty in all, such as labels, is there to be filled.
func strangers(path string, part, all map[string]any) string {
	for key, v := range part {
		known, ok := all[key]
		if !ok {
			return path + key
		}
		if below, ok := v.(map[string]any); ok {
			if of, ok := known.(map[string]any); !ok || len(of) > 0 && strangers(path+key+".", below, of) != "" {
				return path + key
			}
		}
	}
	return ""
}
