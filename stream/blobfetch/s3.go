package blobfetch

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"vecmill/schemas"
)

// s3 is the opener of s3://bucket/key.
func (f *Fetcher) s3(ref schemas.Ref) (opener, error) {
	_, rest, _ := strings.Cut(ref.URI, "://")
	bucket, key, _ := strings.Cut(rest, "/")
	switch {
	case bucket == "" || key == "":
		return nil, schemas.Rejectf(schemas.ReasonSchema, "fetching %s: want s3://bucket/key", ref.URI)
	case !f.bucketAllowed(bucket, key):
		return nil, schemas.Rejectf(schemas.ReasonFetchDenied, "fetching %s: the bucket or prefix is not among those allowed", ref.URI)
	case f.cfg.S3 == nil:
		return nil, schemas.Rejectf(schemas.ReasonFetchDenied, "fetching %s: no S3 store is configured", ref.URI)
	}
	return func(ctx context.Context) (*object, error) { return f.openS3(ctx, ref, bucket, key) }, nil
}

// bucketAllowed says whether an entry of the allow-list covers the key. A prefix covers whole segments: box/a covers a and a/b, not ab.
func (f *Fetcher) bucketAllowed(bucket, key string) bool {
	if climbs(key) {
		return false
	}
	for _, rule := range f.cfg.Buckets {
		name, prefix, _ := strings.Cut(rule, "/")
		prefix = strings.TrimSuffix(prefix, "/")
		if rule == "*" || name == bucket && (prefix == "" || key == prefix || strings.HasPrefix(key, prefix+"/")) {
			return true
		}
	}
	return false
}

// climbs says whether a key has "." or ".." segments, as it is or when a store should decode it once more, or take a backslash for a slash: a store
// on a file system might resolve them, out of the prefix. Nor has any key a reason for a NUL.
func climbs(key string) bool {
	for _, k := range []string{key, decoded(key)} {
		if strings.ContainsRune(k, 0) {
			return true
		}
		for segment := range strings.FieldsFuncSeq(k, func(r rune) bool { return r == '/' || r == '\\' }) {
			if segment == "." || segment == ".." {
				return true
			}
		}
	}
	return false
}

// decoded is the key without its escapes; what is none stays, as it does for the decoders that are not strict.
func decoded(key string) string {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		if key[i] == '%' && i+2 < len(key) {
			if c, err := strconv.ParseUint(key[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(key[i])
	}
	return b.String()
}

func (f *Fetcher) openS3(ctx context.Context, ref schemas.Ref, bucket, key string) (*object, error) {
	opts := minio.GetObjectOptions{VersionID: ref.Version}
	opts.Set("x-amz-checksum-mode", "ENABLED")
	if ref.ETag != "" {
		if err := opts.SetMatchETag(schemas.PlainETag(ref.ETag)); err != nil {
			return nil, schemas.Rejectf(schemas.ReasonFetchMissing, "fetching %s: ETag %q: %w", ref.URI, ref.ETag, err)
		}
	}
	if r := ref.Range; r != nil {
		if err := opts.SetRange(r.Off, r.Off+r.N-1); err != nil {
			return nil, schemas.Rejectf(schemas.ReasonFetchMissing, "fetching %s: %w", ref.URI, err)
		}
	}
	core := minio.Core{Client: f.cfg.S3}
	body, info, header, err := core.GetObject(ctx, bucket, key, opts)
	if err != nil {
		return nil, s3Fault(ref.URI, err)
	}
	obj := &object{body: body, size: info.Size, etag: info.ETag, version: info.VersionID, contentType: info.ContentType}
	if obj.version == "" {
		obj.version = ref.Version
	}
	if err := f.matches(ref, obj, header); err != nil {
		body.Close() // nothing of it is used
		return nil, err
	}
	if ref.Range == nil { // a checksum is of the whole object
		obj.verify = verifier(header, obj.etag, f.cfg.TrustETag)
	}
	return obj, nil
}

// matches checks that the answer is about the bytes that were asked for; not every store minds If-Match and Range.
func (f *Fetcher) matches(ref schemas.Ref, obj *object, header http.Header) error {
	if want := schemas.PlainETag(ref.ETag); want != "" && obj.etag != want {
		return schemas.Rejectf(schemas.ReasonFetchMissing, "fetching %s: the object has ETag %q, the reference asks for %q", schemas.ShownURI(ref.URI), obj.etag, want)
	}
	if ref.Range == nil {
		return nil
	}
	switch {
	case header.Get("Content-Range") == "":
		return schemas.Rejectf(schemas.ReasonFetchFailed, "fetching %s: the store ignores byte ranges", schemas.ShownURI(ref.URI))
	case obj.size >= 0 && obj.size != ref.Range.N:
		return schemas.Rejectf(schemas.ReasonFetchMissing, "fetching %s: %d bytes from %d on were asked for, the object has %d of them", schemas.ShownURI(ref.URI), ref.Range.N, ref.Range.Off, obj.size)
	}
	return nil
}
