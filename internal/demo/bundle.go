package demo

import (
	stdembed "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed models samples
var bundle stdembed.FS

// Sample is one bundled file with what a correct model says of it.
type Sample struct {
	File     string `json:"file"` // below samples
	Modality string `json:"modality"`
	Expected string `json:"expected"` // transcript or label
	About    string `json:"about"`
	Data     []byte `json:"-"`
}

// Samples gives the bundled samples in the order of their manifest.
func Samples() ([]Sample, error) {
	b, err := bundle.ReadFile("samples/manifest.json")
	if err != nil {
		return nil, fmt.Errorf("reading the samples: %w", err)
	}
	var all []Sample
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("reading the samples: %w", err)
	}
	for i := range all {
		if all[i].Data, err = bundle.ReadFile("samples/" + all[i].File); err != nil {
			return nil, fmt.Errorf("reading the samples: %w", err)
		}
	}
	return all, nil
}

// WriteModels copies the bundled checkpoints into dir, one directory each: audio-ctc, text-intent, vision-digits.
func WriteModels(dir string) error {
	return fs.WalkDir(bundle, "models", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := bundle.ReadFile(path)
		if err != nil {
			return fmt.Errorf("unpacking the models: %w", err)
		}
		rel, err := filepath.Rel("models", filepath.FromSlash(path))
		if err != nil {
			return fmt.Errorf("unpacking the models: %w", err)
		}
		to := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("unpacking the models: %w", err)
		}
		return os.WriteFile(to, b, 0o644)
	})
}
