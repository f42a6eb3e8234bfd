package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Client fetches models from one Hub into one cache. It is safe for concurrent use, also by several processes.
type Client struct {
	set      Settings
	endpoint *url.URL
	http     *http.Client
}

// New checks the settings. It asks nothing and creates nothing yet.
func New(s Settings) (*Client, error) {
	u, err := s.check()
	if err != nil {
		return nil, err
	}
	keep := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{set: s, endpoint: u, http: &http.Client{Transport: s.Transport, CheckRedirect: keep}}, nil
}

// Fetch gives the path of a model for model.Open: the snapshot's directory in the cache, or a ready-made graph in it. It downloads
// what the cache lacks and blocks meanwhile, also while another process downloads the same. If the Hub cannot be reached,
// a complete cached snapshot is used; offline, nothing else. Errors wrap ErrNotCached if the cache was the last
// resort, and say what to do.
func (c *Client) Fetch(ctx context.Context, ref Ref) (string, error) {
	if c.set.Offline {
		path, err := c.cached(ref)
		if err != nil {
			return "", fmt.Errorf("fetching %s: the network is switched off (HF_HUB_OFFLINE): %w; fetch it once without that, or set HF_HOME to where it is", ref, err)
		}
		return path, nil
	}
	path, err := c.download(ctx, ref)
	if err == nil {
		return path, nil
	}
	if mayPass(err) && ctx.Err() == nil {
		kept, missing := c.cached(ref)
		if missing == nil {
			c.set.Log.Warn("the Hub cannot be reached: using the model in the cache", "model", ref.String(), "path", kept, "error", err.Error())
			return kept, nil
		}
		return "", fmt.Errorf("fetching %s: %w; and %w; check HF_ENDPOINT and the network", ref, err, missing)
	}
	return "", fmt.Errorf("fetching %s: %w", ref, err)
}

// download makes the snapshot of a revision complete.
func (c *Client) download(ctx context.Context, ref Ref) (string, error) {
	l, err := c.list(ctx, ref)
	if err != nil {
		return "", err
	}
	want, err := choose(l.files, c.set.Decoder)
	if err != nil {
		return "", err
	}
	s := snapshot{dir: filepath.Join(c.set.Cache, ref.folder(), "snapshots", l.commit)}
	if want.index != "" {
		if err := c.file(ctx, ref, l.commit, want.index, s); err != nil {
			return "", err
		}
		if want.weights, err = s.shards(want.index, l.files); err != nil {
			return "", err
		}
	}
	// config.json last: a snapshot without it is not taken for a complete one.
	for _, name := range append(append(want.companions, want.weights...), configFile) {
		if err := c.file(ctx, ref, l.commit, name, s); err != nil {
			return "", err
		}
	}
	if ref.Revision != l.commit {
		at := filepath.Join(c.set.Cache, ref.folder(), "refs", filepath.FromSlash(ref.Revision))
		if b, err := os.ReadFile(at); err == nil && string(b) == l.commit {
			return filepath.Join(s.dir, want.open), nil // a cache that is complete may be read-only
		}
		if err := writeFile(at, l.commit); err != nil {
			return "", fmt.Errorf("recording the revision: %w", err)
		}
	}
	return filepath.Join(s.dir, want.open), nil
}

// file brings one file of a commit into its snapshot. What a commit's snapshot has never changes.
func (c *Client) file(ctx context.Context, ref Ref, commit, name string, s snapshot) error {
	if s.has(name) {
		return nil
	}
	m, err := c.announce(ctx, ref, commit, name)
	if err != nil {
		return err
	}
	if err := c.blob(ctx, ref, commit, name, m); err != nil {
		return err
	}
	return s.link(name, m.etag)
}

// cached finds the complete snapshot of a revision, without the network.
func (c *Client) cached(ref Ref) (string, error) {
	root := filepath.Join(c.set.Cache, ref.folder())
	commit := ref.Revision
	if b, err := os.ReadFile(filepath.Join(root, "refs", filepath.FromSlash(ref.Revision))); err == nil {
		commit = strings.TrimSpace(string(b))
	}
	if !commitRE.MatchString(commit) {
		return "", fmt.Errorf("it is %w %s", ErrNotCached, c.set.Cache)
	}
	s := snapshot{dir: filepath.Join(root, "snapshots", commit)}
	path, err := s.complete()
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("it is %w %s", ErrNotCached, c.set.Cache)
	}
	if err != nil {
		return "", fmt.Errorf("it is %w %s completely: %w", ErrNotCached, c.set.Cache, err)
	}
	return path, nil
}
