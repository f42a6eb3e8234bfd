package icebergcatalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"sync"
	"time"

	icebergio "github.com/apache/iceberg-go/io"

	"vecmill/sinks/icebergsink"
	"vecmill/sinks/objectstore"
)

// OpenFile opens the store of an URL and says what the object is called there.
type OpenFile func(ctx context.Context, url string) (s icebergsink.Store, name string, err error)

// openKey is under which a context carries the OpenFile to the library's registry of schemes.
type openKey struct{}

func withFiles(ctx context.Context, open OpenFile) context.Context {
	return context.WithValue(ctx, openKey{}, open)
}

// errNoFiles is for calls of the library that do not come from here.
var errNoFiles = errors.New("this build opens files of Iceberg tables through its own stores only")

// register tells the library who opens files. SQL catalogs of the library ask its registry, and nothing else, for them.
var register = sync.OnceFunc(func() {
	icebergio.Unregister("file")
	for _, scheme := range []string{"file", "s3", "s3a", "s3n"} {
		icebergio.Register(scheme, func(ctx context.Context, _ *url.URL, _ map[string]string) (icebergio.IO, error) {
			open, ok := ctx.Value(openKey{}).(OpenFile)
			if !ok {
				return nil, errNoFiles
			}
			return files{ctx, open}, nil
		})
	}
})

// files is the library's view of stores. It has the context of the one call that it is made for: the library's interface has none.
type files struct {
	ctx  context.Context
	open OpenFile
}

// mostWhole is the size of Parquet files from which on they are read in pieces: of a large one a scan wants some columns.
const mostWhole = 1 << 20

// Open implements io.IO: it reads the whole object, since the library reads manifests and footers in many small steps, but for large Parquet files, of which it reads a footer and then a
// column of a row group at a time.
func (f files) Open(name string) (icebergio.File, error) {
	store, o, err := f.stat(name)
	if err == nil && o.Size > mostWhole && path.Ext(name) == ".parquet" {
		return &file{contents: io.NewSectionReader(objectstore.ReaderAt(f.ctx, store, o), 0, o.Size), name: name}, nil
	}
	var body []byte
	if err == nil {
		body, err = f.whole(store, o)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &file{contents: bytes.NewReader(body), name: name}, nil
}

// ReadFile implements io.ReadFileIO.
func (f files) ReadFile(name string) ([]byte, error) {
	store, o, err := f.stat(name)
	if err != nil {
		return nil, err
	}
	return f.whole(store, o)
}

func (f files) stat(name string) (icebergsink.Store, objectstore.Info, error) {
	store, key, err := f.open(f.ctx, name)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	o, err := store.Stat(f.ctx, key)
	return store, o, missing(err)
}

func (f files) whole(store icebergsink.Store, o objectstore.Info) ([]byte, error) {
	body, err := store.Read(f.ctx, o.Name, 0, o.Size)
	if err == nil && int64(len(body)) < o.Size {
		err = io.ErrUnexpectedEOF
	}
	return body, missing(err)
}

func missing(err error) error {
	if errors.Is(err, objectstore.ErrNotFound) {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}

// Create implements io.WriteFileIO. The object appears when the writer is closed.
func (f files) Create(name string) (icebergio.FileWriter, error) {
	return &writer{files: f, name: name}, nil
}

// WriteFile implements io.WriteFileIO. Names are unique: an object that is there already is of somebody else.
func (f files) WriteFile(name string, body []byte) error {
	store, key, err := f.open(f.ctx, name)
	if err != nil {
		return err
	}
	return store.PutIfAbsent(f.ctx, key, body, nil)
}

// Remove implements io.IO. Nothing is removed (C3): the library removes what a failed write may have left, and old metadata; both are harmless where they are.
func (files) Remove(string) error { return nil }

// writer collects a file.
type writer struct {
	files
	bytes.Buffer
	name   string
	closed bool
}

// Close writes the file.
func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return w.WriteFile(w.name, w.Bytes())
}

// ReadFrom implements io.ReaderFrom.
func (w *writer) ReadFrom(r io.Reader) (int64, error) { return w.Buffer.ReadFrom(r) }

// contents are an object's bytes.
type contents interface {
	io.ReadSeeker
	io.ReaderAt
	Size() int64
}

// file is an object that is read.
type file struct {
	contents
	name string
}

// Close implements fs.File.
func (*file) Close() error { return nil }

// Stat implements fs.File.
func (f *file) Stat() (fs.FileInfo, error) { return info{path.Base(f.name), f.Size()}, nil }

// info is a file's name and size.
type info struct {
	name string
	size int64
}

// Name implements fs.FileInfo.
func (i info) Name() string { return i.name }

// Size implements fs.FileInfo.
func (i info) Size() int64 { return i.size }

// Mode implements fs.FileInfo.
func (info) Mode() fs.FileMode { return 0o444 }

// ModTime implements fs.FileInfo.
func (info) ModTime() time.Time { return time.Time{} }

// IsDir implements fs.FileInfo.
func (info) IsDir() bool { return false }

// Sys implements fs.FileInfo.
func (info) Sys() any { return nil }
