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
		bytes int64     // of those that are there, and on their way
	}
}

// sharedFile is an object that is there, or on its way.
type sharedFile struct {
	url  string
	done chan struct{} // closed when the rest is there
	info objectstore.Info
	body []byte // nil: it is read in parts, being too large, or having no room beside those that are on their way
	err  error
	size int64 // that is reserved for it; under the lock
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
	if f.body == nil {
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
			s.read(ctx, f, store, name)
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

// read fills in a file, whole if there is room for it.
func (s *shared) read(ctx context.Context, f *sharedFile, store icebergsink.Store, name string) {
	if f.info, f.err = store.Stat(ctx, name); f.err != nil || !s.reserve(f, f.info.Size) {
		return
	}
	if f.body, f.err = store.Read(ctx, name, 0, f.info.Size); f.err == nil && int64(len(f.body)) < f.info.Size {
		f.err = io.ErrUnexpectedEOF
	}
}

// reserve makes room for a file that is to be read, and lets those go that were used longest ago. There is none beside those that are on their way if all would be more than is kept.
func (s *shared) reserve(f *sharedFile, size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.most - size
	for at := s.mu.line.Front(); at != nil; at = at.Next() {
		if o := at.Value.(*sharedFile); !o.there() {
			room -= o.size
		}
	}
	if room < 0 {
		return false
	}
	for at := s.mu.line.Back(); at != nil && s.mu.bytes+size > s.most; {
		before := at.Prev()
		if at.Value.(*sharedFile).there() {
			s.dropLocked(at)
		}
		at = before
	}
	f.size = size
	s.mu.bytes += size
	return true
}

// there says whether a file is not on its way any more.
func (f *sharedFile) there() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
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

// end keeps a file that was read, and one that is too large, of which that is known. One that failed, or had no room for now, is asked for again.
func (s *shared) end(f *sharedFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(f.done)
	if f.err != nil || f.body == nil && f.info.Size <= s.most {
		s.dropLocked(s.mu.kept[f.url])
	}
}

func (s *shared) dropLocked(at *list.Element) {
	f := s.mu.line.Remove(at).(*sharedFile)
	delete(s.mu.kept, f.url)
	s.mu.bytes -= f.size
}
