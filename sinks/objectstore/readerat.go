package objectstore

import (
	"context"
	"errors"
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

// Ahead reads the size bytes of r in pieces of n at least, for what goes through an object from its beginning on and asks for little at a time. The last piece is kept. It is for one goroutine.
func Ahead(r io.ReaderAt, size int64, n int) io.ReaderAt {
	return &ahead{r: r, size: size, piece: make([]byte, 0, min(int64(n), size))}
}

type ahead struct {
	r     io.ReaderAt
	size  int64
	off   int64 // where the piece begins
	piece []byte
}

func (a *ahead) ReadAt(p []byte, off int64) (n int, err error) {
	if len(p) > cap(a.piece) {
		return a.r.ReadAt(p, off)
	}
	for n < len(p) {
		at := off + int64(n)
		if at >= a.size {
			return n, io.EOF
		}
		if at < a.off || at >= a.off+int64(len(a.piece)) {
			if err := a.fill(at); err != nil {
				return n, err
			}
		}
		n += copy(p[n:], a.piece[at-a.off:])
	}
	return n, nil
}

// fill reads the piece that begins at off.
func (a *ahead) fill(off int64) error {
	want := int(min(int64(cap(a.piece)), a.size-off))
	n, err := a.r.ReadAt(a.piece[:want], off)
	a.off, a.piece = off, a.piece[:n]
	if n == want {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // size says that there is more
	}
	return err
}
