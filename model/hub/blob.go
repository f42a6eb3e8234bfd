package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// blob brings a file's content into the cache, unless it is there. Two processes do not load the same content beside each other.
func (c *Client) blob(ctx context.Context, ref Ref, commit, name string, m meta) error {
	path := filepath.Join(c.set.Cache, ref.folder(), "blobs", m.etag)
	if exists(path) {
		return nil
	}
	unlock, err := lock(ctx, filepath.Join(c.set.Cache, ".locks", ref.folder(), m.etag+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if exists(path) { // the process before us has brought it
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("creating the Hub's cache: %w", err)
	}
	part := path + ".incomplete"
	before := sizeOf(part)
	c.set.Log.Info("downloading a model's file", "model", ref.String(), "file", name, "bytes", m.size, "resumed_at", before)
	err = c.bring(ctx, ref, commit, name, m, part)
	if errors.Is(err, errChecksum) && before > 0 { // what an earlier process left may be what is wrong
		c.set.Log.Warn("downloading a model's file again: what was left of an earlier download does not fit", "model", ref.String(), "file", name)
		err = c.bring(ctx, ref, commit, name, m, part)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("writing the Hub's cache: %w", err)
	}
	return nil
}

// bring completes a partial file and checks it. A file that is wrong is deleted.
func (c *Client) bring(ctx context.Context, ref Ref, commit, name string, m meta, part string) error {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, roomFor(m.size, filepath.Dir(part), err))
	}
	x := exchange{method: http.MethodGet, url: c.fileURL(ref, commit, name)}
	most := sizeOf(part) // a server that knows no ranges begins again each time: that alone is no progress
	err = c.set.again(ctx, func() (bool, error) {
		before := most
		err := c.transfer(ctx, x, name, m, f)
		most = max(most, sizeOf(part))
		return most > before, err
	})
	if err == nil {
		err = f.Sync() // before it gets its name, which nobody doubts later
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	checked, err := verify(part, m)
	if err != nil {
		if errors.Is(err, errChecksum) {
			err = errors.Join(err, os.Remove(part))
		}
		return fmt.Errorf("checking %s: %w", name, err)
	}
	if !checked {
		c.set.Log.Warn("the Hub announced no checksum: only the size was checked", "model", ref.String(), "file", name)
	}
	return nil
}

// transfer appends what is missing to f.
func (c *Client) transfer(ctx context.Context, x exchange, name string, m meta, f *os.File) error {
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	switch {
	case m.size >= 0 && at > m.size:
		at = 0
	case m.size > 0 && at == m.size:
		return nil
	}
	x.offset = at
	resp, err := c.do(ctx, x)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
		at = 0 // the whole file, asked for or not
	case http.StatusPartialContent:
		if first, ok := firstByte(resp.Header.Get("Content-Range")); !ok || first != at {
			return fmt.Errorf("%s answered with another range of %s than was asked for", resp.Request.URL.Host, name)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		if err := f.Truncate(0); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		return passing{fmt.Errorf("%s has no byte %d of %s", resp.Request.URL.Host, at, name)}
	default:
		return refused(name, resp, c.set.Token != "")
	}
	if err := f.Truncate(at); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return fill(f, resp.Body, name, at, m.size)
}

// fill copies a body to its file, which holds at bytes and is to hold size (-1: whatever comes).
func fill(f *os.File, body io.Reader, name string, at, size int64) error {
	if size >= 0 {
		body = io.LimitReader(body, size-at+1)
	}
	in := &source{r: body}
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, in, make([]byte, 1<<20))
	switch {
	case in.err != nil:
		return fmt.Errorf("downloading %s: %w", name, in.err)
	case err != nil:
		return fmt.Errorf("writing %s: %w", name, roomFor(size, filepath.Dir(f.Name()), err))
	case size >= 0 && at+n > size:
		return errors.Join(fmt.Errorf("downloading %s: %w: it is longer than %d bytes", name, errChecksum, size), f.Truncate(0))
	case size >= 0 && at+n < size:
		return passing{fmt.Errorf("downloading %s: it ended after %d of %d bytes", name, at+n, size)}
	}
	return nil
}

// source remembers a read's error, so that it is not taken for the disk's.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// firstByte reads the N of "bytes N-M/T".
func firstByte(contentRange string) (int64, bool) {
	rest, ok := strings.CutPrefix(contentRange, "bytes ")
	if !ok {
		return 0, false
	}
	first, _, ok := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	return n, ok && err == nil && n >= 0
}

func sizeOf(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
