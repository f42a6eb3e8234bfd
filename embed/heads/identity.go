package heads

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"vecmill/model"
	"vecmill/schemas"
)

// Identity is what decides, beside a model's outputs, which payloads heads make of them: their options, the contents of the files that they read, and this code.
// What a preprocessor's digest has already, such as the tokenizer of texts, is no part of it.
type Identity struct {
	heads []identified
	paths []string // of the files of all heads, each once
	files *model.Files
}

// identified is a head with the version of its code, and the paths of its files, by what they are to it.
type identified struct {
	cfg     Config
	version int
	files   map[string]string
}

// Identify notes the files that heads of a checkpoint read, without reading them: before the heads are made, so that files that change meanwhile
// are found out. One that is not there is left out: New says if it must be.
func Identify(all []Config, spec *model.Spec) (*Identity, error) {
	id := &Identity{}
	for _, cfg := range all {
		files, err := filesOf(cfg, spec.Dir)
		if err != nil {
			return nil, fmt.Errorf("looking for the files of head %s: %w", cfg.Task, err)
		}
		maps.DeleteFunc(files, func(_, path string) bool {
			_, err := os.Stat(path)
			return errors.Is(err, fs.ErrNotExist)
		})
		id.heads = append(id.heads, identified{cfg, versionFor(cfg, spec), files})
		id.paths = slices.AppendSeq(id.paths, maps.Values(files))
	}
	slices.Sort(id.paths)
	id.paths = slices.Compact(id.paths)
	var err error
	id.files, err = model.FindFiles(id.paths)
	return id, err
}

// filesOf are the files that a head reads, by what they are to it.
func filesOf(cfg Config, dir string) (map[string]string, error) {
	if cfg.Task != schemas.TaskTranscript {
		return nil, nil
	}
	return cfg.Decoding.files(dir)
}

// Digests say which heads these are, in order: sha256 in hex over options, contents of files and the code's version. Paths are no part of it, nor are a
// version that is 0 and files that there are none of. The first call reads the files whole, on all processors, so call it beside other work; it fails if they
// have changed since Identify. Of options that JSON has no words for (an infinite threshold) there is none: "".
func (id *Identity) Digests(ctx context.Context) ([]string, error) {
	sums, err := id.files.Digests(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(id.heads))
	for i, h := range id.heads {
		contents := map[string]string{}
		for name, path := range h.files {
			at, _ := slices.BinarySearch(id.paths, path)
			contents[name] = sums[at]
		}
		all[i] = digest(h.cfg, h.version, contents)
	}
	return all, nil
}

// digest is that of a head; "" if JSON has no words for its options.
func digest(cfg Config, version int, contents map[string]string) string {
	cfg.Decoding.LanguageModel, cfg.Decoding.Unigrams = "", "" // what is in them counts
	b, err := json.Marshal(struct {
		Config
		Version  int               `json:",omitempty"`
		Contents map[string]string `json:",omitempty"`
	}{cfg, version, contents})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// version is that of a task's code.
func version(name schemas.Task) int {
	for _, t := range tasks() {
		if t.name == name {
			return t.version
		}
	}
	return 0
}

// versionFor is that of a task's code for a checkpoint: one more where only what it makes of some checkpoints has changed, so that the rows of all others stay known.
func versionFor(cfg Config, spec *model.Spec) int {
	name := cfg.Task
	v := version(name)
	if name == schemas.TaskTranscript && spec.Audio != nil && spec.Audio.OutputHopSamples() != spec.Audio.HopSamples() {
		v++ // transcripts behind an adapter: its strides count
	}
	if (name == schemas.TaskTranscript || name == schemas.TaskFrames) && spec.Audio != nil && nestedElsewhere(spec.Dir) {
		v += 2 // their seconds were those of 16 kHz
	}
	if name == schemas.TaskTranscript && !cfg.Decoding.Beam && spec.Audio != nil && undelimited(spec.Dir) {
		v += 4 // phones had no spaces between them, and a missing delimiter was "|"
	}
	return v
}

// undelimited says whether a checkpoint's tokenizer is of phones, or has no word delimiter.
func undelimited(dir string) bool {
	t, err := LoadCTCTokenizer(dir, 0)
	return err == nil && (t.phones || !t.delimits)
}

// nestedElsewhere says whether a checkpoint has its sampling rate in processor_config.json alone, and that is not the default.
func nestedElsewhere(dir string) bool {
	rate, nested, err := samplingRate(dir)
	return err == nil && nested && rate != defaultRate
}
