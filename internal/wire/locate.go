package wire

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/minio/minio-go/v7"

	"vecmill/internal/config"
	"vecmill/model/hub"
)

// LocateModel gives the local path of a model: of one in the file system as it is, of hf:// and s3:// references after fetching them, with a beam decoder if there is one. Where S3 is,
// the environment says (VECMILL_S3_ENDPOINT, ...), as for a worker.
func LocateModel(ctx context.Context, path string) (string, error) {
	if !hub.IsReference(path) {
		return path, nil
	}
	c, err := config.FromEnvironment(os.LookupEnv)
	if err != nil {
		return "", err
	}
	return locateModel(ctx, c, &stores{cfg: c}, path, true, slog.Default())
}

func locateModel(ctx context.Context, c *config.Config, s *stores, path string, decoder bool, log *slog.Logger) (string, error) {
	switch {
	case !hub.IsReference(path):
		return path, nil
	case strings.HasPrefix(path, "s3://"):
		return fetchFromS3(ctx, c, s, path, decoder, log)
	}
	ref, err := hub.Parse(path)
	if err != nil {
		return "", err
	}
	settings, err := hub.Environment(os.Getenv)
	if err != nil {
		return "", err
	}
	settings.Log, settings.Decoder = log, decoder
	client, err := hub.New(settings)
	if err != nil {
		return "", err
	}
	return client.Fetch(ctx, ref)
}

func fetchFromS3(ctx context.Context, c *config.Config, s *stores, path string, decoder bool, log *slog.Logger) (string, error) {
	at, err := config.ParsePlace(path)
	if err != nil {
		return "", err
	}
	client, err := s.s3()
	if err != nil {
		return "", err
	}
	graphs, err := cacheDir(c)
	if err != nil {
		return "", err
	}
	models := filepath.Join(filepath.Dir(graphs), "models")
	if c.Runtime.CacheDir != "" {
		models = filepath.Join(graphs, "models") // the operator's directory is all there is
	}
	prefix := strings.Trim(at.Prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return hub.FetchObjects(ctx, path, &s3Model{client: client, bucket: at.Bucket, prefix: prefix}, hub.ObjectSettings{Cache: models, Log: log, Decoder: decoder})
}

// s3Model is a checkpoint under a prefix of a bucket. It implements hub.Objects.
type s3Model struct {
	client         *minio.Client
	bucket, prefix string // the prefix is empty or ends with a slash
}

// List implements hub.Objects.
func (m *s3Model) List(ctx context.Context) ([]hub.Object, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing if it is left early
	var all []hub.Object
	for o := range m.client.ListObjects(ctx, m.bucket, minio.ListObjectsOptions{Prefix: m.prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, refusedByS3(o.Err)
		}
		all = append(all, hub.Object{Name: strings.TrimPrefix(o.Key, m.prefix), Size: o.Size, ETag: strings.Trim(o.ETag, `"`)})
	}
	return all, ctx.Err() // a listing that was ended between two requests says nothing
}

// Get implements hub.Objects.
func (m *s3Model) Get(ctx context.Context, o hub.Object, offset int64) (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	if err := opts.SetMatchETag(o.ETag); err != nil {
		return nil, fmt.Errorf("%w: %w", hub.ErrRefused, err)
	}
	if offset > 0 {
		if err := opts.SetRange(offset, 0); err != nil {
			return nil, fmt.Errorf("%w: %w", hub.ErrRefused, err)
		}
	}
	core := minio.Core{Client: m.client}
	body, got, _, err := core.GetObject(ctx, m.bucket, m.prefix+o.Name, opts)
	if err != nil {
		return nil, refusedByS3(err)
	}
	if tag := strings.Trim(got.ETag, `"`); tag != o.ETag { // not every store honours the condition
		_ = body.Close()
		return nil, fmt.Errorf("%w: it was replaced during the download; start again", hub.ErrRefused)
	}
	return body, nil
}

// refusedByS3 marks answers that stay the same.
func refusedByS3(err error) error {
	switch minio.ToErrorResponse(err).StatusCode {
	case http.StatusPreconditionFailed:
		return fmt.Errorf("%w: it was replaced during the download; start again: %w", hub.ErrRefused, err)
	case http.StatusForbidden:
		return fmt.Errorf("%w: %w; check the credentials and their permissions", hub.ErrRefused, err)
	case http.StatusNotFound:
		return fmt.Errorf("%w: %w", hub.ErrRefused, err)
	}
	return err
}
