package wire

import (
	"vecmill/internal/config"
	"vecmill/stream/blobfetch"
)

// newFetcher is what all pipelines fetch with: one set of limits, one pool of connections.
func newFetcher(c *config.Config, s *stores) (*blobfetch.Fetcher, error) {
	b := blobfetch.NewDefaultConfig()
	b.Buckets, b.Hosts, b.AllowPrivateHosts, b.FileRoots = c.Fetch.Buckets, c.Fetch.Hosts, c.Fetch.PrivateHosts, c.Fetch.FileRoots
	b.MaxObjectBytes, b.Timeout = int64(c.Fetch.MaxObjectBytes), c.Fetch.Timeout.D()
	b.Retry.Attempts = c.Fetch.Attempts
	var err error
	if b.S3, err = s.s3(); err != nil {
		return nil, err
	}
	return blobfetch.New(b)
}
