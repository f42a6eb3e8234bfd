package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vecmill/model/mapped"
)

// Files of one cached graph, in a directory named by its key.
const (
	modelFile    = "model.onnx"
	dataFile     = "weights.bin"
	manifestFile = "manifest.json"
	digestFile   = "digest" // what Graph.Digest found the first time
)

// Ages at which things are deleted from the cache.
const (
	abandoned = 24 * time.Hour      // an unfinished build: that of a process that died
	unused    = 30 * 24 * time.Hour // a graph that nobody has asked for
	orphaned  = time.Hour           // a graph whose weights have no other name any more: nobody can ask for it, and it keeps them on disk
)

// errNotCached says that a graph must be built: the cache does not hold it, or not undamaged.
var errNotCached = errors.New("not in the cache")

// cache keeps graphs under a root directory, one directory each. A graph appears by rename of a finished directory, so what is there was
// complete once; checksums in its manifest tell what has been damaged since.
type cache struct{ root string }

// manifest is what the cache says of a graph. It is written last, and its time is that of the last use.
type manifest struct {
	Model   fileSum `json:"model"`
	Data    fileSum `json:"data"`
	Inputs  []Port  `json:"inputs"`
	Outputs []Port  `json:"outputs"`

	Links map[string]string `json:"links"` // weight files that the model uses as they lie, by name in the checkpoint: their names beside the model
}

// fileSum is a file's size and CRC-32C: against damage, not against malice.
type fileSum struct {
	Bytes int64  `json:"bytes"`
	CRC   uint32 `json:"crc32c"`
}

func (c cache) dir(key string) string { return filepath.Join(c.root, key) }

// load checks a cached graph and returns it. Whatever is wrong with it is errNotCached: it can be built again.
func (c cache) load(key string, w *weights) (*Graph, error) {
	dir := c.dir(key)
	path := filepath.Join(dir, manifestFile)
	b, err := os.ReadFile(path)
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
	if !m.linked(dir, w) || !m.Model.matches(filepath.Join(dir, modelFile)) || !m.Data.matches(filepath.Join(dir, dataFile)) {
		return nil, errNotCached
	}
	_ = os.Chtimes(path, time.Time{}, time.Now()) // a cache that cannot be written to is not swept either
	return c.graph(key, m), nil
}

func (c cache) graph(key string, m manifest) *Graph {
	return &Graph{Path: filepath.Join(c.dir(key), modelFile), Weights: m.Data.Bytes, Inputs: m.Inputs, Outputs: m.Outputs}
}

// linked says whether the names beside the model are those of the checkpoint's own files.
func (m *manifest) linked(dir string, w *weights) bool {
	for _, f := range w.files {
		name := m.Links[f.name]
		if name == "" {
			continue
		}
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || stampOf(st) != f.stamp {
			return false
		}
	}
	return true
}

// confirm compares a graph's digest with the one it had before. Another one means that the weights were changed in a way that neither stamps
// nor samples show; what was computed of them is then of no use, so the graph is forgotten.
func (c cache) confirm(key, digest string) error {
	path := filepath.Join(c.dir(key), digestFile)
	known, err := os.ReadFile(path)
	if err != nil || len(known) != len(digest) { // or another process is just writing it
		_ = os.WriteFile(path, []byte(digest), 0o644) // in a cache that cannot be written to there is nothing to compare with next time
		return nil
	}
	if string(known) == digest {
		return nil
	}
	return errors.Join(fmt.Errorf("the graph %s was built from other weights under the same name, size and time; it is deleted: start again", c.dir(key)), c.discard(key))
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

// UserCache is where compiled graphs are kept unless somebody says otherwise: graphs below VECMILL_CACHE, or below vecmill in the user's cache directory. It is not made here.
func UserCache() (string, error) {
	if dir := os.Getenv("VECMILL_CACHE"); dir != "" {
		return filepath.Join(dir, "graphs"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a directory for compiled graphs: %w; set VECMILL_CACHE", err)
	}
	return filepath.Join(dir, "vecmill", "graphs"), nil
}

// store builds a graph in a directory of its own and renames it into place. If another process was faster, its graph is taken; a damaged
// one is replaced (who has mapped its files keeps them).
func (c cache) store(key string, w *weights, build func(dir string) (manifest, error)) (_ *Graph, err error) {
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return nil, fmt.Errorf("creating the graph cache: %w", err)
	}
	c.sweep(time.Now())
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
	return c.publish(key, w, tmp, m)
}

// sweep deletes what its age says that nobody needs. What cannot be deleted costs disk only, so it is left for the next sweep. Who has
// mapped files of a deleted graph keeps them.
func (c cache) sweep(now time.Time) {
	for _, pattern := range []string{".building-*", ".damaged-*"} {
		left, err := filepath.Glob(filepath.Join(c.root, pattern))
		if err != nil {
			continue
		}
		for _, dir := range left {
			if st, err := os.Stat(dir); err == nil && now.Sub(st.ModTime()) > abandoned {
				_ = os.RemoveAll(dir)
			}
		}
	}
	manifests, err := filepath.Glob(filepath.Join(c.root, "*", manifestFile))
	if err != nil {
		return
	}
	for _, path := range manifests {
		dir, key := filepath.Dir(path), filepath.Base(filepath.Dir(path))
		if st, err := os.Stat(path); err == nil && key[0] != '.' {
			age := now.Sub(st.ModTime())
			if age > unused || age > orphaned && lastName(dir) {
				_ = c.discard(key)
			}
		}
	}
}

// lastName says whether a graph holds the last name of a weight file.
func lastName(dir string) bool {
	links, err := filepath.Glob(filepath.Join(dir, "linked-*"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(links, func(path string) bool {
		st, err := os.Stat(path)
		return err == nil && nameCount(st) == 1
	})
}

// publish renames a finished directory to its place. A rename onto a directory that is there fails, which tells who won.
func (c cache) publish(key string, w *weights, tmp string, m manifest) (*Graph, error) {
	const attempts = 8 // each is lost only to another process that published or replaced meanwhile
	for range attempts {
		if os.Rename(tmp, c.dir(key)) == nil {
			return c.graph(key, m), nil
		}
		g, err := c.load(key, w)
		if !errors.Is(err, errNotCached) {
			return g, err
		}
		if err := c.discard(key); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("publishing the graph in %s: other processes keep replacing it", c.dir(key))
}

// discard moves a damaged graph away in one step, then deletes it.
func (c cache) discard(key string) error {
	tmp, err := os.MkdirTemp(c.root, ".damaged-")
	if err != nil {
		return fmt.Errorf("replacing a damaged graph: %w", err)
	}
	if err := os.Rename(c.dir(key), filepath.Join(tmp, key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("replacing a damaged graph: %w", err), os.RemoveAll(tmp))
	}
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("replacing a damaged graph: %w", err)
	}
	return nil
}
