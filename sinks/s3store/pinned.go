package s3store

import (
	"context"
	"crypto/md5" //nolint:gosec // its length: what stores tell of objects
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"vecmill/sinks/objectstore"
)

// Pinned is an object as it was when it was looked at.
type Pinned struct {
	Name    string
	ETag    string // without quotes
	MD5     string // of the content, in hex; "" where the entity tag is not known to be it
	Version string // "" where the bucket keeps none, or it was not asked for
	Size    int64  // bytes
	Changed time.Time
}

// Pin looks at an object, to read it as it is now. Errors are those of Stat.
func (s *Store) Pin(ctx context.Context, name string) (Pinned, error) {
	o, err := s.head(ctx, name)
	if err != nil {
		return Pinned{}, err
	}
	etag := strings.Trim(o.ETag, `"`)
	return Pinned{Name: name, ETag: etag, MD5: sumIn(etag, o.Metadata.Get("X-Amz-Server-Side-Encryption")), Version: o.VersionID, Size: o.Size, Changed: o.LastModified}, nil
}

// sumIn is the MD5 that an entity tag is: of an object that was put at once, and is not encrypted with keys of KMS, whose tags only look like one.
func sumIn(etag, encryption string) string {
	if _, err := hex.DecodeString(etag); err != nil || len(etag) != 2*md5.Size || encryption != "" && encryption != "AES256" {
		return ""
	}
	return etag
}

// ReadPinned is Read of the object that was looked at. Where that was put over or removed it is read by its version, if it has one that these credentials may read (s3:GetObjectVersion); otherwise the error is objectstore.ErrChanged or
// ErrNotFound.
func (s *Store) ReadPinned(ctx context.Context, p *Pinned, off, n int64) ([]byte, error) {
	b, err := s.readPinned(ctx, p, "", off, n)
	if p.Version == "" || !errors.Is(err, objectstore.ErrChanged) && !errors.Is(err, objectstore.ErrNotFound) {
		return b, err
	}
	b, old := s.readPinned(ctx, p, p.Version, off, n)
	if errors.Is(old, objectstore.ErrRefused) || errors.Is(old, objectstore.ErrNotFound) {
		return nil, err
	}
	return b, old
}

func (s *Store) readPinned(ctx context.Context, p *Pinned, version string, off, n int64) ([]byte, error) {
	if n <= 0 {
		return nil, nil
	}
	opts := minio.GetObjectOptions{VersionID: version}
	err := errors.Join(opts.SetRange(off, off+n-1), opts.SetMatchETag(p.ETag))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p.Name, err)
	}
	core := minio.Core{Client: s.client}
	body, info, _, err := core.GetObject(ctx, s.bucket, p.Name, opts)
	if e, ok := errors.AsType[minio.ErrorResponse](err); ok && (e.StatusCode == http.StatusPreconditionFailed || e.StatusCode == http.StatusRequestedRangeNotSatisfiable) { // the latter of one that is shorter now
		return nil, fmt.Errorf("reading s3://%s/%s: %w", s.bucket, p.Name, objectstore.ErrChanged)
	}
	if err != nil {
		return nil, s.wrap("reading", p.Name, err)
	}
	defer body.Close()
	if strings.Trim(info.ETag, `"`) != p.ETag { // not every store minds the condition
		return nil, fmt.Errorf("reading s3://%s/%s: %w", s.bucket, p.Name, objectstore.ErrChanged)
	}
	b, err := io.ReadAll(io.LimitReader(body, n))
	if err != nil {
		return nil, s.wrap("reading", p.Name, err)
	}
	return b, nil
}
