package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vecmill/model/checkpoint"
	"vecmill/model/config"
	"vecmill/model/graph"
	"vecmill/model/mapped"
	"vecmill/model/onnx"
	"vecmill/schemas"
)

// readyMade is the file name of a ready-made graph in a checkpoint directory.
const readyMade = "model.onnx"

// tensorFlow begins the names of TensorFlow's classes. They are torch's, but for one function (segmentation).
const tensorFlow = "TF"

// maxConfig bounds config.json, in bytes; large label sets need some hundred kilobytes.
const maxConfig = 16 << 20

// Open reads a checkpoint directory: config.json with either weights or a ready-made model.onnx (weights win if both are there),
// or the path of a .onnx file with config.json beside it or one directory above. Weights are not read yet.
// Errors say what is missing and what to do; whether the weights fit the configuration is found by [Spec.Compile].
func Open(path string) (*Spec, error) {
	if strings.HasSuffix(path, ".onnx") {
		return openReadyMade(path)
	}
	if st, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("opening the model: %w", err)
	} else if !st.IsDir() {
		return nil, fmt.Errorf("opening the model: %s is a file; give the checkpoint's directory, or a .onnx file", path)
	}
	s, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	files, err := checkpoint.Files(path)
	if err != nil {
		if ready := filepath.Join(path, readyMade); exists(ready) {
			return openReadyMade(ready)
		}
		return nil, fmt.Errorf("opening the model: %w; or a ready-made %s", err, readyMade)
	}
	format, err := checkpoint.FormatOf(path)
	if err != nil {
		return nil, fmt.Errorf("opening the model: %w", err)
	}
	if format == checkpoint.TensorFlow && !strings.HasPrefix(s.Class, tensorFlow) {
		s.Class = tensorFlow + s.Class // TensorFlow's classes write the names of torch's into config.json
	}
	if err := graph.Supported(s.Class); err != nil {
		return nil, fmt.Errorf("opening the model in %s: %w", path, err)
	}
	for i := range files {
		files[i] = filepath.Join(path, files[i])
	}
	if s.weights, err = findWeights(files); err != nil {
		return nil, err
	}
	return s, nil
}

// openReadyMade takes the graph from an exported file and everything else from config.json.
func openReadyMade(path string) (*Spec, error) {
	dir := filepath.Dir(path)
	if !exists(filepath.Join(dir, "config.json")) && exists(filepath.Join(dir, "..", "config.json")) {
		dir = filepath.Join(dir, "..")
	}
	s, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	s.ONNX = path
	d, err := describe(path)
	if err != nil {
		return nil, err
	}
	s.inputs = names(ports(d.Inputs))
	files := []string{path}
	for _, location := range d.External {
		if !filepath.IsLocal(location) {
			return nil, fmt.Errorf("opening the model: %s places weights in %q, outside its directory", path, location)
		}
		files = append(files, filepath.Join(filepath.Dir(path), location))
	}
	if s.weights, err = findWeights(files); err != nil {
		return nil, err
	}
	return s, nil
}

func describe(path string) (*onnx.Description, error) {
	data, unmap, err := mapped.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the model: %w", err)
	}
	d, err := onnx.Describe(data)
	if err = errors.Join(err, unmap()); err != nil {
		return nil, fmt.Errorf("opening the model: reading %s: %w", path, err)
	}
	return d, nil
}

// readConfig reads config.json into a Spec without a digest.
func readConfig(dir string) (*Spec, error) {
	path := filepath.Join(dir, "config.json")
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening the model: %s has no config.json: is it the checkpoint's directory, and complete?", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the model: %w", err)
	}
	if st.Size() > maxConfig {
		return nil, fmt.Errorf("opening the model: %s has %d bytes, more than a configuration needs", path, st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening the model: %w", err)
	}
	c, err := config.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("opening the model: reading %s: %w", path, err)
	}
	s := &Spec{Dir: dir, Class: c.Class, Labels: c.Labels, Audio: c.Audio, Text: c.Text, Vision: c.Vision}
	switch {
	case c.Audio != nil:
		s.Modality = schemas.Audio
	case c.Text != nil:
		s.Modality = schemas.Text
	default:
		s.Modality = schemas.Image
	}
	return s, nil
}

// identity is what the digest covers of a Spec, in JSON.
type identity struct {
	Class  string
	Labels []string
	Audio  *AudioConfig
	Text   *TextConfig
	Vision *VisionConfig
	Files  []string // digest of each weight file's contents, in order of name
}

func (s *Spec) identity() identity {
	return identity{Class: s.Class, Labels: s.Labels, Audio: s.Audio, Text: s.Text, Vision: s.Vision}
}

// Digest says which model this is, wherever it lies: sha256 in hex over the configuration, the labels and the contents of the weight files.
// The first call reads the weights, on all processors, so call it beside other work; it fails if they have changed since Open.
func (s *Spec) Digest(ctx context.Context) (string, error) {
	sums, err := s.weights.sums(ctx)
	if err != nil {
		return "", fmt.Errorf("identifying the model in %s: %w", s.Dir, err)
	}
	id := s.identity()
	id.Files = sums
	return hashJSON(id)
}

func hashJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encoding the identity of a model: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
