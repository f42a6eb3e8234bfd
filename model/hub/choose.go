package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/model/checkpoint"
)

const (
	configFile = "config.json"
	readyMade  = "model.onnx"
	onnxDir    = "onnx" // where exports are put beside weights
	maxShards  = 10000
)

// companions are the files beside the weights that a tokenizer or a preprocessor reads.
var companions = []string{
	"added_tokens.json", "generation_config.json", "merges.txt", "preprocessor_config.json", "processor_config.json",
	"special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt",
}

// A beam decoder is alphabet.json with, below a directory, its language model.
const (
	alphabetFile  = "alphabet.json"
	languageModel = "language_model"
)

// decoderFiles are those of the checkpoint's beam decoder: none without an alphabet.
func decoderFiles(files []string) (all []string) {
	if !slices.Contains(files, alphabetFile) {
		return nil
	}
	all = append(all, alphabetFile)
	for _, f := range files {
		dir, name := path.Split(f)
		if dir == languageModel+"/" && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "__") {
			all = append(all, f)
		}
	}
	return all
}

// choice is what a checkpoint needs of a list of files.
type choice struct {
	companions []string // files other than config.json and the weights
	weights    []string // empty if index is set
	index      string   // names the weights
	open       string   // what to open below the directory: "" or a ready-made graph
}

// choose picks the files of a checkpoint: weights in the order in which they are preferred, else a ready-made graph. decoder says whether those of its beam decoder are wanted.
func choose(files []string, decoder bool) (choice, error) {
	has := func(name string) bool { return slices.Contains(files, name) }
	if !has(configFile) {
		return choice{}, errors.New("it has no config.json: it is no transformers checkpoint")
	}
	var c choice
	for _, name := range companions {
		if has(name) {
			c.companions = append(c.companions, name)
		}
	}
	if decoder {
		c.companions = append(c.companions, decoderFiles(files)...)
	}
	for _, name := range []string{
		checkpoint.SingleFile, checkpoint.IndexFile, checkpoint.TorchFile, checkpoint.TorchIndexFile, checkpoint.TensorFlowFile,
	} {
		switch {
		case !has(name):
		case name == checkpoint.IndexFile || name == checkpoint.TorchIndexFile:
			c.index = name
			return c, nil
		default:
			c.weights = []string{name}
			return c, nil
		}
	}
	for _, ready := range []string{readyMade, path.Join(onnxDir, readyMade)} {
		if has(ready) {
			if ready != readyMade {
				c.open = filepath.FromSlash(ready)
			}
			c.weights = slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !strings.HasPrefix(f, ready) })
			return c, nil // the graph, and the data files that its exporter names after it
		}
	}
	return choice{}, fmt.Errorf("it has no weights that can be read (%s, %s, %s) and no %s",
		checkpoint.SingleFile, checkpoint.TorchFile, checkpoint.TensorFlowFile, readyMade)
}

// maxIndex bounds an index of shards, in bytes.
const maxIndex = 64 << 20

// shards reads the weight files that an index names, sorted. Each must be one of files.
func shards(index []byte, files []string) ([]string, error) {
	var x struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(index, &x); err != nil {
		return nil, fmt.Errorf("the index of its weights is no JSON: %w", err)
	}
	seen := map[string]bool{}
	for _, f := range x.Map {
		seen[f] = true
	}
	if len(seen) == 0 || len(seen) > maxShards {
		return nil, fmt.Errorf("the index of its weights names %d files", len(seen))
	}
	var out []string
	for f := range seen {
		if !slices.Contains(files, f) {
			return nil, fmt.Errorf("the index of its weights names %q, which is not there", f)
		}
		out = append(out, f)
	}
	slices.Sort(out)
	return out, nil
}

// safeName says whether a file's name from a server may be joined to a directory.
func safeName(name string) bool {
	return name != "" && len(name) <= 1024 && filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name && !strings.ContainsAny(name, "\\:\x00")
}
