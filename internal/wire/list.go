package wire

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"

	"vecmill/internal/config"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/s3store"
	"vecmill/stream/manifestsource"
)

// ErrUnfit says that a list is not what it was given for: the same command would say so again.
var ErrUnfit = manifestsource.ErrUnfit

// list is where a list of references lies: a file of this machine, or an object of a bucket.
func (s *stores) list(at string) (manifestsource.Place, error) {
	if !strings.HasPrefix(at, "s3://") {
		return manifestsource.Disk(at), nil
	}
	where, err := config.ParsePlace(at)
	if err != nil {
		return manifestsource.Place{}, err
	}
	key := where.Prefix
	if key == "" || strings.HasSuffix(key, "/") {
		return manifestsource.Place{}, fmt.Errorf("%q is not s3://bucket/key of one list", at)
	}
	bucket, err := s.bucket(where.Bucket)
	if err != nil {
		return manifestsource.Place{}, err
	}
	return s.object(bucket, at, path.Base(key), func(ctx context.Context, p patience) (pin s3store.Pinned, err error) {
		err = p.again(ctx, func(ctx context.Context) error {
			pin, err = bucket.Pin(ctx, key)
			if errors.Is(err, objectstore.ErrNotFound) { // a HEAD does not say of what
				if none := bucket.Check(ctx, key); errors.Is(none, s3store.ErrNoBucket) {
					return none
				}
			}
			return err
		})
		return pin, err
	}), nil
}

// object is an object with a list, as pin says that it is when the list is opened.
func (s *stores) object(bucket *s3store.Store, at, name string, pin func(context.Context, patience) (s3store.Pinned, error)) manifestsource.Place {
	open := func(ctx context.Context) (manifestsource.File, error) {
		o := &pinnedObject{ctx: ctx, store: bucket, patience: patience{s.told}}
		var err error
		switch o.pin, err = pin(ctx, o.patience); {
		case err != nil:
			return nil, storeFault(err)
		case o.pin.ETag == "":
			return nil, errors.New("the store gives it no entity tag, by which it would be known to be the same")
		}
		return &listFile{o, objectstore.Ahead(o, o.pin.Size, piece(name))}, nil
	}
	return manifestsource.Place{At: at, Name: name, Named: true, Fixed: true, Open: open}
}

// Pieces of a list that are asked for at once.
const (
	linesPiece  = 8 << 20  // of what is read from its beginning on, row by row
	columnPiece = 64 << 10 // of what is read column by column: larger columns are asked for as they are
)

func piece(name string) int {
	if strings.EqualFold(path.Ext(name), ".parquet") {
		return columnPiece
	}
	return linesPiece
}

// listFile is an object with a list. It implements manifestsource.File.
type listFile struct {
	*pinnedObject
	ahead io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (f *listFile) ReadAt(p []byte, off int64) (int, error) { return f.ahead.ReadAt(p, off) }

// pinnedObject reads an object as it was when it was opened.
type pinnedObject struct {
	ctx   context.Context // of the list: io.ReaderAt has no place for it
	store *s3store.Store
	pin   s3store.Pinned
	patience
}

// ReadAt implements io.ReaderAt.
func (o *pinnedObject) ReadAt(p []byte, off int64) (n int, err error) {
	if off >= o.pin.Size {
		return 0, io.EOF
	}
	err = o.again(o.ctx, func(ctx context.Context) error {
		b, err := o.store.ReadPinned(ctx, &o.pin, off, int64(len(p)))
		n = copy(p, b)
		return err
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, storeFault(err)
}

// Size implements manifestsource.File.
func (o *pinnedObject) Size() int64 { return o.pin.Size }

// Changed implements manifestsource.File.
func (o *pinnedObject) Changed() time.Time { return o.pin.Changed }

// Sum implements manifestsource.File: it is made of the entity tag.
func (o *pinnedObject) Sum(context.Context) (string, error) {
	return manifestsource.SumOf(sha256.Sum256([]byte(o.pin.ETag))), nil
}

// Close implements manifestsource.File: every request is one of its own.
func (o *pinnedObject) Close() error { return nil }

// storeFault says what is to be done about a list that a store does not give.
func storeFault(err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return err
	case errors.Is(err, objectstore.ErrChanged):
		return fmt.Errorf("%w: %w", manifestsource.ErrChanged, err)
	case errors.Is(err, s3store.ErrNoBucket), errors.Is(err, objectstore.ErrNotFound):
		return err
	case errors.Is(err, objectstore.ErrRefused):
		return fmt.Errorf("%w; check the credentials, and that they may get it (s3:GetObject)", err)
	}
	return fmt.Errorf("%w; check s3.endpoint, the credentials and the machine's clock", err)
}

// FindManifest says why a manifest cannot be opened.
func FindManifest(ctx context.Context, c *config.Config, path string, o ReadOptions) error {
	at, err := o.place(c, path)
	if err == nil {
		var f manifestsource.File
		if f, err = at.Open(ctx); err == nil {
			err = f.Close()
		}
	}
	return theManifest(err)
}

// SumManifest is what tells a manifest from others of its name: 8 digits, of a file's content or an object's entity tag.
func SumManifest(ctx context.Context, c *config.Config, path string, o ReadOptions) (sum string, err error) {
	at, err := o.place(c, path)
	if err == nil {
		sum, err = manifestsource.Sum(ctx, at)
	}
	return sum, theManifest(err)
}

// DefaultName is what a manifest is called in the outputs unless it is told: its file's name with o.Sum, or 8 digits of that and of the columns if any are named, which make other references of the same content.
func DefaultName(file string, o ReadOptions) string {
	digits := o.Sum
	if len(o.Columns) > 0 {
		digits = manifestsource.SumOf(sha256.Sum256(fmt.Appendf(nil, "%s %q", o.Sum, o.Columns))) // a map is printed by its keys' order
	}
	return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)) + "-" + digits
}

// CountManifest is the number of references of a manifest.
func CountManifest(ctx context.Context, c *config.Config, path string, o ReadOptions) (n int64, err error) {
	at, err := o.place(c, path)
	if err == nil {
		var list manifestsource.List
		if list, err = manifestsource.OpenSame(ctx, at, o.Sum, o.Columns); err == nil {
			n, err = manifestsource.Whole(ctx, list, o.Sum)
			err = errors.Join(err, list.Close())
		}
	}
	if err != nil {
		return 0, fmt.Errorf("manifest %s: %w", path, err)
	}
	return n, nil
}

func (o *ReadOptions) place(c *config.Config, path string) (manifestsource.Place, error) {
	s := &stores{cfg: c, told: seldom(o.Trying)}
	return s.list(path)
}

// theManifest is an error that names it already.
func theManifest(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the manifest: %w", err)
}
