package objectstore

import (
	"context"
	"io"
)

// ReaderAt reads an object in pieces, one request each, for what wants an io.ReaderAt.
func ReaderAt(ctx context.Context, st Store, o Info) io.ReaderAt { return &readerAt{ctx, st, o} }

type readerAt struct {
	ctx context.Context // of one scan: io.ReaderAt has no place for it
	st  Store
	o   Info
}

func (r *readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.o.Size {
		return 0, io.EOF
	}
	b, err := r.st.Read(r.ctx, r.o.Name, off, int64(len(p)))
	n := copy(p, b)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}
