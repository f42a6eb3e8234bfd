package blobfetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"vecmill/schemas"
)

// file is the opener of file:///path. The path is taken as it is written, with %, ? and # for characters of names like others; if there is no such file, without its escapes, as programs write a URI that make it of a name.
func (f *Fetcher) file(ref schemas.Ref) (opener, error) {
	_, path, _ := strings.Cut(ref.URI, "://")
	if !strings.HasPrefix(path, "/") {
		return nil, schemas.Rejectf(schemas.ReasonSchema, "fetching %s: want file:///absolute/path", ref.URI)
	}
	names := []string{path}
	if unescaped := decoded(path); unescaped != path {
		names = append(names, unescaped)
	}
	if strings.ContainsRune(names[len(names)-1], 0) {
		return nil, schemas.Rejectf(schemas.ReasonFetchMissing, "fetching %s: no file has a NUL in its name", ref.URI)
	}
	var places []beneath
	for _, name := range names {
		if at, ok := f.allowed(name); ok {
			places = append(places, at)
		}
	}
	if len(places) == 0 {
		return nil, schemas.Rejectf(schemas.ReasonFetchDenied, "fetching %s: the path is not under a directory that is allowed", ref.URI)
	}
	return func(context.Context) (*object, error) { return openFirst(ref, places) }, nil
}

// beneath is a file in an allowed directory.
type beneath struct{ dir, rel string }

// allowed finds the directory that a path lies under.
func (f *Fetcher) allowed(path string) (beneath, bool) {
	path = filepath.Clean(filepath.FromSlash(path))
	for _, dir := range f.cfg.FileRoots {
		rel, err := filepath.Rel(filepath.Clean(dir), path)
		if err == nil && filepath.IsLocal(rel) {
			return beneath{dir, rel}, true
		}
	}
	return beneath{}, false
}

// openFirst opens the first of the places that there is. If there is none, it is the first that is missed.
func openFirst(ref schemas.Ref, places []beneath) (*object, error) {
	obj, err := openFile(ref, places[0].dir, places[0].rel)
	for _, p := range places[1:] {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, syscall.ENAMETOOLONG) { // escapes are up to three times as long
			break
		}
		if other, again := openFile(ref, p.dir, p.rel); !errors.Is(again, fs.ErrNotExist) {
			obj, err = other, again
		}
	}
	return obj, err
}

func openFile(ref schemas.Ref, dir, rel string) (*object, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &StoreFault{fmt.Errorf("opening the allowed directory %s: %w", dir, err)}
	}
	defer func() { _ = root.Close() }() // the opened file outlives it
	// Without O_NONBLOCK, opening a named pipe waits for a writer for ever.
	file, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileFault(ref, err)
	}
	obj, err := describe(ref, file)
	if err != nil {
		_ = file.Close() // nothing of it is used
		return nil, err
	}
	return obj, nil
}

// describe gives a file an entity tag of its modification time and size, so that a reference can pin it.
func describe(ref schemas.Ref, file *os.File) (*object, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fileFault(ref, err)
	}
	if !info.Mode().IsRegular() {
		return nil, schemas.Rejectf(schemas.ReasonFetchDenied, "fetching %s: it is not a regular file", ref.URI)
	}
	obj := &object{body: file, size: info.Size(), etag: fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size())}
	if want := schemas.PlainETag(ref.ETag); want != "" && want != obj.etag {
		return nil, schemas.Rejectf(schemas.ReasonFetchMissing, "fetching %s: the file has ETag %q, the reference asks for %q", ref.URI, obj.etag, want)
	}
	if r := ref.Range; r != nil {
		if r.Off > info.Size() || r.N > info.Size()-r.Off {
			return nil, schemas.Rejectf(schemas.ReasonFetchMissing, "fetching %s: %d bytes from %d on lie outside the file's %d bytes", ref.URI, r.N, r.Off, info.Size())
		}
		obj.body, obj.size = &section{io.NewSectionReader(file, r.Off, r.N), file}, r.N
	}
	return obj, nil
}

// section is a part of a file that closes the file.
type section struct {
	io.Reader
	io.Closer
}

func fileFault(ref schemas.Ref, err error) error {
	wrapped := fmt.Errorf("fetching %s: %w", ref.URI, err)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG):
		return schemas.Reject(schemas.ReasonFetchMissing, wrapped)
	case errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "escapes from parent"): // os.Root has no error value for it
		return schemas.Reject(schemas.ReasonFetchDenied, wrapped)
	case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
		return &StoreFault{wrapped} // this machine's limit, not the file's fault
	}
	return wrapped
}
