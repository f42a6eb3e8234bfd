package wire

import (
	"log/slog"

	"vecmill/internal/config"
	"vecmill/stream"
	"vecmill/stream/blobfetch"
)

// newFetcher is what all pipelines fetch with: one set of limits, one pool of connections. log, which may be nil, tells of objects that are waited for at length.
func newFetcher(c *config.Config, s *stores, log *slog.Logger) (stream.Fetcher, error) {
	b := blobfetch.NewDefaultConfig()
	b.Buckets, b.Hosts, b.AllowPrivateHosts, b.FileRoots = c.Fetch.Buckets, c.Fetch.Hosts, c.Fetch.PrivateHosts, c.Fetch.FileRoots
	b.MaxObjectBytes, b.Timeout = int64(c.Fetch.MaxObjectBytes), c.Fetch.Timeout.D()
	b.Retry.Attempts = c.Fetch.Attempts
	b.Retry.Told = seldom(func(tries int, err error) {
		if log != nil && tries >= 8 { // fewer are everyday's
			log.Warn("fetching failed; trying again", "tries", tries, "err", err)
		}
	})
	var err error
	if b.S3, err = s.s3(); err != nil {
		return nil, err
	}
	return blobfetch.New(b)
}
