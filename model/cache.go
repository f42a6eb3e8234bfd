package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vecmill/model/mapped"
)

// Files of one cached graph, in a directory named by its digest.
const (
	modelFile    = "model.onnx"
	dataFile     = "weights.bin"
	manifestFile = "manifest.json"
)

// abandoned is the age at which an unfinished build can only be that of a process that died.
const abandoned = 24 * time.Hour

// errNotCached says that a graph must be built: the cache does not hold it, or not undamaged.
var errNotCached = errors.New("not in the cache")

// cache keeps graphs under a root directory, one directory each. A graph appears by rename of a finished directory, so what is there was
// complete once; checksums in its manifest tell what has been damaged since.
type cache struct{ root string }

// manifest is what the cache says of a graph. It is written last.
type manifest struct {
	Model   fileSum `json:"model"`
	Data    fileSum `json:"data"`
	Inputs  []Port  `json:"inputs"`
	Outputs []Port  `json:"outputs"`
}

// fileSum is a file's size and CRC-32C: against damage, not against malice.
type fileSum struct {
	Bytes int64  `json:"bytes"`
	CRC   uint32 `json:"crc32c"`
}

func (c cache) dir(digest string) string { return filepath.Join(c.root, digest) }

// load checks a cached graph and returns it. Whatever is wrong with it is errNotCached: it can be built again.
func (c cache) load(digest string) (*Graph, error) {
	dir := c.dir(digest)
	b, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotCached
	}
	if err != nil {
		return nil, fmt.Errorf("reading the graph cache: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, errNotCached
	}
	if !m.Model.matches(filepath.Join(dir, modelFile)) || !m.Data.matches(filepath.Join(dir, dataFile)) {
		return nil, errNotCached
	}
	return c.graph(digest, m), nil
}

func (c cache) graph(digest string, m manifest) *Graph {
	return &Graph{Path: filepath.Join(c.dir(digest), modelFile), Digest: digest, Inputs: m.Inputs, Outputs: m.Outputs}
}

// matches compares a file with its sum. Unreadable counts as damaged.
func (s fileSum) matches(path string) bool {
	data, unmap, err := mapped.Open(path)
	if err != nil {
		return false
	}
	ok := int64(len(data)) == s.Bytes && crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) == s.CRC
	return unmap() == nil && ok
}

// store builds a graph in a directory of its own and renames it into place. If another process was faster, its graph is taken; a damaged
// one is replaced (who has mapped its files keeps them).
func (c cache) store(digest string, build func(dir string) (manifest, error)) (_ *Graph, err error) {
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return nil, fmt.Errorf("creating the graph cache: %w", err)
	}
	c.sweep(time.Now().Add(-abandoned))
	tmp, err := os.MkdirTemp(c.root, ".building-")
	if err != nil {
		return nil, fmt.Errorf("creating the graph cache: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	m, err := build(tmp)
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding the manifest: %w", err)
	}
	if err := os.WriteFile(filepath.Join(tmp, manifestFile), b, 0o644); err != nil {
		return nil, fmt.Errorf("writing the graph cache: %w", err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil { // MkdirTemp's is the owner's alone; a cache may be shared
		return nil, fmt.Errorf("writing the graph cache: %w", err)
	}
	return c.publish(digest, tmp, m)
}

// sweep deletes unfinished builds from before a time. What cannot be deleted costs disk only, so it is left for the next sweep.
func (c cache) sweep(before time.Time) {
	for _, pattern := range []string{".building-*", ".damaged-*"} {
		left, err := filepath.Glob(filepath.Join(c.root, pattern))
		if err != nil {
			continue
		}
		for _, dir := range left {
			if st, err := os.Stat(dir); err == nil && st.ModTime().Before(before) {
				_ = os.RemoveAll(dir)
			}
		}
	}
}

// publish renames a finished directory to its place. A rename onto a directory that is there fails, which tells who won.
func (c cache) publish(digest, tmp string, m manifest) (*Graph, error) {
	const attempts = 8 // each is lost only to another process that published or replaced meanwhile
	for range attempts {
		if os.Rename(tmp, c.dir(digest)) == nil {
			return c.graph(digest, m), nil
		}
		g, err := c.load(digest)
		if !errors.Is(err, errNotCached) {
			return g, err
		}
		if err := c.discard(digest); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("publishing the graph in %s: other processes keep replacing it", c.dir(digest))
}

// discard moves a damaged graph away in one step, then deletes it.
func (c cache) discard(digest string) error {
	tmp, err := os.MkdirTemp(c.root, ".damaged-")
	if err != nil {
		return fmt.Errorf("replacing a damaged graph: %w", err)
	}
	if err := os.Rename(c.dir(digest), filepath.Join(tmp, digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("replacing a damaged graph: %w", err), os.RemoveAll(tmp))
	}
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("replacing a damaged graph: %w", err)
	}
	return nil
}
