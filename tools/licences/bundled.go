package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// bundled says of each text that is embedded in the binaries what it is of and under which licence that is.
var bundled = map[string]struct{ of, licence string }{
	"assets/uPlot.LICENSE":                {"uPlot, which draws the charts of the live page", "MIT"},
	"models/audio-ctc/LICENSE":            {"the weights of the bundled speech model", "CC-BY-SA-4.0"},
	"models/audio-ctc/ATTRIBUTION.md":     {"the recordings that the speech model learnt from", "CC-BY-SA-4.0"},
	"models/text-intent/ATTRIBUTION.md":   {"the bundled text model, under this repository's licence, and the sentences that it learnt from", "Apache-2.0, CC0-1.0"},
	"models/vision-digits/ATTRIBUTION.md": {"the bundled picture model, under this repository's licence, and the digits that it learnt from", "Apache-2.0, CC-BY-4.0"},
	"samples/ATTRIBUTION.md":              {"the bundled samples: clips and sentences, under this repository's licence, and pictures", "Apache-2.0, CC-BY-4.0"},
}

// embedded are the texts that packages of the main module embed, by where they go, which is their path in their package. It is in a directory: goreleaser's **/* takes no others.
func embedded(dir string) (map[string]string, error) {
	all, err := list(dir, architectures[0], false)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, p := range all {
		if p.Module == nil || !p.Module.Main {
			continue
		}
		for _, file := range p.EmbedFiles {
			name := filepath.Base(file)
			if !isLicence(name) && !begins(name, notices...) && !begins(name, "ATTRIBUTION") && !strings.HasSuffix(name, ".LICENSE") {
				continue
			}
			if other := texts[file]; other != "" {
				return nil, fmt.Errorf("%s is in %s, too: one of them needs another name", file, other)
			}
			texts[file] = filepath.Join(p.Dir, filepath.FromSlash(file))
		}
	}
	return texts, nil
}

// writeEmbedded copies the texts that are embedded below to.
func writeEmbedded(to, dir string) error {
	texts, err := embedded(dir)
	if err != nil {
		return err
	}
	for file, from := range texts {
		if err := copyText(from, filepath.Join(to, filepath.FromSlash(file))); err != nil {
			return err
		}
	}
	return nil
}

// writeBundled lists the texts that are embedded. It fails for one that nobody has said the licence of, and for one that is not there any more.
func writeBundled(w io.Writer, dir string) error {
	texts, err := embedded(dir)
	if err != nil {
		return err
	}
	fmt.Fprint(w, "| text | of | licence |\n| --- | --- | --- |\n")
	var faults []error
	for _, file := range slices.Sorted(maps.Keys(bundled)) {
		if texts[file] == "" {
			faults = append(faults, fmt.Errorf("%s: no binary has it", file))
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", file, bundled[file].of, bundled[file].licence)
	}
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		if bundled[file].of == "" {
			faults = append(faults, fmt.Errorf("%s: tools/licences does not know what it is of, and under which licence that is", file))
		}
	}
	return errors.Join(faults...)
}
