package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Processor is what an audio checkpoint says of the processor that goes with it.
type Processor struct {
	Path      string          // of the file that says it
	Nested    bool            // that is processor_config.json: a newer transformers has written only this
	Class     string          // processor_class, "" if the file does not say
	Extractor json.RawMessage // the feature extractor's settings, an object; nil if the file has none
}

// ReadProcessor reads preprocessor_config.json of a checkpoint's directory, or processor_config.json if there is only that. The error is an fs.ErrNotExist
// if there is neither.
func ReadProcessor(dir string) (Processor, error) {
	p := Processor{Path: filepath.Join(dir, "preprocessor_config.json")}
	raw, err := os.ReadFile(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		p.Path, p.Nested = filepath.Join(dir, "processor_config.json"), true
		raw, err = os.ReadFile(p.Path)
	}
	if err != nil {
		return Processor{}, fmt.Errorf("reading the processor's settings: %w", err)
	}
	var doc struct {
		Class     *string         `json:"processor_class"`
		Extractor json.RawMessage `json:"feature_extractor"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Processor{}, fmt.Errorf("reading %s: %w", p.Path, err)
	}
	if doc.Class != nil {
		p.Class = *doc.Class
	}
	switch {
	case !p.Nested:
		p.Extractor = raw
	case string(doc.Extractor) != "null":
		p.Extractor = doc.Extractor
	}
	return p, nil
}
