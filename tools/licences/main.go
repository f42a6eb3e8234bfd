// Command licences writes docs/licences.md: the modules that the binaries are linked from, and those that builds with Iceberg tables are linked from besides, with the licences that their
// texts are. It fails for a module without a licence text, or whose text is none of those that may be linked into a binary that is given away under the Apache licence.
//
//	go run . -dir ../.. > docs/licences.md
//	go run . -dir ../.. -texts DIR [-iceberg]
//
// With -texts it writes the texts themselves into a directory, which goes with the binaries, with those of what is embedded in them; with -iceberg those of builds with Iceberg tables.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences that ask for no more than their text beside the binary; of the Mozilla licence also the source of the module's own files, which
// its path and version name.
var allowed = []string{
	"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "0BSD", "Unlicense", "CC0-1.0", "MPL-2.0", "BSD-1-Clause", "BSD-2-Clause-Views", "BSL-1.0", "NCSA", "OpenSSL", "HPND",
}

// unlicensed are modules without a licence text that are linked all the same, and why. Who redistributes a binary should know.
var unlicensed = map[string]string{
	"github.com/JohnCGriffin/overflow": "none in the module; arrow/go/v17 imports it (mod v0.0.0-20211019200055 is its last version)",
}

// share of a text, in percent, that must be known words of licences.
const share = 60

type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
	packages           []string // directories of what is linked
}

func main() {
	dir := flag.String("dir", ".", "directory of the module")
	texts := flag.String("texts", "", "directory that gets the texts, in place of the table")
	iceberg := flag.Bool("iceberg", false, "with -texts: those of builds with Iceberg tables")
	flag.Parse()
	if err := run(os.Stdout, *dir, *texts, *iceberg); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, dir, texts string, iceberg bool) error {
	if texts != "" {
		modules, err := linked(dir, iceberg)
		if err != nil {
			return err
		}
		return errors.Join(writeTexts(texts, modules), writeEmbedded(texts, dir))
	}
	modules, err := linked(dir, false)
	if err != nil {
		return err
	}
	more, err := linked(dir, true)
	if err != nil {
		return err
	}
	more = slices.DeleteFunc(more, func(m module) bool {
		return slices.ContainsFunc(modules, func(o module) bool { return m.Path == o.Path && m.Version == o.Version })
	})
	fmt.Fprint(w, `# Licences of what is linked

Written by `+"`make licences`"+` from the licence texts of the modules that `+"`worker` and `backfill`"+` are linked from; they have Go's standard library (BSD-3-Clause) in them, too, and what is [bundled](#bundled).
Images and release archives have the texts in `+"`licences/`"+`, with those of ONNX Runtime (MIT), which is loaded at run time from `+"`lib/`"+`, and of its parts. The image for GPUs also has CUDA and cuDNN there, under NVIDIA's own terms, whose texts lie beside the others.
The system's libraries that are loaded at run time (libsndfile, libsoxr: LGPL-2.1; libturbojpeg: BSD-3-Clause, IJG) are packages of the image's distribution, which keeps their texts in `+"`/usr/share/doc`"+`; archives do not carry them.

`)
	err = writeTable(w, modules)
	fmt.Fprint(w, `
## Bundled

What is embedded in the programs and comes from elsewhere, with its text in `+"`licences/`"+`.

`)
	err = errors.Join(err, writeBundled(w, dir))
	fmt.Fprint(w, `
## With Iceberg tables

What builds with `+"`make build ICEBERG=1`"+` are linked from besides, and images with `+"`--build-arg ICEBERG=1`"+`, which have these texts, too. In github.com/apache/arrow-go/v18 two symbols are marked as duplicates (`+"`tools/iceberg-modfile.sh`"+`).

`)
	return errors.Join(err, writeTable(w, more))
}

// writeTable writes what it can, and says what is wrong with the others.
func writeTable(w io.Writer, modules []module) error {
	fmt.Fprint(w, "| module | version | licence |\n| --- | --- | --- |\n")
	var faults []error
	for _, m := range modules {
		ids, err := licences(m.Dir)
		if why := unlicensed[m.Path]; why != "" && errors.Is(err, errNone) {
			ids, err = []string{why}, nil
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s %s: %w", m.Path, m.Version, err))
			continue
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", m.Path, m.Version, strings.Join(ids, ", "))
	}
	return errors.Join(faults...)
}

// architectures that binaries are built for: a module may be linked on one of them only.
var architectures = []string{"amd64", "arm64"}

// linked are the modules of the packages that the binaries import, with Iceberg tables or without, but for the main module, by path. The go.mod that such builds are linked with names a place in the user's cache, and changes
// no version.
func linked(dir string, iceberg bool) ([]module, error) {
	seen := map[string]module{}
	for _, arch := range architectures {
		packages, err := list(dir, arch, iceberg)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			m := p.Module
			if m == nil || m.Main {
				continue
			}
			if m.Replace != nil {
				m = m.Replace
			}
			m.packages = append(seen[m.Path].packages, p.Dir)
			seen[m.Path] = *m
		}
	}
	all := slices.Collect(maps.Values(seen))
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// linkedPackage is one that a binary imports.
type linkedPackage struct {
	Module     *module
	Dir        string
	EmbedFiles []string
}

// list are the packages that the binaries import on an architecture, with Iceberg tables or without.
func list(dir, arch string, iceberg bool) (all []linkedPackage, err error) {
	args := []string{"list", "-deps", "-json=Module,Dir,EmbedFiles"}
	if iceberg {
		args = append(args, "-tags", "iceberg")
	}
	cmd := exec.Command("go", append(args, "./cmd/...")...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=1")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linkedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, p)
	}
}

var errNone = errors.New("no licence text that is known")

// licences are those of a module's licence texts, sorted.
func licences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() || !isLicence(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		cover := licensecheck.Scan(text)
		if cover.Percent < share {
			continue
		}
		for _, m := range cover.Match {
			if m.IsURL {
				continue
			}
			if !slices.Contains(allowed, m.ID) {
				return nil, fmt.Errorf("%s is %s, which is none of %s", e.Name(), m.ID, strings.Join(allowed, ", "))
			}
			found[m.ID] = true
		}
	}
	if len(found) == 0 {
		return nil, errNone
	}
	var ids []string
	for id := range found {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}
