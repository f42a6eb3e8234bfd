package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/model/config"
)

// Both files that transformers has written are read, the older one first.
func TestReadProcessor(t *testing.T) {
	const older, newer = "preprocessor_config.json", "processor_config.json"
	for _, c := range []struct {
		name      string
		files     map[string]string
		from      string
		class     string
		extractor string
	}{
		{"the older file", map[string]string{older: `{"sampling_rate":8000,"processor_class":"Wav2Vec2Processor"}`}, older, "Wav2Vec2Processor", `{"sampling_rate":8000,"processor_class":"Wav2Vec2Processor"}`},
		{"the newer one", map[string]string{newer: `{"feature_extractor":{"sampling_rate":8000},"processor_class":"Wav2Vec2ProcessorWithLM"}`}, newer, "Wav2Vec2ProcessorWithLM", `{"sampling_rate":8000}`},
		{"both", map[string]string{older: `{}`, newer: `{"feature_extractor":{"sampling_rate":8000},"processor_class":"X"}`}, older, "", `{}`},
		{"no extractor", map[string]string{newer: `{"feature_extractor":null,"processor_class":null}`}, newer, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				write(t, dir, name, text)
			}
			p, err := config.ReadProcessor(dir)
			if err != nil || p.Path != filepath.Join(dir, c.from) || p.Nested != (c.from == newer) || p.Class != c.class || string(p.Extractor) != c.extractor {
				t.Errorf("got %+v with %s, %v", p, p.Extractor, err)
			}
		})
	}
}

func TestReadProcessorErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := config.ReadProcessor(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without either file: %v", err)
	}
	write(t, dir, "processor_config.json", `{"processor_class":`)
	if _, err := config.ReadProcessor(dir); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "processor_config.json")) {
		t.Errorf("a file that ends early: %v", err)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
