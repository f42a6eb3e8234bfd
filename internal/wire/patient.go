package wire

import (
	"context"
	"errors"
	"io"

	"vecmill/internal/retry"
	"vecmill/sinks/objectstore"
)

// patientReader reads again while the store is busy.
type patientReader struct {
	ctx context.Context // of one file: io.ReaderAt has no place for it
	r   io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (p *patientReader) ReadAt(b []byte, off int64) (n int, err error) {
	err = reread(p.ctx, func(context.Context) error {
		n, err = p.r.ReadAt(b, off)
		return err
	})
	return n, err
}

// reread repeats a read while the store is busy.
func reread(ctx context.Context, read func(context.Context) error) error {
	final := func(err error) bool {
		return errors.Is(err, io.EOF) || errors.Is(err, objectstore.ErrRefused) || errors.Is(err, objectstore.ErrNotFound)
	}
	_, err := retry.Do(ctx, retry.Patient(), final, read)
	return err
}
