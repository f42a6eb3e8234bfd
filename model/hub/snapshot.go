package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// snapshot is the directory of one commit.
type snapshot struct{ dir string }

func (s snapshot) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// has says whether a file is there with its content.
func (s snapshot) has(name string) bool { return exists(s.path(name)) }

// link gives a blob its name in the snapshot, in one step.
func (s snapshot) link(name, etag string) error {
	at := s.path(name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return fmt.Errorf("writing the Hub's cache: %w", err)
	}
	up := strings.Repeat("../", 2+strings.Count(name, "/"))
	dir, err := os.MkdirTemp(s.dir, ".link-") // a name of our own, beside the snapshot's files
	if err != nil {
		return fmt.Errorf("writing the Hub's cache: %w", roomFor(0, s.dir, err))
	}
	tmp := filepath.Join(dir, "link")
	err = os.Symlink(filepath.FromSlash(up+"blobs/"+etag), tmp)
	if err == nil {
		err = os.Rename(tmp, at)
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("linking %s: %w", name, err)
	}
	return nil
}

// shards reads the names of weight files from an index in the snapshot.
func (s snapshot) shards(index string, files []string) ([]string, error) {
	st, err := os.Stat(s.path(index))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", index, err)
	}
	if st.Size() > maxIndex {
		return nil, fmt.Errorf("reading %s: %d bytes are more than an index of weights needs", index, st.Size())
	}
	b, err := os.ReadFile(s.path(index))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", index, err)
	}
	return shards(b, files)
}

// complete says what to open if the snapshot has all that a checkpoint needs. Links to contents that are not there do not count.
func (s snapshot) complete() (string, error) {
	if _, err := os.Stat(s.dir); err != nil {
		return "", err
	}
	var files []string
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !exists(path) {
			return err
		}
		name, err := filepath.Rel(s.dir, path)
		files = append(files, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("looking through the cache: %w", err)
	}
	want, err := choose(files, false)
	if err != nil {
		return "", err
	}
	if want.index != "" {
		if _, err := s.shards(want.index, files); err != nil {
			return "", err
		}
	}
	return filepath.Join(s.dir, want.open), nil
}

// writeFile replaces a small file in one step.
func writeFile(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
