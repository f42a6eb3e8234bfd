package dirstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"vecmill/sinks/objectstore"
)

// tempDir holds files that are not yet published. Its name begins with a dot, so readers that walk the tree pass it over.
const tempDir = ".vecmill-tmp"

// staleAfter is the age at which a temporary file has no writer any more: writing one takes seconds. If its writer wakes
// after all, its link fails and it writes the file again.
const staleAfter = time.Hour

// Store is a directory.
type Store struct {
	root string
}

// Open makes the directory if it is not there and removes the leftovers of crashed writers.
func Open(root string) (*Store, error) {
	s := &Store{root: root}
	tmp := filepath.Join(root, tempDir)
	if err := os.MkdirAll(tmp, 0o777); err != nil {
		return nil, fmt.Errorf("opening output directory: %w", err)
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return nil, fmt.Errorf("opening output directory: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < staleAfter {
			continue
		}
		if err := os.Remove(filepath.Join(tmp, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("removing leftover: %w", err)
		}
	}
	return s, nil
}

// List gives the names of regular files in byte order of their slash-separated paths.
func (s *Store) List(ctx context.Context, prefix, after string) ([]string, error) {
	dir := path.Dir(prefix + "x") // "a/b/" lists a/b; "a/b" lists a, whose names are then filtered
	var names []string
	err := filepath.WalkDir(filepath.Join(s.root, filepath.FromSlash(dir)), func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && d.Name() == tempDir:
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(s.root, p)
		if err != nil {
			return err
		}
		if name := filepath.ToSlash(rel); strings.HasPrefix(name, prefix) && name > after {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", prefix, err)
	}
	slices.Sort(names)
	return names, nil
}

// Stat gives an object's size; Meta is nil.
func (s *Store) Stat(_ context.Context, name string) (objectstore.Info, error) {
	p, err := s.path(name)
	if err != nil {
		return objectstore.Info{}, err
	}
	fi, err := os.Stat(p)
	if err != nil {
		return objectstore.Info{}, wrap("looking at", name, err)
	}
	return objectstore.Info{Name: name, Size: fi.Size()}, nil
}

// Read gives a part of an object.
func (s *Store) Read(_ context.Context, name string, off, n int64) ([]byte, error) {
	p, err := s.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(p)
	if err != nil {
		return nil, wrap("reading", name, err)
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.NewSectionReader(f, off, n))
	return b, wrap("reading", name, err)
}

// PutIfAbsent publishes a new file and drops meta.
func (s *Store) PutIfAbsent(ctx context.Context, name string, body []byte, _ map[string]string) error {
	return s.publish(ctx, name, body, func(tmp, final string) error {
		if err := os.Link(tmp, final); err != nil {
			return err
		}
		return os.Remove(tmp)
	})
}

// Put publishes a file over whatever is there.
func (s *Store) Put(ctx context.Context, name string, body []byte, _ string) error {
	return s.publish(ctx, name, body, os.Rename)
}

func (s *Store) publish(ctx context.Context, name string, body []byte, move func(tmp, final string) error) error {
	final, err := s.path(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := s.makeDirs(filepath.Dir(final)); err != nil {
		return wrap("writing", name, err)
	}
	tmp, err := s.writeTemp(body)
	if err != nil {
		return wrap("writing", name, err)
	}
	if err := move(tmp, final); err != nil {
		os.Remove(tmp) // gone already, or a leftover for Open: either way the first error is the one to tell
		return wrap("publishing", name, err)
	}
	return wrap("publishing", name, syncDir(filepath.Dir(final)))
}

// writeTemp writes body to a synced temporary file and gives its path.
func (s *Store) writeTemp(body []byte) (_ string, err error) {
	f, err := os.CreateTemp(filepath.Join(s.root, tempDir), "put-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	return f.Name(), err
}

// makeDirs makes dir and syncs each parent that got a new entry, so that a crash cannot lose the path to a durable file.
func (s *Store) makeDirs(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if dir != s.root && parent != dir {
		if err := s.makeDirs(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// path is the file of a name, which must stay inside the root and out of the temporary files.
func (s *Store) path(name string) (string, error) {
	p := filepath.FromSlash(name)
	if !filepath.IsLocal(p) || path.Clean(name) != name || name == "." || name == tempDir || strings.HasPrefix(name, tempDir+"/") {
		return "", fmt.Errorf("object name %q: %w: not a clean relative path", name, objectstore.ErrRefused)
	}
	return filepath.Join(s.root, p), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) { // some file systems cannot sync a directory and need no sync
		err = nil
	}
	return errors.Join(err, d.Close())
}

// wrap names the act and maps the errors of the file system to those of objectstore.
func wrap(act, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %s: %w", act, name, objectstore.ErrExists)
	case errors.Is(err, fs.ErrNotExist) && act != "publishing":
		return fmt.Errorf("%s %s: %w", act, name, objectstore.ErrNotFound)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s %s: %w: %w", act, name, objectstore.ErrRefused, err)
	}
	return fmt.Errorf("%s %s: %w", act, name, err)
}
