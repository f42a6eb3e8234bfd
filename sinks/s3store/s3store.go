package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"vecmill/sinks/objectstore"
)

// Store is one bucket.
type Store struct {
	client *minio.Client
	bucket string
	opts   Options
}

// ErrNoBucket says that the bucket does not exist. It comes with objectstore.ErrRefused.
var ErrNoBucket = errors.New("there is no bucket")

// Options are what differs between servers.
type Options struct {
	// DisableContentSHA256 sends the body without a signed digest, for servers that store the framing of signed chunks over plain HTTP.
	DisableContentSHA256 bool

	// Renew is called when the store says that the token of a request has expired, before that request can be repeated: credentials.Credentials.Expire.
	// The client renews what it knows to expire; it does not know of a clock that is wrong, or of a file of credentials that has a new content. nil does nothing.
	Renew func()
}

// New is a store in bucket. It does no I/O.
func New(client *minio.Client, bucket string, opts Options) *Store {
	return &Store{client: client, bucket: bucket, opts: opts}
}

// List gives the keys under prefix after `after`.
func (s *Store) List(ctx context.Context, prefix, after string) ([]string, error) {
	var names []string
	opts := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, StartAfter: after}
	for o := range s.client.ListObjectsIter(ctx, s.bucket, opts) {
		if o.Err != nil {
			return nil, s.wrap("listing", prefix, o.Err)
		}
		if o.Key > after { // for servers that do not know start-after
			names = append(names, o.Key)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, s.wrap("listing", prefix, err)
	}
	return names, nil
}

// Listed is a key as a listing has it.
type Listed struct {
	Key     string
	Size    int64  // bytes
	ETag    string // without quotes
	Changed time.Time
}

// pageKeys is the most that servers list at once.
const pageKeys = 1000

// Page is a part of a listing: up to a thousand keys under prefix behind `after`, in byte order, and whether there may be more behind them. It is one request, or more of a store that lists fewer at once. The end of ctx ends
// it, also while the store says nothing.
func (s *Store) Page(ctx context.Context, prefix, after string) (page []Listed, more bool, err error) {
	opts := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, StartAfter: after, MaxKeys: pageKeys}
	for o := range s.client.ListObjectsIter(ctx, s.bucket, opts) { // minio.Core tells of single requests, and takes no ctx
		if o.Err != nil {
			return nil, false, s.wrap("listing", prefix, o.Err)
		}
		page = append(page, Listed{Key: o.Key, Size: o.Size, ETag: strings.Trim(o.ETag, `"`), Changed: o.LastModified})
		if len(page) == pageKeys {
			return page, true, nil
		}
	}
	if err := ctx.Err(); err != nil { // of which the client says nothing between two requests
		return nil, false, s.wrap("listing", prefix, err)
	}
	return page, false, nil
}

// Stat is a HEAD.
func (s *Store) Stat(ctx context.Context, name string) (objectstore.Info, error) {
	o, err := s.head(ctx, name)
	if err != nil {
		return objectstore.Info{}, err
	}
	info := objectstore.Info{Name: name, Size: o.Size, Meta: make(map[string]string, len(o.UserMetadata))}
	for k, v := range o.UserMetadata {
		info.Meta[strings.ToLower(k)] = v
	}
	return info, nil
}

func (s *Store) head(ctx context.Context, name string) (minio.ObjectInfo, error) {
	o, err := s.client.StatObject(ctx, s.bucket, name, minio.StatObjectOptions{})
	if err != nil {
		err = s.wrap("looking at", name, s.explain(ctx, name, err))
	}
	return o, err
}

// Read is a ranged GET.
func (s *Store) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	var opts minio.GetObjectOptions
	if n <= 0 {
		return nil, nil
	}
	if err := opts.SetRange(off, off+n-1); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	o, err := s.client.GetObject(ctx, s.bucket, name, opts)
	if err != nil {
		return nil, s.wrap("reading", name, err)
	}
	defer o.Close()
	b, err := io.ReadAll(io.LimitReader(o, n))
	if err != nil {
		return nil, s.wrap("reading", name, err)
	}
	return b, nil
}

// PutIfAbsent is one conditional PUT.
func (s *Store) PutIfAbsent(ctx context.Context, name string, body []byte, meta map[string]string) error {
	opts := s.putOptions(contentType(name))
	opts.UserMetadata = meta
	opts.SetMatchETagExcept("*")
	return s.put(ctx, name, body, opts)
}

// Put replaces the object.
func (s *Store) Put(ctx context.Context, name string, body []byte, contentType string) error {
	return s.put(ctx, name, body, s.putOptions(contentType))
}

func contentType(name string) string {
	switch {
	case strings.HasSuffix(name, ".parquet"):
		return "application/vnd.apache.parquet"
	case strings.HasSuffix(name, ".arrows"):
		return "application/vnd.apache.arrow.stream"
	}
	return "application/octet-stream"
}

func (s *Store) putOptions(contentType string) minio.PutObjectOptions {
	return minio.PutObjectOptions{
		ContentType: contentType, DisableMultipart: true, SendContentMd5: true, DisableContentSha256: s.opts.DisableContentSHA256,
	}
}

func (s *Store) put(ctx context.Context, name string, body []byte, opts minio.PutObjectOptions) error {
	_, err := s.client.PutObject(ctx, s.bucket, name, bytes.NewReader(body), int64(len(body)), opts)
	return s.wrap("writing", name, err)
}

// wrap names the act and maps S3's errors to those of objectstore.
func (s *Store) wrap(act, name string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok { // no answer at all: a broken connection or the end of ctx
		return fmt.Errorf("%s s3://%s/%s: %w", act, s.bucket, name, err)
	}
	if expired(e) && s.opts.Renew != nil {
		s.opts.Renew()
	}
	switch {
	case e.StatusCode == http.StatusPreconditionFailed:
		err = objectstore.ErrExists
	case e.Code == minio.NoSuchBucket:
		err = fmt.Errorf("%w: %w %q", objectstore.ErrRefused, ErrNoBucket, s.bucket)
	case e.StatusCode == http.StatusNotFound:
		err = objectstore.ErrNotFound
	case refused(e):
		err = fmt.Errorf("%w: %w", objectstore.ErrRefused, err)
	}
	return fmt.Errorf("%s s3://%s/%s: %w", act, s.bucket, name, err)
}
