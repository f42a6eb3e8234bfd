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
	SingleFile      = "model.safetensors"
	IndexFile       = "model.safetensors.index.json"
	TorchFile       = "pytorch_model.bin"
	TorchIndexFile  = "pytorch_model.bin.index.json"
	TensorFlowFile  = "tf_model.h5"
	tfShards        = "tf_model.h5.index.json"
	flaxFile        = "flax_model.msgpack"
	fairseqSuffix   = ".pt"
	indexFileSuffix = ".index.json"
)

// Format says who wrote the weights, and how.
type Format string

// The formats that are read.
const (
	Safetensors Format = "safetensors"
	Torch       Format = "torch"      // torch.save, zip or legacy
	Fairseq     Format = "fairseq"    // a training checkpoint; tensors have Hugging Face's names
	TensorFlow  Format = "tensorflow" // Keras weights, in HDF5 or safetensors; tensors have torch's names and layouts all the same
)

// layout is one way a directory holds weights.
type layout struct {
	format Format
	file   string // the weights, or the index that names the files of them
}

// layouts are tried in this order, which is the reference's.
var layouts = []layout{
	{Safetensors, SingleFile}, {Safetensors, IndexFile}, {Torch, TorchFile}, {Torch, TorchIndexFile}, {TensorFlow, TensorFlowFile},
}

func (l layout) sharded() bool { return strings.HasSuffix(l.file, indexFileSuffix) }

// maxIndex bounds the shard index, in bytes: the largest known models need a few hundred kilobytes.
const maxIndex = 64 << 20

// Checkpoint is an opened checkpoint: its tensors by name. Close it when the last tensor has been used.
type Checkpoint struct {
	dir     string
	format  Format
	tensors map[string]Tensor
	close   []func() error
}

// Files are the names of the weight files in dir, sorted: what Open would read. The error says what is supported if there is none.
func Files(dir string) ([]string, error) {
	l, err := find(dir)
	if err != nil {
		return nil, err
	}
	return l.files(dir)
}

// FormatOf is the format of the weights in dir, found by file names and, of safetensors, by what the header of the first file says. What is
// wrong with a header is for Open to say.
func FormatOf(dir string) (Format, error) {
	l, err := find(dir)
	if err != nil {
		return "", err
	}
	files, err := l.files(dir)
	if err != nil {
		return "", err
	}
	return l.writer(dir, files)
}

// writer tells torch's safetensors from those of TensorFlow; for other formats the file's name is enough.
func (l layout) writer(dir string, files []string) (Format, error) {
	if l.format != Safetensors {
		return l.format, nil
	}
	data, unmap, err := mapped.Open(filepath.Join(dir, files[0]))
	if err != nil {
		return "", fmt.Errorf("opening weights: %w", err)
	}
	if h, _, err := splitSafetensors(data); err == nil && h.savedByTensorFlow() {
		return TensorFlow, unmap()
	}
	return Safetensors, unmap()
}

func find(dir string) (layout, error) {
	for _, l := range layouts {
		if _, err := os.Stat(filepath.Join(dir, l.file)); err == nil {
			return l, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return layout{}, fmt.Errorf("opening the checkpoint: %w", err)
		}
	}
	training, err := filepath.Glob(filepath.Join(dir, "*"+fairseqSuffix))
	if err == nil && len(training) == 1 {
		return layout{Fairseq, filepath.Base(training[0])}, nil
	}
	return layout{}, unsupported(dir)
}

// files are the weight files of a layout: itself, or what its index names, sorted.
func (l layout) files(dir string) ([]string, error) {
	if !l.sharded() {
		return []string{l.file}, nil
	}
	index, err := readIndex(filepath.Join(dir, l.file))
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
	l, err := find(dir)
	if err != nil {
		return nil, err
	}
	files, err := l.files(dir)
	if err != nil {
		return nil, err
	}
	format, err := l.writer(dir, files)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{dir: dir, format: format, tensors: map[string]Tensor{}}
	for _, f := range files {
		if err := c.add(f, l.parse); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if l.sharded() {
		if err := c.checkIndex(l.file); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// Format says who wrote the weights.
func (c *Checkpoint) Format() Format { return c.format }

// OpenFile maps one safetensors file, which need not be a checkpoint: saved inputs, expected outputs. Tensors have the names they are stored under.
func OpenFile(path string) (*Checkpoint, error) {
	c := &Checkpoint{dir: filepath.Dir(path), format: Safetensors, tensors: map[string]Tensor{}}
	if err := c.add(filepath.Base(path), parseSafetensors); err != nil {
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

func (c *Checkpoint) add(file string, parse func(data []byte) ([]Tensor, error)) error {
	path := filepath.Join(c.dir, file)
	data, unmap, err := mapped.Open(path)
	if err != nil {
		return fmt.Errorf("opening weights: %w", err)
	}
	c.close = append(c.close, unmap)
	tensors, err := parse(data)
	if err != nil {
		return fmt.Errorf("reading weights %s: %w", path, err)
	}
	for _, t := range tensors {
		if _, twice := c.tensors[t.Name]; twice {
			return fmt.Errorf("reading weights %s: another shard holds %s too", path, t.Name)
		}
		t.locate(file, data)
		c.tensors[t.Name] = t
	}
	return nil
}

// parse reads one whole weight file; the tensors alias data.
func (l layout) parse(data []byte) ([]Tensor, error) {
	switch l.format {
	case Torch:
		return parseTorch(data)
	case Fairseq:
		return parseFairseq(data)
	case TensorFlow:
		return parseTensorFlow(data)
	default:
		return parseWeights(data)
	}
}

// checkIndex verifies that every weight the index promises is in the shards.
func (c *Checkpoint) checkIndex(file string) error {
	path := filepath.Join(c.dir, file)
	index, err := readIndex(path)
	if err != nil {
		return err
	}
	for name, file := range index {
		stored := name
		if c.format == TensorFlow { // whose index has the whole names
			stored, _ = kerasName(scoped(name), 0)
		}
		if _, ok := c.tensors[stored]; !ok {
			return fmt.Errorf("the index %s places %s in %s, which does not hold it", path, name, file)
		}
	}
	return nil
}

func readIndex(path string) (map[string]string, error) {
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

// unsupported says what a directory without readable weights has instead.
func unsupported(dir string) error {
	supported := fmt.Sprintf("read are %s, %s, either of them in shards with an index, %s, and one training checkpoint *%s", SingleFile, TorchFile, TensorFlowFile, fairseqSuffix)
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("opening the checkpoint: %w", err)
	}
	for _, other := range []string{tfShards, flaxFile} {
		if _, err := os.Stat(filepath.Join(dir, other)); err == nil {
			return fmt.Errorf("%s has its weights in %s; %s: convert them with Hugging Face's save_pretrained", dir, other, supported)
		}
	}
	return fmt.Errorf("%s holds no weights; %s", dir, supported)
}
