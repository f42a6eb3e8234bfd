//go:build iceberg

package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path"
	"strings"

	"vecmill/internal/audit"
	"vecmill/internal/config"
	"vecmill/internal/retry"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/icebergcatalog"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/parquetfile"
)

func newIceberg(ctx context.Context, c *config.Iceberg, m *loadedModel, s *stores, o Options, told tellTries) (sinks.Sink, error) {
	at, err := icebergCatalog(&c.Catalog, c.Table, s)
	if err != nil {
		return nil, err
	}
	at.Create, at.Partition, at.ModelDigest, at.Tasks = c.Create, c.Partition, m.digest, m.tasks()
	at.Deletes = c.Tombstones == "delete"
	table, err := icebergcatalog.Open(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("iceberg: %w", err)
	}
	cfg := icebergsink.NewDefaultConfig()
	cfg.Retry.Told = told
	cfg.Table, cfg.Name, cfg.Files, cfg.Tasks, cfg.ModelDigest = table, c.Table, at.Files, at.Tasks, at.ModelDigest
	cfg.RollBytes, cfg.RollRows, cfg.RollAge, cfg.MaxBuffered = int64(c.RollBytes), c.RollRows, c.RollAge.D(), int64(c.MaxBuffered)
	cfg.KeepDeleted, cfg.Heads = !at.Deletes, formatHeads(m.options)
	cfg.Compression = parquetfile.Compression(c.Compression)
	cfg.Writer, _ = os.Hostname() // only for people; the table's progress decides who writes
	cfg.Observer = commits{o.Log, c.Table}
	sink, err := icebergsink.New(cfg)
	if err != nil {
		_ = table.Close() // the first error is the one to tell
		return nil, err
	}
	return sink, nil
}

// openIceberg opens a table for an audit. One that is not there has nothing.
func openIceberg(ctx context.Context, c *config.Iceberg, s *stores) (audit.Output, error) {
	r, err := s.icebergReader(ctx, c)
	if err != nil {
		return nil, err
	}
	return audit.Iceberg{Reader: r}, nil
}

func icebergCatalog(k *config.IcebergCatalog, table string, s *stores) (icebergcatalog.Config, error) {
	at := icebergcatalog.Config{
		URI: k.URI.Reveal(), Name: k.Name, Warehouse: k.Warehouse, Token: k.Token.Reveal(), TokenURL: k.TokenURL, Scope: k.Scope, Prefix: k.Prefix,
		Table: table, Files: s.file, Retry: retry.Default(),
	}
	if k.ClientID != "" {
		at.Client = k.ClientID + ":" + k.ClientSecret.Reveal()
	}
	if k.CAFile != "" {
		pool, err := trusted(k.CAFile)
		if err != nil {
			return at, fmt.Errorf("iceberg.catalog.ca_file: %w", err)
		}
		at.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return at, nil
}

// file opens the store of one file's URL. A table says itself where its files are, so a store is not looked at before it is used.
func (s *stores) file(_ context.Context, rawURL string) (icebergsink.Store, string, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok && strings.HasPrefix(rawURL, "file:/") { // as Java writes it
		scheme, rest = "file", strings.TrimPrefix(rawURL, "file:")
	}
	switch scheme {
	case "file":
		p, err := url.PathUnescape(rest) // names of ours have escapes of their own, in which % is %25
		if err != nil {
			p = rest
		}
		store, err := dirstore.Open(path.Dir(p))
		return store, path.Base(p), err
	case "s3", "s3a", "s3n":
		bucket, key, _ := strings.Cut(rest, "/")
		store, err := s.bucket(bucket)
		return store, key, err
	}
	return nil, "", fmt.Errorf("%q is not s3://bucket/name or file:///path", rawURL)
}

// commits logs what becomes of commits.
type commits struct {
	log   *slog.Logger
	table string
}

func (l commits) Committed(c icebergsink.Committed) {
	var rows, bytes, deleted int64
	for i := range c.Delta.Data {
		rows, bytes = rows+c.Delta.Data[i].Rows, bytes+c.Delta.Data[i].Bytes
	}
	for i := range c.Delta.Deletes {
		deleted += c.Delta.Deletes[i].Rows
	}
	l.log.Debug("snapshot committed", "table", l.table, "sources", len(c.Added), "files", len(c.Delta.Data), "rows", rows, "deleted", deleted, "bytes", bytes, "reasons", c.Reasons, "tries", c.Tries, "took", c.Duration)
	for i := range c.Taken {
		r := &c.Taken[i]
		l.log.Warn("another worker had written these offsets; its rows are kept, ours are dropped", "table", l.table, "source", r.Source.String(), "first", r.First, "next", r.Next)
	}
}
