package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/model/mapped"
)

// File names of a checkpoint directory.
const (
	SingleFile = "model.safetensors"
	IndexFile  = "model.safetensors.index.json"
)

// maxIndex bounds the shard index, in bytes: the largest known models need a few hundred kilobytes.
const maxIndex = 64 << 20

// Checkpoint is an opened checkpoint: its tensors by name. Close it when the last tensor has been used.
type Checkpoint struct {
	dir     string
	tensors map[string]Tensor
	close   []func() error
}

// Files are the names of the weight files in dir, sorted: what Open would read. The error says what is supported if there is none.
func Files(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, SingleFile)); err == nil {
		return []string{SingleFile}, nil
	}
	index, err := readIndex(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unsupported(dir)
	}
	if err != nil {
		return nil, err
	}
	var files []string
	for _, f := range index {
		if !slices.Contains(files, f) {
			files = append(files, f)
		}
	}
	slices.Sort(files)
	return files, nil
}

// Open maps the weight files of dir and checks their headers.
func Open(dir string) (*Checkpoint, error) {
	files, err := Files(dir)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{dir: dir, tensors: map[string]Tensor{}}
	for _, f := range files {
		if err := c.add(f); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if files[0] != SingleFile {
		if err := c.checkIndex(); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// OpenFile maps one safetensors file, which need not be a checkpoint: saved inputs, expected outputs.
func OpenFile(path string) (*Checkpoint, error) {
	c := &Checkpoint{dir: filepath.Dir(path), tensors: map[string]Tensor{}}
	if err := c.add(filepath.Base(path)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close unmaps the files; tensors must not be used afterwards.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.close {
		errs = append(errs, f())
	}
	c.close, c.tensors = nil, nil
	return errors.Join(errs...)
}

// Names are the stored weights, sorted.
func (c *Checkpoint) Names() []string {
	names := make([]string, 0, len(c.tensors))
	for n := range c.tensors {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Tensor finds a weight by its stored name.
func (c *Checkpoint) Tensor(name string) (Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

func (c *Checkpoint) add(file string) error {
	path := filepath.Join(c.dir, file)
	data, unmap, err := mapped.Open(path)
	if err != nil {
		return fmt.Errorf("opening weights: %w", err)
	}
	c.close = append(c.close, unmap)
	tensors, err := parseSafetensors(data)
	if err != nil {
		return fmt.Errorf("reading weights %s: %w", path, err)
	}
	for _, t := range tensors {
		if _, twice := c.tensors[t.Name]; twice {
			return fmt.Errorf("reading weights %s: another shard holds %s too", path, t.Name)
		}
		c.tensors[t.Name] = t
	}
	return nil
}

// checkIndex verifies that every weight the index promises is in the shards.
func (c *Checkpoint) checkIndex() error {
	index, err := readIndex(c.dir)
	if err != nil {
		return err
	}
	for name, file := range index {
		if _, ok := c.tensors[name]; !ok {
			return fmt.Errorf("the index %s places %s in %s, which does not hold it", filepath.Join(c.dir, IndexFile), name, file)
		}
	}
	return nil
}

func readIndex(dir string) (map[string]string, error) {
	path := filepath.Join(dir, IndexFile)
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening the shard index: %w", err)
	}
	if st.Size() > maxIndex {
		return nil, fmt.Errorf("the shard index %s has %d bytes, more than any index needs", path, st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening the shard index: %w", err)
	}
	index, err := parseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("reading the shard index %s: %w", path, err)
	}
	return index, nil
}

// parseIndex reads {"weight_map": {weight: file}}. File names stay inside the directory.
func parseIndex(b []byte) (map[string]string, error) {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, err
	}
	if len(index.WeightMap) == 0 {
		return nil, errors.New("weight_map is missing or empty")
	}
	for name, file := range index.WeightMap {
		if file == "" || file == "." || strings.ContainsAny(file, `/\`) || !filepath.IsLocal(file) {
			return nil, fmt.Errorf("weight %s is placed in %q, which is not a file name of this directory", name, file)
		}
	}
	return index.WeightMap, nil
}

// unsupported says what a directory without safetensors has instead.
func unsupported(dir string) error {
	supported := fmt.Sprintf("this build reads %s, or %s with its shards", SingleFile, IndexFile)
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("opening the checkpoint: %w", err)
	}
	for _, other := range []string{"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"} {
		if _, err := os.Stat(filepath.Join(dir, other)); err == nil {
			return fmt.Errorf("%s has its weights in %s; %s: save them again with save_pretrained(safe_serialization=True)", dir, other, supported)
		}
	}
	return fmt.Errorf("%s holds no weights; %s", dir, supported)
}
