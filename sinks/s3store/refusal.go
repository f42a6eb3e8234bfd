package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"vecmill/sinks/objectstore"
)

// Check asks for one name under prefix: whether the store can be reached, takes the credentials, and has the bucket. It needs no more rights than
// List, and unlike a HEAD of the bucket it is told why it is refused. Errors are those of List; ErrNoBucket among them.
func (s *Store) Check(ctx context.Context, prefix string) error {
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, MaxKeys: 1}) {
		return s.wrap("listing", prefix, o.Err)
	}
	return s.wrap("listing", prefix, ctx.Err())
}

// explain asks again for what a HEAD was refused: its answer has no body, so that a token that has expired looks like a right that is missing.
// It asks for one byte, which needs the same right.
func (s *Store) explain(ctx context.Context, name string, err error) error {
	e, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok || e.StatusCode != http.StatusForbidden && e.StatusCode != http.StatusBadRequest && e.StatusCode != http.StatusUnauthorized {
		return err
	}
	var opts minio.GetObjectOptions
	if err := opts.SetRange(0, 0); err != nil {
		return err
	}
	core := minio.Core{Client: s.client}
	body, _, _, why := core.GetObject(ctx, s.bucket, name, opts)
	if why == nil {
		body.Close() // nothing of it is used
		return fmt.Errorf("a HEAD is answered %d, a GET of the same object succeeds", e.StatusCode)
	}
	return why
}

// refused says whether an answer is final. 409 is not: S3 gives it when two conditional PUTs of one name race, and asks to try
// again. Nor are a time-out, throttling, or a token that the credential provider is about to renew.
func refused(e minio.ErrorResponse) bool {
	switch e.StatusCode {
	case http.StatusConflict, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusTooEarly:
		return false
	}
	if objectstore.Passing(e.Code) || e.Code == "RequestTimeTooSkewed" {
		return false
	}
	return e.StatusCode >= 400 && e.StatusCode < 500 && !expired(e)
}

// expired says whether an answer is about a token that was good once.
func expired(e minio.ErrorResponse) bool {
	switch e.Code {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return true
	}
	return false
}
