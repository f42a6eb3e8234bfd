package icebergcatalog

import (
	"container/list"
	"context"
	"io"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"vecmill/sinks/icebergsink"
	"vecmill/sinks/objectstore"
)

// mostShared is how many bytes of delete files are kept. One that is larger is read for each data file.
const mostShared = 128 << 20

// shared opens files, and keeps the delete files that data files of a scan have in common: the library reads a data file's anew for each. Those used last are kept. It is safe for concurrent use.
type shared struct {
	open OpenFile
	most int64 // bytes

	mu struct {
		sync.Mutex
		of    map[string]bool // URLs that are kept
		kept  map[string]*list.Element
		line  list.List // of *sharedFile; the one used last is the first
		bytes int64     // of those that are read
	}
}

// sharedFile is an object that is there, or on its way.
type sharedFile struct {
	url  string
	done chan struct{} // closed when the rest is there
	info objectstore.Info
	body []byte
	err  error
}

func newShared(open OpenFile) *shared {
	s := &shared{open: open, most: mostShared}
	s.mu.of, s.mu.kept = map[string]bool{}, map[string]*list.Element{}
	return s
}

// keep has the delete files kept that several data files name.
func (s *shared) keep(tasks map[string][]table.FileScanTask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	named := map[string]string{} // by a data file
	for data, parts := range tasks {
		for _, task := range parts {
			for _, deletes := range [][]iceberg.DataFile{task.DeleteFiles, task.EqualityDeleteFiles, task.DeletionVectorFiles} {
				for _, d := range deletes {
					if before, is := named[d.FilePath()]; is && before != data {
						s.mu.of[d.FilePath()] = true
					}
					named[d.FilePath()] = data
				}
			}
		}
	}
}

// file is an OpenFile.
func (s *shared) file(ctx context.Context, url string) (icebergsink.Store, string, error) {
	store, name, err := s.open(ctx, url)
	if err == nil && s.keeps(url) {
		store = sharedStore{store, s, url}
	}
	return store, name, err
}

func (s *shared) keeps(url string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.of[url]
}

// sharedStore gives one object from what is kept.
type sharedStore struct {
	icebergsink.Store
	s   *shared
	url string
}

// Stat implements objectstore.Store.
func (t sharedStore) Stat(ctx context.Context, name string) (objectstore.Info, error) {
	f, err := t.s.get(ctx, t.Store, t.url, name)
	return f.info, err
}

// Read implements objectstore.Store.
func (t sharedStore) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	f, err := t.s.get(ctx, t.Store, t.url, name)
	if err != nil {
		return nil, err
	}
	if f.body == nil { // it is too large
		return t.Store.Read(ctx, name, off, n)
	}
	size := int64(len(f.body))
	from, to := min(off, size), min(off+n, size)
	return f.body[from:to:to], nil
}

// get gives a file, reading it if it is not there. Whoever comes while it is on its way waits for it. Only the one who reads it is told of a fault, and of the end of its own context: the others try by themselves.
func (s *shared) get(ctx context.Context, store icebergsink.Store, url, name string) (*sharedFile, error) {
	for {
		f, mine := s.claim(url)
		if mine {
			f.info, f.body, f.err = whole(ctx, store, name, s.most)
			s.end(f)
			return f, f.err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return f, ctx.Err()
		}
		if f.err == nil {
			return f, nil
		}
	}
}

// whole reads an object, but for one of more bytes than most.
func whole(ctx context.Context, store icebergsink.Store, name string, most int64) (o objectstore.Info, body []byte, err error) {
	if o, err = store.Stat(ctx, name); err != nil || o.Size > most {
		return o, nil, err
	}
	if body, err = store.Read(ctx, name, 0, o.Size); err == nil && int64(len(body)) < o.Size {
		err = io.ErrUnexpectedEOF
	}
	return o, body, err
}

// claim gives a file that is there or on its way, or one that the caller is to read.
func (s *shared) claim(url string) (f *sharedFile, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.mu.kept[url]; ok {
		s.mu.line.MoveToFront(at)
		return at.Value.(*sharedFile), false
	}
	f = &sharedFile{url: url, done: make(chan struct{})}
	s.mu.kept[url] = s.mu.line.PushFront(f)
	return f, true
}

// end keeps a file that was read, and lets those go that were used longest ago.
func (s *shared) end(f *sharedFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(f.done)
	s.mu.bytes += int64(len(f.body))
	if f.err != nil {
		s.dropLocked(s.mu.kept[f.url])
	}
	for at := s.mu.line.Back(); at != nil && s.mu.bytes > s.most; {
		before := at.Prev()
		select {
		case <-at.Value.(*sharedFile).done:
			s.dropLocked(at)
		default: // on its way
		}
		at = before
	}
}

func (s *shared) dropLocked(at *list.Element) {
	f := s.mu.line.Remove(at).(*sharedFile)
	delete(s.mu.kept, f.url)
	s.mu.bytes -= int64(len(f.body))
}
